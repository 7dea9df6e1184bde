//! The subcommands: one file each, with its arguments and a `run`.

#[cfg(target_os = "linux")]
pub(crate) mod channel;
pub(crate) mod collateral;
pub(crate) mod completions;
pub(crate) mod copy_out;
pub(crate) mod demo;
pub(crate) mod inspect;
pub(crate) mod man;
#[cfg(target_os = "linux")]
pub(crate) mod pccs;
#[cfg(target_os = "linux")]
pub(crate) mod qgs;
#[cfg(target_os = "linux")]
pub(crate) mod quote;
#[cfg(target_os = "linux")]
pub(crate) mod report;
#[cfg(target_os = "linux")]
pub(crate) mod rtmr;
pub(crate) mod sim;
pub(crate) mod verify;

use anyhow::Result;

use crate::cli::Command;
use crate::exit::Exit;

pub(crate) fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Collateral(args) => collateral::run(&args),
        #[cfg(target_os = "linux")]
        Command::Channel(args) => channel::run(&args),
        #[cfg(target_os = "linux")]
        Command::Report(args) => report::run(&args),
        #[cfg(target_os = "linux")]
        Command::Quote(args) => quote::run(&args),
        #[cfg(target_os = "linux")]
        Command::Rtmr(args) => rtmr::run(&args),
        #[cfg(target_os = "linux")]
        Command::Qgs(args) => qgs::run(&args),
        #[cfg(target_os = "linux")]
        Command::Pccs(args) => pccs::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::CopyOut(args) => copy_out::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
