//! `tdattest demo`: the whole way from a TD to a verdict, in one command, on any machine.
//!
//! Must stay true: every step is a `tdattest` command, and what is shown is what is run. Nothing here judges.

mod folder;
mod replay;
mod steps;

use std::path::PathBuf;

use anyhow::Result;
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::parse_time;
use crate::exit::Exit;
use folder::Folder;
use steps::Demo;

/// Show attestation from end to end, without TDX hardware
///
/// Simulates a platform and launches a TD on it, makes a quote and its collateral, and verifies it: accepted. Then the
/// same quote with one bit flipped, and the same quote after a TCB recovery: both refused, with the reason. Each step
/// is shown as the command that does it, to be repeated.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// New folder for the files of the demo
    #[arg(long, value_name = "DIR", default_value = "tdattest-demo")]
    folder: PathBuf,

    /// Use the folder even if it is there, and replace what an earlier demo left in it
    #[arg(long)]
    force: bool,

    /// Play it as of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
}

const EXAMPLES: &str = "\
Examples:
  Play it, and look at the quote it made:
    tdattest demo
    tdattest inspect tdattest-demo/quote.dat

Exit codes:
  0  all three verdicts were the expected ones: one accepted, two refused
  1  another verdict
  2  misuse, or the folder is there already or cannot be written";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let folder = Folder::make(&args.folder, args.force)?;
    let outcome = Demo::new(folder.path(), args.at).play();
    if outcome.is_err() {
        folder.undo();
    }
    outcome
}
