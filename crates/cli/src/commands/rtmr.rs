//! `tdattest rtmr`: the TD's run-time measurement registers and the logs that explain them.

mod event;
mod extend;
mod log;
mod read;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use tdattest_attester::Paths;

use crate::exit::Exit;
use crate::guest::RootArgs;

/// In a TD: read, extend and explain the run-time measurement registers (RTMRs)
///
/// Extending cannot be undone: a register becomes the SHA-384 of itself and a digest. Firmware and kernel use RTMR0 and
/// RTMR1, boot loader and kernel RTMR2; RTMR3 is for applications.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    Read(read::Args),
    Extend(extend::Args),
    Log(log::Args),
}

const EXAMPLES: &str = "\
Examples:
  The registers, for a script:
    tdattest rtmr read --json | jq -r '.rtmrs[3]'

  Measure a configuration before it is used:
    tdattest rtmr extend --index 3 --data-file app.toml

  What was measured, and does it explain the registers?
    tdattest rtmr log

Exit codes:
  0  done; for `log`: the logs explain every register
  1  for `log`: a register has another value than the logs lead to
  2  misuse, or a file that cannot be read
  3  it cannot be had here: no TD, no device, no permission, or the kernel is too old";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Action::Read(args) => read::run(args),
        Action::Extend(args) => extend::run(args),
        Action::Log(args) => log::run(args),
    }
}

/// Where the registers and the logs are.
#[derive(clap::Args)]
struct LogArgs {
    /// The log of what was measured at run time [default: /run/tdattest/event-log]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    #[command(flatten)]
    root: RootArgs,
}

impl LogArgs {
    fn paths(&self) -> Paths {
        let paths = self.root.paths();
        Paths { event_log: self.log.clone().unwrap_or(paths.event_log), ..paths }
    }
}
