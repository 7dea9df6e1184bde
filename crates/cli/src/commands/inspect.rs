//! `tdattest inspect`: what is in this file?

use anyhow::Result;

use crate::exit::Exit;

/// Show what is in a file
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<Exit> {
    Ok(Exit::Success)
}
