//! When one source must have given one document: set once, and the same for every request that it takes.
//!
//! Must stay true: however many requests, retries and pauses there are, they end together.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::FetchError;

/// The longest time that is waited, whatever was said: a clock cannot count to the end of all time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The end of the time that was given, and how much it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    ends: Instant,
    given: Duration,
}

impl Deadline {
    /// The end of a time that begins now.
    pub(crate) fn after(given: Duration) -> Self {
        let now = Instant::now();
        let given = given.min(LONGEST);
        Self { ends: now.checked_add(given).unwrap_or(now), given }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The outcome of some work, or that its time was over; `url` says whose.
    pub(crate) async fn bound<T>(
        &self,
        url: impl FnOnce() -> String,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let milliseconds = self.given.as_millis();
        let late = |_| FetchError::TooSlow { url: url(), milliseconds };
        timeout_at(self.ends, work).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_with_the_deadline_and_not_before() {
        let deadline = Deadline::after(Duration::from_secs(30));
        let within = deadline.bound(String::new, async { Ok(7) }).await;
        assert_eq!(within, Ok(7));
        let never = deadline.bound(|| "x".into(), std::future::pending::<Result<(), _>>()).await;
        assert_eq!(never, Err(FetchError::TooSlow { url: "x".into(), milliseconds: 30_000 }));
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn all_the_time_there_is_is_no_time_that_is_over() {
        assert_eq!(Deadline::after(Duration::MAX).left(), LONGEST);
    }
}
