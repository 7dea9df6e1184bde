//! How fast is a verification, beside the `dcap-qvl` crate on the same machine in the same run? And how fast does the
//! simulator mint, the Quote Generation Service and the caching service answer?
//!
//! The measuring itself are Cargo benches of this package: always optimised, and the peer stays a
//! dev-dependency, which no user builds. The caching service is measured from outside, as the command that users run.

mod pccs;

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How to measure, and how to tell.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this bench [default: all of them]
    #[arg(value_enum)]
    only: Option<Bench>,
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

/// What there is to measure.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Bench {
    /// Verification beside the peer
    Verification,
    /// The simulator
    Minting,
    /// The Quote Generation Service
    Qgs,
    /// The caching service, in its own process, loaded by `wrk`
    Pccs,
}

/// Builds and runs the benches, which print the results.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = [Bench::Verification, Bench::Minting, Bench::Qgs, Bench::Pccs];
    let chosen = all.into_iter().filter(|bench| args.only.is_none_or(|only| only == *bench));
    chosen.into_iter().try_for_each(|bench| run_one(bench, args))
}

fn run_one(bench: Bench, args: &Args) -> Result<()> {
    let name = match bench {
        Bench::Verification => "verification",
        Bench::Minting => "minting",
        Bench::Qgs => "qgs",
        Bench::Pccs => return pccs::run(args.json),
    };
    let mut command = Command::new("cargo");
    command.args(["bench", "--quiet", "--package", "xtask", "--bench", name, "--"]);
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
