//! Does the Quote Generation Service last? Full load, clients that vanish, a backend that fails one time in ten.
//!
//! Must stay true: every answered quote is looked at; what is lost, or grows, fails the run.

mod load;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use tdattest_qgs::{PoolSettings, Service, Settings};

use load::{Answer, Scripted, ask, ask_and_go, start};

/// How long, and with how many.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how many seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many clients ask at once; one more in eight vanishes in mid-request
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// Where the vanishing clients' choices come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// What CI has time for.
    pub(crate) const SHORT: Self = Self { seconds: 30, clients: 64, seed: 1 };
}

/// One call of the backend in so many fails.
const FAILS_EVERY: u64 = 10;

/// How long the workers may take to be ready again when nobody asks any more: one that hangs never is.
const RECOVERY: Duration = Duration::from_secs(60);

/// A run of so many seconds or more has to see so many requests.
const FULL: (u64, u64) = (600, 1_000_000);

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How much memory may grow after the first fifth of the time, in KiB: what an allocator keeps back for threads.
const GROWTH_KIB: u64 = 8 * 1024;

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    quotes: AtomicU64,
    refusals: AtomicU64,
    vanished: AtomicU64,
}

/// Runs the service and its clients for the time that is asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("qgs.socket");
    let backend = Arc::new(Scripted { fails_every: FAILS_EVERY, calls: AtomicU64::new(0) });
    // The backend fails on purpose, and is to be opened again at once.
    let pool = PoolSettings {
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        ..PoolSettings::default()
    };
    let service = start(&path, &backend, Settings { pool, ..Settings::default() })?;
    let (seen, over) = (Seen::default(), AtomicBool::new(false));
    let memory = thread::scope(|scope| -> Result<Vec<u64>> {
        let clients: Vec<_> = (0..args.clients)
            .map(|client| {
                let (path, seen, over) = (&path, &seen, &over);
                scope.spawn(move || keep_asking(path, client, args.seed, seen, over))
            })
            .collect();
        let memory = watch(Duration::from_secs(args.seconds));
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        memory
    })?;
    let ready = ready_workers(&service);
    ensure!(service.drain(Duration::from_secs(60)), "the service does not end");
    judge(args, &seen, &memory, ready, &backend)
}

/// How many workers are ready, once all are or the time for it is up.
fn ready_workers(service: &Service) -> usize {
    let begun = Instant::now();
    loop {
        let workers = service.status().workers;
        let ready = workers.iter().filter(|worker| worker.state == "ready").count();
        if ready >= PoolSettings::default().workers || begun.elapsed() > RECOVERY {
            return ready;
        }
        thread::yield_now();
    }
}

fn judge(args: &Args, seen: &Seen, memory: &[u64], ready: usize, backend: &Scripted) -> Result<()> {
    let [quotes, refusals, vanished] =
        [&seen.quotes, &seen.refusals, &seen.vanished].map(|count| count.load(Ordering::Relaxed));
    let settled = memory.len() / 5;
    let after = memory.get(settled..).unwrap_or_default();
    let (first, most) =
        (after.first().copied().unwrap_or(0), after.iter().max().copied().unwrap_or(0));
    let rate = quotes.checked_div(args.seconds).unwrap_or(quotes);
    println!(
        "{} s, {} clients: {quotes} quotes ({rate} a second), each bound to its request",
        args.seconds, args.clients
    );
    println!(
        "{refusals} refusals of {} calls of the backend; {vanished} clients vanished",
        backend.calls.load(Ordering::Relaxed)
    );
    let workers = PoolSettings::default().workers;
    println!(
        "{ready} of {workers} workers ready at the end; memory {first} KiB, at most {most} KiB"
    );
    ensure!(quotes > 0 && refusals > 0 && vanished > 0, "the load was not what it should be");
    let (seconds, least) = FULL;
    let requests = quotes.saturating_add(refusals).saturating_add(vanished);
    ensure!(
        args.seconds < seconds || requests >= least,
        "{requests} requests in {} s, expected at least {least}",
        args.seconds
    );
    ensure!(ready == workers, "workers were lost");
    ensure!(most.saturating_sub(first) <= GROWTH_KIB, "memory grew by more than {GROWTH_KIB} KiB");
    Ok(())
}

/// Asks until it is over; one request in eight is left alone in the middle.
fn keep_asking(path: &Path, client: u64, seed: u64, seen: &Seen, over: &AtomicBool) -> Result<()> {
    let mut choice = Choice(seed ^ client.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut number = client << 40;
    while !over.load(Ordering::Relaxed) {
        number = number.wrapping_add(1);
        if choice.next().is_multiple_of(8) {
            let after = usize::try_from(choice.next() % 1_200)?;
            // Whether it got that far before the service was done with it does not matter.
            let _ = ask_and_go(path, number, after);
            seen.vanished.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match ask(path, number)? {
            Answer::Quote => seen.quotes.fetch_add(1, Ordering::Relaxed),
            Answer::Refused => seen.refusals.fetch_add(1, Ordering::Relaxed),
        };
    }
    Ok(())
}

/// The memory of this process, once a second, in KiB.
fn watch(time: Duration) -> Result<Vec<u64>> {
    let begun = Instant::now();
    let mut memory = Vec::new();
    while begun.elapsed() < time {
        thread::sleep(LOOK.min(time.saturating_sub(begun.elapsed())));
        memory.push(resident_kib()?);
    }
    Ok(memory)
}

fn resident_kib() -> Result<u64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let number = line.split_whitespace().next().context("no number")?;
    Ok(number.parse()?)
}

/// Numbers that look random, and are the same for the same seed (SplitMix64).
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
