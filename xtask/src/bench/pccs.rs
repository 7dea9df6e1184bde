//! How fast is the caching service, how much does it hold, and what does a cold crowd cost it?
//!
//! The release command in a process of its own, with SQLite and TLS as users have them; a stand-in for Intel's PCS whose
//! answers take 300 ms; and `wrk` for the load: one thread of it, 32 connections, on the cores that the service has too.

mod crowd;
mod service;
mod wrk;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tdattest_simulator::pcs_server::{Endpoint, PcsServer};
use tdattest_simulator::{Platform, Seed};
use tdattest_verifier::wire::bytes::Hex;
use tdattest_verifier::wire::time::UnixTime;

use crowd::Crowd;
use service::Service;
use wrk::Load;

/// How slow the stand-in is.
const UPSTREAM_MS: u64 = 300;

/// Clients that ask for one document at once, none of which is cached.
const CROWD: usize = 100;

/// Platforms that ask for their certificates at once, none of which is known.
const NEW_PLATFORMS: usize = 50;

/// Starts, of which the median is told.
const STARTS: usize = 5;

/// What was measured.
#[derive(Serialize)]
struct Figures {
    start_to_first_answer_ms: f64,
    idle_memory_kib: u64,
    tcb: Load,
    pckcert: Load,
    memory_after_load_kib: u64,
    cold_crowd: Crowd,
    new_platforms: Crowd,
}

/// Measures everything and prints it.
pub(super) fn run(json: bool) -> Result<()> {
    let command = service::build()?;
    let folder = tempfile::tempdir()?;
    let platform = Platform::new(Seed::of("bench of the caching service"));
    let now = now()?;
    let upstream =
        PcsServer::start(platform.clone(), &"127.0.0.1:0".parse()?, Arc::new(move || now))?;
    let setup = service::Setup::new(&command, folder.path(), &platform, &upstream.url())?;
    let figures = measure(&setup, &platform, &upstream)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print(&figures);
    }
    Ok(())
}

fn now() -> Result<UnixTime> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    UnixTime::from_secs(now.as_secs()).context("this clock is beyond the year 9999")
}

fn measure(setup: &service::Setup, platform: &Platform, upstream: &PcsServer) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tcb = format!("/sgx/certification/v4/tcb?fmspc={}", platform.hardware.fmspc);

    // The first start makes the database and the certificates: what comes once is not the start that is measured.
    let first = Service::start(setup)?;
    upstream.fail(format!("tcb=slow:{UPSTREAM_MS}ms").parse()?);
    let cold_crowd = runtime.block_on(crowd::ask(setup, vec![tcb.clone(); CROWD], || {
        upstream.count(Endpoint::TcbInfo)
    }))?;
    upstream.fail(format!("pckcerts=slow:{UPSTREAM_MS}ms").parse()?);
    let strangers = (0..NEW_PLATFORMS).map(|number| pckcert(platform, number)).collect();
    let new_platforms = runtime
        .block_on(crowd::ask(setup, strangers, || upstream.count(Endpoint::PckCertificates)))?;
    upstream.recover();
    drop(first);

    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        starts.push(Service::start(setup)?.first_answer);
    }
    starts.sort();
    let start = starts.get(STARTS / 2).copied().unwrap_or_default();

    let service = Service::start(setup)?;
    let idle_memory_kib = service.memory_kib()?;
    let tcb = wrk::run(setup, &service, &tcb)?;
    let pckcert = wrk::run(setup, &service, &pckcert(platform, 0))?;
    Ok(Figures {
        start_to_first_answer_ms: start.as_secs_f64() * 1e3,
        idle_memory_kib,
        tcb,
        pckcert,
        memory_after_load_kib: service.memory_kib()?,
        cold_crowd,
        new_platforms,
    })
}

/// The request of a platform: one with the hardware of the simulated one, and a QE id of its own.
fn pckcert(platform: &Platform, number: usize) -> String {
    let hardware = &platform.hardware;
    let pce_svn = Hex(&hardware.pce_svn.to_le_bytes()).to_string();
    let (cpu_svn, pce_id, ppid) = (hardware.cpu_svn, hardware.pce_id, "5a".repeat(384));
    format!(
        "/sgx/certification/v4/pckcert?qeid={number:032X}&encrypted_ppid={ppid}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}"
    )
}

fn print(figures: &Figures) {
    println!("Caching service (release, SQLite, TLS), upstream answers in {UPSTREAM_MS} ms");
    println!("  start to first answer      {:>8.1} ms", figures.start_to_first_answer_ms);
    println!("  memory, idle               {:>8} KiB", figures.idle_memory_kib);
    println!("  memory, after the load     {:>8} KiB", figures.memory_after_load_kib);
    for (name, load) in [("tcb", &figures.tcb), ("pckcert", &figures.pckcert)] {
        println!(
            "  {name:<10} {:>8.0} requests/s  p99 {:>6.2} ms  {:>6.1} µs of CPU time a request",
            load.requests_per_second, load.p99_ms, load.cpu_us_per_request
        );
    }
    for (name, crowd) in
        [("one document", &figures.cold_crowd), ("new platforms", &figures.new_platforms)]
    {
        println!(
            "  {} clients at once, {name}: {} answered, {} errors, {} upstream calls, all within {:.0} ms",
            crowd.clients, crowd.answered, crowd.errors, crowd.upstream_calls, crowd.slowest_ms
        );
    }
}
