//! `tdattest qgs`: the Quote Generation Service of a TDX host.

mod check;
mod configuration;
mod serve;
mod simulated;
mod status;

use anyhow::Result;

use crate::exit::Exit;

/// On a TDX host: run the Quote Generation Service (QGS), see how it stands, find what is in its way
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Status(status::Args),
    Check(check::Args),
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Command::Serve(args) => serve::run(args),
        Command::Status(args) => status::run(args),
        Command::Check(args) => check::run(args),
    }
}
