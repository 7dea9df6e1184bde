//! Measures the Quote Generation Service: `cargo xtask bench qgs`.
//!
//! 64 clients in this process ask as fast as they get answers, over a Unix socket, of a backend that costs nothing; then
//! the same clients ask a loop that accepts, reads and writes the same bytes, and does nothing else. Both share the
//! machine's cores with their clients. Medians of interleaved rounds.

#![allow(clippy::print_stdout, reason = "what it prints is its result")]

#[path = "../../src/soak/load.rs"]
#[allow(dead_code, reason = "the bench uses a part of it")]
mod load;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tdattest_qgs::Settings;
use tdattest_qgs::wire::qgs::QuoteResponse;

use load::{Answer, QUOTE_BYTES, Scripted, ask, start};

/// Clients that ask at once.
const CLIENTS: u64 = 64;

/// Requests of each in a round, for each run that is asked for.
const REQUESTS_PER_RUN: u64 = 25;

/// Measure the Quote Generation Service.
#[derive(Parser)]
struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Rounds, each of which measures everything once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// How often each of the 64 clients asks in a round, divided by 25
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// One round of one contestant.
struct Round {
    per_second: f64,
    cpu_microseconds: f64,
    p50: f64,
    p99: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("qgs.socket");
    let backend = Arc::new(Scripted { fails_every: 0, calls: AtomicU64::new(0) });
    let service = start(&path, &backend, Settings::default())?;
    let bare = folder.path().join("bare.socket");
    serve_bare(UnixListener::bind(&bare)?);
    let requests = args.runs.saturating_mul(REQUESTS_PER_RUN);
    let (mut ours, mut loops) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        ours.push(round(&path, requests)?);
        loops.push(round(&bare, requests)?);
    }
    ensure!(service.drain(Duration::from_secs(10)), "the service does not end");
    tell(&args, &median(ours)?, &median(loops)?)
}

fn tell(args: &Args, ours: &Round, bare: &Round) -> Result<()> {
    if args.json {
        let of = |round: &Round| {
            json!({ "perSecond": round.per_second, "cpuMicroseconds": round.cpu_microseconds,
                    "p50Milliseconds": round.p50, "p99Milliseconds": round.p99 })
        };
        let all = json!({ "clients": CLIENTS, "service": of(ours), "bareLoop": of(bare) });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{CLIENTS} clients, Unix socket, medians of {} rounds; clients included", args.rounds);
    println!(
        "{:<24}{:>12}{:>16}{:>10}{:>10}",
        "", "quotes/s", "CPU µs a quote", "p50 ms", "p99 ms"
    );
    for (name, round) in [("tdattest qgs", ours), ("accept, read, write", bare)] {
        let Round { per_second, cpu_microseconds, p50, p99 } = round;
        println!("{name:<24}{per_second:>12.0}{cpu_microseconds:>16.1}{p50:>10.2}{p99:>10.2}");
    }
    println!("ratio of CPU: {:.2}", ours.cpu_microseconds / bare.cpu_microseconds);
    Ok(())
}

/// All clients ask so often.
fn round(path: &Path, requests: u64) -> Result<Round> {
    let (begun, cpu) = (Instant::now(), cpu_time());
    let durations: Result<Vec<Vec<u64>>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || client_asks(path, client, requests)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
            .collect()
    });
    let (elapsed, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
    let mut durations: Vec<u64> = durations?.concat();
    durations.sort_unstable();
    let count = durations.len();
    let at = |percent: usize| {
        let index = count.saturating_mul(percent) / 100;
        let microseconds = durations.get(index).copied().unwrap_or_default();
        Duration::from_micros(microseconds).as_secs_f64() * 1e3
    };
    let quotes = f64::from(u32::try_from(count)?);
    Ok(Round {
        per_second: quotes / elapsed.as_secs_f64(),
        cpu_microseconds: cpu.as_secs_f64() * 1e6 / quotes,
        p50: at(50),
        p99: at(99),
    })
}

fn client_asks(path: &Path, client: u64, requests: u64) -> Result<Vec<u64>> {
    (0..requests)
        .map(|request| {
            let begun = Instant::now();
            let answer = ask(path, client.saturating_mul(requests).saturating_add(request))?;
            ensure!(matches!(answer, Answer::Quote), "no quote");
            Ok(u64::try_from(begun.elapsed().as_micros())?)
        })
        .collect()
}

/// A loop in two threads that reads a request and writes as many bytes as an answer has.
fn serve_bare(listener: UnixListener) {
    let listener = Arc::new(listener);
    for _ in 0..2 {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            let mut request = [0; 2_048];
            while let Ok((mut stream, _)) = listener.accept() {
                let count = stream.read(&mut request).unwrap_or_default();
                // The prefix, the header, two sizes, the TDREPORT's data.
                let mut quote = vec![0; QUOTE_BYTES];
                let data = request.get(28 + 128..count).unwrap_or_default();
                quote.iter_mut().zip(data).take(64).for_each(|(to, from)| *to = *from);
                let answer = QuoteResponse { selected_id: &[], quote: &quote }.write();
                let _ = stream.write_all(&answer);
            }
        });
    }
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The round with the median rate.
fn median(mut rounds: Vec<Round>) -> Result<Round> {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let middle = rounds.len() / 2;
    rounds.into_iter().nth(middle).context("there were no rounds")
}
