//! The load: `wrk`, one thread, 32 connections, ten seconds, three times; the run with the median rate is told.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::service::{Service, Setup};

/// Runs of each load.
const RUNS: usize = 3;

/// What one load came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Load {
    pub(super) requests_per_second: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_us_per_request: f64,
}

/// Loads the service with one request, over and over.
pub(super) fn run(setup: &Setup, service: &Service, path: &str) -> Result<Load> {
    let url = setup.url(path);
    let mut loads = (0..RUNS).map(|_| once(service, &url)).collect::<Result<Vec<Load>>>()?;
    loads.sort_by(|a, b| a.requests_per_second.total_cmp(&b.requests_per_second));
    loads.into_iter().nth(RUNS / 2).context("no run")
}

fn once(service: &Service, url: &str) -> Result<Load> {
    let before = service.cpu_ticks()?;
    let output = Command::new("wrk")
        .args(["-t1", "-c32", "-d10s", "--latency", url])
        .output()
        .context("starting wrk: install the Debian package `wrk`")?;
    let used = service.cpu_ticks()?.saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {}", output.status);
    for fault in ["Non-2xx", "Socket errors"] {
        ensure!(!text.contains(fault), "wrk saw errors:\n{text}");
    }
    let requests = field(&text, |words| words.get(1).copied() == Some("requests"), 0)?;
    let requests: u32 = requests.parse().context("requests of wrk")?;
    let rate = field(&text, |words| words.first().copied() == Some("Requests/sec:"), 1)?;
    let p99 = field(&text, |words| words.first().copied() == Some("99%"), 1)?;
    Ok(Load {
        requests_per_second: rate.parse().context("rate of wrk")?,
        p99_ms: milliseconds(&p99)?,
        // A tick of the kernel's accounts is ten milliseconds.
        cpu_us_per_request: f64::from(used) * 10_000.0 / f64::from(requests.max(1)),
    })
}

/// One word of the first line whose words are as they should be.
fn field(text: &str, is_it: impl Fn(&[&str]) -> bool, index: usize) -> Result<String> {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| is_it(words));
    line.and_then(|words| words.get(index).map(|word| (*word).to_owned()))
        .with_context(|| format!("wrk printed something else than it does:\n{text}"))
}

fn milliseconds(text: &str) -> Result<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let found = units.into_iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<f64>().ok().map(|number| number * factor)
    });
    found.with_context(|| format!("`{text}` is no time"))
}
