//! `tdattest sim`: a software Intel and TD, for everyone without the hardware.

mod collateral;
mod faults;
mod format;
#[cfg(unix)]
mod pcs;
mod platform;
#[cfg(unix)]
mod qgs;
mod quote;
#[cfg(target_os = "linux")]
mod td;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;

/// Simulate a TDX platform and its Intel: quotes and collateral without hardware
///
/// A simulated platform is a folder: platform.toml says everything about it, root.pem is the root certificate that
/// vouches for it. No quote of it is accepted by anyone who trusts Intel's root; `tdattest verify --root DIR/root.pem`
/// verifies it under its own.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Sim,
}

#[derive(Subcommand)]
enum Sim {
    Platform(platform::Args),
    Quote(quote::Args),
    Collateral(collateral::Args),
    Faults(faults::Args),
    #[cfg(unix)]
    Pcs(pcs::Args),
    #[cfg(unix)]
    Qgs(qgs::Args),
    #[cfg(target_os = "linux")]
    Td(td::Args),
}

const EXAMPLES: &str = "\
Examples:
  A platform, a quote of its TD, the collateral, and the verdict:
    tdattest sim platform new my-platform
    tdattest sim quote --platform my-platform -o quote.dat
    tdattest sim collateral --platform my-platform -o bundle.json
    tdattest verify quote.dat --collateral bundle.json --root my-platform/root.pem

  The same quote after a TCB recovery, which left this platform behind:
    tdattest sim collateral --platform my-platform --set-of early -o early.json
    tdattest verify quote.dat --collateral early.json --root my-platform/root.pem

  Serve it as Intel's PCS does, for clients that fetch:
    tdattest sim pcs --platform my-platform --listen 127.0.0.1:8081

  Does my verifier notice a revoked platform?
    tdattest sim collateral --platform my-platform --fault pck-chain.revoked -o revoked.json

  A program inside the TD, with the devices that it has there:
    tdattest sim td --platform my-platform -- my-program

Exit codes:
  0  done
  2  misuse, or a platform that cannot be used, or a file that cannot be written
  3  this system lacks what a simulated TD needs (sim td alone, which else ends as its command does)";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    #[cfg(target_os = "linux")]
    if let Sim::Td(args) = &args.command {
        return td::run(args);
    }
    perform(args)?;
    if let Sim::Platform(args) = &args.command {
        platform::advise(args)?;
    }
    Ok(Exit::Success)
}

/// Does it, without advice on what to do next.
pub(crate) fn perform(args: &Args) -> Result<()> {
    match &args.command {
        Sim::Platform(args) => platform::run(args),
        Sim::Quote(args) => quote::run(args),
        Sim::Collateral(args) => collateral::run(args),
        Sim::Faults(args) => faults::run(args),
        #[cfg(unix)]
        Sim::Pcs(args) => pcs::run(args),
        #[cfg(unix)]
        Sim::Qgs(args) => qgs::run(args),
        #[cfg(target_os = "linux")]
        Sim::Td(args) => td::run(args).map(|_| ()),
    }
}
