//! Who has a task: the queue, a worker, or nobody any more. Whoever waits and whoever works may give it up at once.

use std::sync::{Mutex, PoisonError};

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has begun.
    Queued,
    /// This worker is at it.
    Running(u64),
    /// It is answered, or nobody waits for it any more.
    Over,
}

/// The one word on where a task is.
pub(super) struct Claim(Mutex<Stage>);

impl Default for Claim {
    fn default() -> Self {
        Self(Mutex::new(Stage::Queued))
    }
}

impl Claim {
    /// A worker begins; whether it should.
    pub(super) fn begin(&self, worker: u64) -> bool {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = *stage == Stage::Queued;
        if waiting {
            *stage = Stage::Running(worker);
        }
        waiting
    }

    /// The worker is done; whether it still is one, because nobody has given it up.
    pub(super) fn finish(&self) -> bool {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(std::mem::replace(&mut *stage, Stage::Over), Stage::Running(_))
    }

    /// Nobody waits any longer; where it was.
    pub(super) fn give_up(&self) -> Stage {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stage, Stage::Over)
    }
}
