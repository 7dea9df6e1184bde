//! `tdattest channel`: the TD's way to its Quote Generation Service, `/etc/tdx-attest.conf`.

mod set;
mod show;
mod test;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Subcommand;
use tdattest_attester::Paths;
use tdattest_attester::config;

use crate::exit::Exit;
use crate::guest::RootArgs;
use crate::input::{reason, shown};

/// In a TD: show, change or test the channel to the host's Quote Generation Service (QGS)
///
/// /etc/tdx-attest.conf names a vsock port of the host. Intel's client (libtdx_attest) asks there first if it names one,
/// and then tries nothing else; `tdattest quote` asks configfs first. A TD whose kernel has configfs-tsm needs no port.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    Show(show::Args),
    Set(set::SetArgs),
    Unset(set::UnsetArgs),
    Test(test::Args),
}

const EXAMPLES: &str = "\
Examples:
  What does Intel's client make of the file that is there?
    tdattest channel show

  Use the QGS on the host's port 4050, and see whether it answers:
    tdattest channel set --port 4050
    tdattest channel test

  Use configfs-tsm alone:
    tdattest channel unset

Exit codes:
  0  done; for `test`: a quote came
  2  misuse, or a file that cannot be read or written
  3  for `test`: no quote can be had; the hop that failed is named";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Action::Show(args) => show::run(args),
        Action::Set(args) => set::run(args),
        Action::Unset(args) => set::run_unset(args),
        Action::Test(args) => test::run(args),
    }
}

/// Which file it is.
#[derive(clap::Args)]
struct ConfigArgs {
    /// The configuration [default: /etc/tdx-attest.conf]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    root: RootArgs,
}

impl ConfigArgs {
    fn paths(&self) -> Paths {
        let paths = self.root.paths();
        Paths { config: self.config.clone().unwrap_or(paths.config), ..paths }
    }

    /// The file's text; `None` if there is no file.
    fn text(&self) -> Result<Option<Vec<u8>>> {
        let path = self.paths().config;
        config::text(&path)
            .map_err(|fault| anyhow!("cannot read {}: {}", shown(&path), reason(&fault)))
    }
}
