//! `tdattest collateral`: the documents that judging a quote takes, fetched, kept, shown and carried.

mod check;
mod diff;
mod difference;
mod export;
mod fetch;
mod fetching;
mod forget;
mod gather;
mod import;
mod listing;
mod monitor;
mod place;
mod platforms;
mod refresh;
mod show;

use anyhow::Result;

use crate::exit::Exit;

/// Fetch, keep, show and carry the documents that verifying a quote takes
///
/// Intel signs them: CRLs, TCB info, QE identity. They are fetched from Intel's PCS unless other sources are named, on the
/// command line or in ~/.config/tdattest/config.toml or /etc/tdattest/config.toml, and kept until they end. Only `fetch`, `refresh`,
/// and `export` with --fmspc or --quote, go to the network.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Fetch(fetch::Args),
    Show(show::Args),
    Check(check::Args),
    Refresh(refresh::Args),
    Forget(forget::Args),
    Export(export::Args),
    Import(import::Args),
    Diff(diff::Args),
}

const EXAMPLES: &str = "\
Examples:
  Fetch the collateral of a quote into a file, and verify with it:
    tdattest collateral fetch quote.dat -o bundle.json
    tdattest verify quote.dat --collateral bundle.json

  What is kept, and when does it end?
    tdattest collateral show

  Renew all that is kept, and remove what ended a month ago:
    tdattest collateral refresh
    tdattest collateral forget

  Carry the collateral of two platform families to where there is no network:
    tdattest collateral export --fmspc 50806F000000 --fmspc 90C06F000000 -o archive.json
    tdattest collateral import archive.json

  What does the newest TCB recovery change?
    tdattest collateral diff archive.json

A configuration:
  [collateral]
  set = \"standard\"
  [[collateral.source]]
  at = \"https://pccs.example:8081\"
  ca_file = \"/etc/tdattest/pccs-ca.pem\"
  [[collateral.source]]
  at = \"https://api.trustedservices.intel.com\"";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Command::Fetch(args) => fetch::run(args),
        Command::Show(args) => show::run(args),
        Command::Check(args) => check::run(args),
        Command::Refresh(args) => refresh::run(args),
        Command::Forget(args) => forget::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Diff(args) => diff::run(args),
    }
}
