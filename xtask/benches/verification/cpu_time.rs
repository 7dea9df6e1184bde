//! CPU time of this thread: unlike the clock on the wall, it does not run while others do.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time this thread has used so far.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// Microseconds of CPU time that one of `runs` runs took on average.
pub(crate) fn of(runs: usize, mut work: impl FnMut()) -> f64 {
    let start = now();
    for _ in 0..runs {
        work();
    }
    let spent = now().saturating_sub(start);
    spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(runs.max(1)).unwrap_or(u32::MAX))
}
