//! A point in time after which nobody waits any more.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// After a signal.
const PAUSE: Duration = Duration::from_millis(1);

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

    /// Makes a call as often as a signal interrupts it. Begins nothing after the deadline.
    ///
    /// # Errors
    /// `TimedOut` when the deadline has passed; else those of the call.
    pub(crate) fn uninterrupted<T>(
        &self,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        while self.left().is_some() {
            match call() {
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => thread::sleep(PAUSE),
                other => return other,
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_made_again_and_any_other_fault_is_final() {
        let deadline = Deadline::after(Deadline::DEFAULT);
        let mut calls = 0;
        let told = deadline.uninterrupted(|| {
            calls += 1;
            if calls < 4 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(told.unwrap(), 4);
        let refused = || Err::<(), _>(io::ErrorKind::NotFound.into());
        assert_eq!(deadline.uninterrupted(refused).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn signals_without_end_are_the_deadlines_end() {
        let deadline = Deadline::after(Duration::from_millis(5));
        let interrupted = || Err::<(), _>(io::ErrorKind::Interrupted.into());
        let told = deadline.uninterrupted(interrupted);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn nothing_is_begun_after_the_deadline() {
        let told = Deadline::after(Duration::ZERO).uninterrupted(|| -> io::Result<()> { panic!() });
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
