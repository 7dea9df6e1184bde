//! How fast is a verification, beside the `dcap-qvl` crate on the same machine in the same run?
//!
//! The measuring itself is a Cargo bench of this package: always optimised, and the peer stays a
//! dev-dependency, which no user builds.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How to measure, and how to tell.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Rounds, each of which measures every contestant once; medians are taken over them
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Runs of each contestant in a round
    #[arg(long, default_value_t = 20)]
    runs: usize,
}

/// Builds and runs the bench, which prints the result.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["bench", "--quiet", "--package", "xtask", "--bench", "verification", "--"]);
    command.args(["--rounds", &args.rounds.to_string(), "--runs", &args.runs.to_string()]);
    if args.json {
        command.arg("--json");
    }
    // Where it is set, the peer's errors record a backtrace, which costs more than a verification.
    command.env_remove("RUST_BACKTRACE").env("RUST_LIB_BACKTRACE", "0");
    let status = command.status().context("starting cargo bench")?;
    ensure!(status.success(), "cargo bench: {status}");
    Ok(())
}
