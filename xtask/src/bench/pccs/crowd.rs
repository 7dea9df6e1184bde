//! Many clients at once for what is not cached: all connections are open before the first of them asks.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::service::Setup;

/// What became of a crowd.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Crowd {
    pub(super) clients: usize,
    pub(super) answered: usize,
    pub(super) errors: usize,
    pub(super) upstream_calls: u64,
    pub(super) slowest_ms: f64,
}

/// Has every path asked for by a client of its own, all together.
pub(super) async fn ask(
    setup: &Setup,
    paths: Vec<String>,
    upstream_calls: impl Fn() -> u64,
) -> Result<Crowd> {
    let clients = paths.len();
    let before = upstream_calls();
    let start = Arc::new(Barrier::new(clients));
    let mut crowd = JoinSet::new();
    for path in paths {
        let (client, start) = (setup.client()?, Arc::clone(&start));
        let (open, url) = (setup.url("/healthz/live"), setup.url(&path));
        crowd.spawn(async move {
            let opened = client.get(&open).send().await;
            start.wait().await;
            let begun = Instant::now();
            opened?;
            let status = client.get(&url).send().await?.status();
            Ok::<_, reqwest::Error>((status.as_u16(), begun.elapsed()))
        });
    }
    let (mut answered, mut slowest_ms) = (0, 0.0_f64);
    while let Some(one) = crowd.join_next().await {
        if let (200, took) = one.context("a client panicked")?? {
            answered += 1;
            slowest_ms = slowest_ms.max(took.as_secs_f64() * 1e3);
        }
    }
    let upstream_calls = upstream_calls().saturating_sub(before);
    Ok(Crowd { clients, answered, errors: clients - answered, upstream_calls, slowest_ms })
}
