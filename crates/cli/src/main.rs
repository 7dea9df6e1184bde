//! The `tdattest` command: Intel TDX and SGX attestation on the command line.
//!
//! Must stay true: the command judges nothing. It reads, hands over to `tdattest-verifier`, and shows what that said.
#![forbid(unsafe_code)]

mod arguments;
mod authenticate;
mod cli;
mod commands;
mod destination;
mod disk_image;
mod documents;
mod exit;
#[cfg(target_os = "linux")]
mod guest;
mod hint;
mod input;
mod inspect;
mod output;
mod report;
#[cfg(target_os = "linux")]
mod service;
mod shell;
mod simulation;
mod sources;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(&error);
            exit::Exit::Misuse.into()
        }
    }
}
