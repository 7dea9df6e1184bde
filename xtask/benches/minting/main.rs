//! Measures the simulator: `cargo xtask bench minting`.
//!
//! One thread, CPU time of that thread, medians of interleaved rounds, beside one ECDSA signature in the same run.

#![allow(clippy::print_stdout, reason = "what it prints is its result")]

#[path = "../verification/cpu_time.rs"]
mod cpu_time;

use std::hint::black_box;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Map, json};
use tdattest_simulator::wire::bytes::ReportData;
use tdattest_simulator::wire::pcs::EvaluationDataSet;
use tdattest_simulator::wire::quote::{Quote, TeeType};
use tdattest_simulator::wire::time::UnixTime;
use tdattest_simulator::{
    Broken, CollateralDraft, Fault, Format, MintError, Platform, QuoteDraft, QuotingEnclave, Seed,
};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

/// Measure the simulator.
#[derive(Parser)]
struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Runs of each thing in a round
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let at: UnixTime = "2026-11-01T00:00:00Z".parse().context("a time")?;
    let platform = Platform::new(Seed::of("a bench"));
    let report = platform.launch_td().report(ReportData([7; 64]));
    let enclave = QuotingEnclave::new(&platform)?;
    let key = platform.root_ca().key;
    let things = [
        Thing::new("one ECDSA signature", args.runs, || {
            black_box(key.sign(b"message"));
            Ok(())
        }),
        Thing::new("a quote, warm", args.runs, || {
            black_box(enclave.quote(&report)?);
            Ok(())
        }),
        Thing::new("platform, quote and collateral", args.runs, || everything(at)),
        Thing::new("the fault matrix, minted and verified", 1, || fault_matrix(at)),
    ];
    let mut times = vec![Vec::new(); things.len()];
    for _ in 0..args.rounds {
        for (thing, times) in things.iter().zip(&mut times) {
            times.push(thing.milliseconds()?);
        }
    }
    let medians = things.iter().zip(times).map(|(thing, mut times)| {
        times.sort_by(f64::total_cmp);
        (thing.name, times.get(times.len() / 2).copied().unwrap_or(f64::NAN))
    });
    if args.json {
        let medians: Map<_, _> =
            medians.map(|(name, median)| (name.to_owned(), json!(median))).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "milliseconds": medians }))?);
    } else {
        println!("milliseconds of CPU time, one thread, medians of {} rounds", args.rounds);
        medians.for_each(|(name, median)| println!("  {name:<40}{median:>9.3}"));
    }
    Ok(())
}

/// What is measured.
struct Thing<'t> {
    name: &'static str,
    runs: usize,
    work: Box<dyn Fn() -> Result<()> + 't>,
}

impl<'t> Thing<'t> {
    fn new(name: &'static str, runs: usize, work: impl Fn() -> Result<()> + 't) -> Self {
        Self { name, runs, work: Box::new(work) }
    }

    /// What one of its runs takes.
    fn milliseconds(&self) -> Result<f64> {
        let mut outcome = Ok(());
        let microseconds = cpu_time::of(self.runs, || {
            if let Err(fault) = (self.work)() {
                outcome = Err(fault);
            }
        });
        outcome.map(|()| microseconds / 1e3)
    }
}

/// A new platform with all its keys, a quote and the collateral for it.
fn everything(at: UnixTime) -> Result<()> {
    let platform = Platform::new(Seed::of("a platform"));
    let quote = QuoteDraft::new(&platform, Format::V4_TD_1_0, ReportData([7; 64]), at)?.mint()?;
    let set = EvaluationDataSet::Standard;
    let collateral = CollateralDraft::new(&platform, TeeType::Tdx, set, at)?.mint()?;
    black_box((quote, collateral, platform.root_ca().der()?));
    Ok(())
}

/// Every fault in every format that can have it.
fn fault_matrix(at: UnixTime) -> Result<()> {
    let platform = Platform::new(Seed::of("the fault matrix"));
    let anchor = TrustAnchor::from_der(&platform.root_ca().der()?)?;
    let verifier = Verifier::new(anchor, crypto::aws_lc());
    for fault in Fault::all() {
        for format in Format::ALL {
            let mut quote = QuoteDraft::new(&platform, format, ReportData([7; 64]), at)?;
            let set = EvaluationDataSet::Standard;
            let mut collateral = CollateralDraft::new(&platform, format.tee(), set, at)?;
            let broken = match fault.breaks() {
                Broken::Quote => quote.break_with(fault),
                Broken::Collateral => collateral.break_with(fault),
            };
            match broken {
                Err(MintError::NeedsOtherQuote { .. }) => continue,
                other => other?,
            }
            let bytes = quote.mint()?;
            let verdict = verifier.verify(&Quote::parse(&bytes)?, &collateral.mint()?, at);
            anyhow::ensure!(verdict.is_err(), "{fault} in a {format} is accepted");
        }
    }
    Ok(())
}
