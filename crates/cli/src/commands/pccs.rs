//! `tdattest pccs`: a caching service for Intel's collateral.

mod configuration;
mod import;
mod open;
mod refresh;
mod serve;
mod sockets;
mod status;
mod told;
mod user;

use anyhow::Result;

use crate::exit::Exit;

/// Run a caching service for Intel's collateral (PCCS), with the API of Intel's, and look after what it keeps
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Status(status::Args),
    Refresh(refresh::Args),
    User(user::Args),
    Import(import::Args),
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.command {
        Command::Serve(args) => serve::run(args),
        Command::Status(args) => status::run(args),
        Command::Refresh(args) => refresh::run(args),
        Command::User(args) => user::run(args),
        Command::Import(args) => import::run(args),
    }
}
