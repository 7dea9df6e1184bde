//! A point in time after which nobody waits any more.

use std::time::{Duration, Instant};

/// The end of an undertaking.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    allowed: Duration,
}

impl Deadline {
    /// What kernel, QEMU and QGS each wait for a quote is 30 s; whoever asks must wait longer.
    pub const DEFAULT: Duration = Duration::from_secs(60);

    /// This long from now.
    pub fn after(allowed: Duration) -> Self {
        let now = Instant::now();
        // Centuries are not needed.
        let end = now.checked_add(allowed).unwrap_or_else(|| now + Duration::from_secs(86_400));
        Self { end, allowed }
    }

    /// How long it was set for.
    pub fn allowed(&self) -> Duration {
        self.allowed
    }

    /// What is left of it; `None` if it has passed.
    pub fn left(&self) -> Option<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}
