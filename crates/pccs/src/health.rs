//! Is the service alive, and can it answer? For whoever starts it anew, or sends clients elsewhere.
//!
//! Must stay true: asking is cheap, since anybody may: the store is asked once a second at the most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::store::Store;

/// How long an answer of the store is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(3);

const UP: &str = r#"{"status":"UP"}"#;
const DOWN: &str = r#"{"status":"DOWN"}"#;

/// How the service stands.
#[derive(Debug)]
pub(crate) struct Health {
    store: Arc<dyn Store>,
    draining: AtomicBool,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, draining: AtomicBool::new(false), last: Mutex::new(None) })
    }

    /// The service ends: it is not ready any more.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether requests can be answered.
    pub(crate) async fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.store_answers().await
    }

    /// The answer to `/healthz/live`, `/healthz/ready` or `/healthz/startup`; nothing for other paths.
    pub(crate) async fn answer(&self, path: &str) -> Option<(StatusCode, &'static str)> {
        let is_up = match path {
            "/healthz/live" => true,
            "/healthz/ready" => self.is_ready().await,
            "/healthz/startup" => self.store_answers().await,
            _ => return None,
        };
        Some(if is_up { (StatusCode::OK, UP) } else { (StatusCode::SERVICE_UNAVAILABLE, DOWN) })
    }

    /// Whether the store answers. Those who ask at one time ask it once.
    async fn store_answers(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, answers)) = *last
            && at.elapsed() < FRESH
        {
            return answers;
        }
        let answers = match timeout(PATIENCE, self.store.ping()).await {
            Ok(Ok(())) => true,
            Ok(Err(fault)) => {
                tracing::warn!(store = self.store.kind(), cause = %fault, "the store does not answer");
                false
            }
            Err(_) => {
                tracing::warn!(store = self.store.kind(), "the store does not answer in time");
                false
            }
        };
        *last = Some((Instant::now(), answers));
        answers
    }
}
