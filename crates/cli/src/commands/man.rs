//! `tdattest man`: the manual pages, made from the definitions of the command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// Print the manual page, or write one for each command into a folder
///
/// To read it at once: tdattest man | man -l -
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder to write `tdattest.1`, `tdattest-verify.1` and so on into
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
                .with_context(|| {
                    format!("cannot write manual pages into `{}`", folder.display())
                })?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            output::data(&page)?;
        }
    }
    Ok(Exit::Success)
}
