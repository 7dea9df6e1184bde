//! Measures verification beside the `dcap-qvl` crate: `cargo xtask bench`.
//!
//! One thread, CPU time of that thread, rounds in which every contestant runs in turn so that a
//! slow spell of the machine hits all of them, medians over the rounds. The ratio of two
//! contestants is the median of the ratios within a round.

#![allow(clippy::print_stdout, reason = "what it prints is its result")]

mod contest;
mod cpu_time;
mod report;
mod samples;

use anyhow::Result;
use clap::Parser;

/// Measure verification beside the dcap-qvl crate.
#[derive(Parser)]
struct Args {
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Rounds, each of which measures every contestant once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Runs of each contestant in a round
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Only this sample
    #[arg(long)]
    sample: Option<String>,
    /// Only run this contestant, that many times, for a profiler; prints nothing
    #[arg(long)]
    profile: Option<String>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut results = Vec::new();
    for sample in samples::all()? {
        if args.sample.as_ref().is_some_and(|name| *name != sample.name) {
            continue;
        }
        match &args.profile {
            Some(name) => contest::profile(&sample, name, args.rounds * args.runs)?,
            None => results.push(contest::run(&sample, args.rounds, args.runs)?),
        }
    }
    if args.profile.is_some() {
        return Ok(());
    }
    if args.json { report::json(&results) } else { report::tables(&results, &args_line(&args)) }
}

fn args_line(args: &Args) -> String {
    format!(
        "microseconds of CPU time, one thread, medians of {} rounds of {} runs",
        args.rounds, args.runs
    )
}
