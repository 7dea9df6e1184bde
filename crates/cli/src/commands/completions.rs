//! `tdattest completions`: the completion script of a shell.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// Print the completion script of a shell
///
/// For bash: tdattest completions bash > /etc/bash_completion.d/tdattest
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tdattest", &mut script);
    output::data(&script)?;
    Ok(Exit::Success)
}
