//! `tdattest sim platform`: the folder that holds a whole simulated platform and its PKI.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Subcommand;
use tdattest_simulator::{Platform, Seed, folder};
use tdattest_verifier::TrustAnchor;

use crate::input::shown;
use crate::output;
use crate::shell::quoted;
use crate::simulation::{uncreatable, with};
use crate::table::pairs;

/// Make a simulated platform
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    New(New),
}

/// Make a simulated platform: a folder with everything about it
///
/// platform.toml describes hardware, TDX module, TD, certificates and TCB levels, and may be edited; root.pem is the
/// root certificate to verify with. The platform is up to date under the standard set of TCB info, and out of date
/// under the early one, which brings a TCB recovery.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
struct New {
    /// The folder, which must not be there yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Where every key and id comes from (32 bytes, hexadecimal): the same seed, the same platform [default: random]
    #[arg(long, value_name = "HEX", conflicts_with = "phrase")]
    seed: Option<Seed>,

    /// The same from a text, which is easier to remember: its SHA-256 is the seed
    #[arg(long, value_name = "TEXT")]
    phrase: Option<String>,

    /// Another value for a key of platform.toml; may be given many times
    ///
    /// KEY is the path to it, an entry of a list by its number from 0: hardware.pce_svn=12, hardware.ca=processor,
    /// standard.tcb_level.0.status=Revoked.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  A platform that nobody else has:
    tdattest sim platform new my-platform

  The same platform on every machine, for a test:
    tdattest sim platform new my-platform --phrase 'my test'

  A platform whose TCB level is revoked, and one whose TDX module was updated under the running TD:
    tdattest sim platform new revoked --set standard.tcb_level.0.status=Revoked
    tdattest sim platform new updated --set tdx_module.tee_tcb_svn.0=3

Exit codes:
  0  made
  2  misuse, or the folder is there already or cannot be made";

pub(super) fn run(args: &Args) -> Result<()> {
    let Action::New(args) = &args.command;
    let platform = with(&Platform::new(args.seed()?), &args.set)?;
    folder::create(&args.folder, &platform).map_err(|fault| uncreatable(&args.folder, fault))?;
    output::data(summary(&args.folder, &platform)?.as_bytes())
}

impl New {
    fn seed(&self) -> Result<Seed> {
        match (self.seed, &self.phrase) {
            (Some(seed), _) => Ok(seed),
            (_, Some(phrase)) => Ok(Seed::of(phrase)),
            (None, None) => {
                let mut seed = Seed([0; 32]);
                let filled = getrandom::fill(&mut seed.0);
                filled.map_err(|fault| {
                    anyhow!("the operating system has no random bytes, so give --seed: {fault}")
                })?;
                Ok(seed)
            }
        }
    }
}

/// What was made.
fn summary(folder: &Path, platform: &Platform) -> Result<String> {
    let root = TrustAnchor::from_der(&platform.root_ca().der()?)?;
    let hardware = &platform.hardware;
    let description = folder.join(folder::PLATFORM);
    let rows = [
        ("platform", format!("FMSPC {}, PPID {}", hardware.fmspc, hardware.ppid)),
        ("seed", platform.seed.to_string()),
        ("root", format!("{} (key {})", root.subject(), root.fingerprint())),
        ("all of it", format!("{}, which may be edited", description.display())),
    ];
    Ok(format!("made {}\n{}", shown(folder), pairs(&rows, "  ")))
}

/// What to do with a platform that was made.
pub(super) fn advise(args: &Args) -> Result<()> {
    let Action::New(New { folder, .. }) = &args.command;
    let platform = quoted(folder.as_os_str());
    let root = quoted(folder.join(folder::ROOT).as_os_str());
    output::data(
        format!(
            "\nNext:\n  \
             tdattest sim quote --platform {platform} -o quote.dat\n  \
             tdattest sim collateral --platform {platform} -o bundle.json\n  \
             tdattest verify quote.dat --collateral bundle.json --root {root}\n"
        )
        .as_bytes(),
    )
}
