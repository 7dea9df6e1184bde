//! Tasks of the tdattest workspace, run as `cargo xtask <task>`.
//!
//! Must stay true: `cargo xtask ci` is all that `.ci/run` checks, so a change that passes here
//! passes there.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for a terminal: what it prints is its result"
)]

mod bench;
mod ci;
mod demo;
mod dependencies;
mod dist;
mod dist_dropins;
mod documents;
mod installation;
mod layers;
mod licence;
mod soak;
mod sources;
mod toolchain;
mod vectors;
mod verdict;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// Checks and demonstrations of the tdattest workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Measure verification beside the `dcap-qvl` crate
    Bench(bench::Args),
    /// Run every check that `.ci/run` runs, or the named ones
    Ci(ci::Args),
    /// Verify a production TDX quote with the `tdattest` command
    Demo,
    /// Check licences and duplicate versions of what the workspace ships
    Dependencies,
    /// Build the command, static or for a TDX host, check it, and lay it out for installation
    Dist(dist::Args),
    /// Build the replacements of Intel's libraries, check them, and lay them out for installation
    DistDropins(dist_dropins::Args),
    /// Check that what the documents cite exists
    Documents,
    /// Check that crates and sources keep to the architecture
    Layers,
    /// Load the Quote Generation Service for minutes, with clients that vanish and a backend that fails
    Soak(soak::Args),
    /// Run a folder of quotes with known verdicts, or mint the one of the tree
    Vectors(vectors::Args),
}

fn main() -> ExitCode {
    // Printed here, not by `Termination`, which would add a backtrace where RUST_BACKTRACE is set.
    perform(&Task::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn perform(task: &Task) -> Result<ExitCode> {
    // Every path below is relative to the workspace, wherever the task is called from.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .context("entering the workspace folder")?;
    match task {
        Task::Bench(args) => bench::run(args)?,
        Task::Ci(args) => ci::run(args)?,
        Task::Demo => return demo::run(),
        Task::Dependencies => dependencies::run()?,
        Task::Dist(args) => dist::run(args)?,
        Task::DistDropins(args) => dist_dropins::run(args)?,
        Task::Documents => documents::run()?,
        Task::Layers => layers::run()?,
        Task::Soak(args) => soak::run(args)?,
        Task::Vectors(args) => vectors::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}
