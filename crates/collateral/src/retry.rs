//! When to ask again, and how long to wait before: a function of values, so that no test has to wait.
//!
//! Source: RFC 9110, "Retry-After"; full jitter, so that a fleet that failed together does not come back together.
//! Must stay true: nobody waits for longer than the time that is left, and what waiting cannot mend is not asked again.

use std::time::Duration;

/// How often, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests at most, the first one included.
    pub attempts: u32,
    /// The longest pause after the first failure; it doubles with every further one.
    pub first_pause: Duration,
    /// The longest pause of all. A service that asks for a longer one is not asked again.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
        }
    }
}

impl RetryPolicy {
    /// Asks once.
    pub const NONE: Self =
        Self { attempts: 1, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };

    /// The pause after `made` requests, the last of which failed; `None` when there is no use in another.
    ///
    /// `draw` is random, and `left` the time until nobody waits any more.
    pub(crate) fn pause(
        &self,
        made: u32,
        advice: Advice,
        draw: u32,
        left: Duration,
    ) -> Option<Duration> {
        if made >= self.attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(made.saturating_sub(1));
        let ceiling = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let share = f64::from(draw) / f64::from(u32::MAX);
        // Seconds as a fraction can round to more than there are.
        let jitter = Duration::try_from_secs_f64(ceiling.as_secs_f64() * share).unwrap_or(ceiling);
        let pause = match advice {
            Advice::GiveUp => return None,
            Advice::Soon => jitter,
            // Another source has it sooner.
            Advice::After(wait) if wait > self.longest_pause => return None,
            // Not before the service said, and not all at that very second.
            Advice::After(wait) => wait.saturating_add(jitter),
        };
        (pause < left).then_some(pause)
    }
}

/// What a failure says of another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// It would fail again.
    GiveUp,
    /// It may go better.
    Soon,
    /// It may go better after this long, as the service says.
    After(Duration),
}

impl Advice {
    /// Of a status, with the headers `Retry-After` and `Date`.
    ///
    /// A date is compared with the service's own: whose clock is right does not matter.
    pub(crate) fn of(status: u16, retry_after: Option<&str>, date: Option<&str>) -> Self {
        if !matches!(status, 408 | 429 | 500 | 502 | 503 | 504) {
            return Self::GiveUp;
        }
        retry_after.and_then(|text| wait(text.trim(), date)).map_or(Self::Soon, Self::After)
    }
}

fn wait(text: &str, date: Option<&str>) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(3),
    };

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_pause_and_the_draw_chooses_below_it() {
        let highest = |made| POLICY.pause(made, Advice::Soon, u32::MAX, LONG);
        assert_eq!([1, 2, 3, 4].map(highest), [seconds(1), seconds(2), seconds(3), seconds(3)]);
        assert_eq!(POLICY.pause(3, Advice::Soon, 0, LONG), seconds(0));
    }

    #[test]
    fn gives_up_after_the_last_attempt_and_where_it_would_fail_again() {
        assert_eq!(POLICY.pause(5, Advice::Soon, 0, LONG), None);
        assert_eq!(POLICY.pause(1, Advice::GiveUp, 0, LONG), None);
        assert_eq!(RetryPolicy::NONE.pause(1, Advice::Soon, 0, LONG), None);
    }

    #[test]
    fn waits_as_long_as_the_service_says_but_not_past_the_deadline() {
        let after = Advice::After(Duration::from_secs(2));
        assert_eq!(POLICY.pause(1, after, 0, LONG), seconds(2));
        assert_eq!(POLICY.pause(1, after, 0, Duration::from_secs(2)), None);
    }

    #[test]
    fn gives_up_where_the_service_wants_a_longer_pause_than_the_longest() {
        let after = |wait| POLICY.pause(1, Advice::After(Duration::from_secs(wait)), 0, LONG);
        assert_eq!((after(3), after(4)), (seconds(3), None));
        assert_eq!(POLICY.pause(1, Advice::After(Duration::MAX), u32::MAX, LONG), None);
    }

    #[test]
    fn the_longest_pause_that_can_be_said_is_no_panic() {
        let endless =
            RetryPolicy { first_pause: Duration::MAX, longest_pause: Duration::MAX, ..POLICY };
        let pause = endless.pause(1, Advice::Soon, u32::MAX / 2, Duration::MAX);
        assert!(pause > Some(LONG), "{pause:?}");
        assert_eq!(endless.pause(1, Advice::Soon, u32::MAX, Duration::MAX), None);
    }

    #[test]
    fn reads_retry_after_as_seconds_and_as_a_date_by_the_clock_of_the_service() {
        let date = Some("Sun, 01 Nov 2026 12:00:00 GMT");
        assert_eq!(Advice::of(429, Some("7"), None), Advice::After(Duration::from_secs(7)));
        let later = Some("Sun, 01 Nov 2026 12:01:05 GMT");
        assert_eq!(Advice::of(503, later, date), Advice::After(Duration::from_secs(65)));
        assert_eq!(Advice::of(503, date, later), Advice::After(Duration::ZERO));
        // A date alone says nothing without a clock.
        assert_eq!(Advice::of(503, later, None), Advice::Soon);
        assert_eq!(Advice::of(503, Some("soon"), date), Advice::Soon);
    }

    #[test]
    fn asks_again_only_after_what_passes() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(Advice::of(status, None, None), Advice::Soon, "{status}");
        }
        for status in [204, 301, 400, 401, 403, 404, 410, 461, 501] {
            assert_eq!(Advice::of(status, Some("1"), None), Advice::GiveUp, "{status}");
        }
    }
}
