//! How long documents hold: which have ended, which end before long, and which ends first.
//!
//! Must stay true: a document that is not verified has no window.

use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use crate::authenticate::Authenticate;

/// How a document stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It holds.
    Current,
    /// It holds, but ends before long.
    Warning,
    /// It is from the future, or this clock is behind.
    NotYet,
    /// It has ended.
    Ended,
}

impl State {
    /// Its name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Warning => "warning",
            Self::NotYet => "notYet",
            Self::Ended => "ended",
        }
    }
}

/// A verified document's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which document.
    pub request: PcsRequest,
    /// What its verification found.
    pub validity: Validity,
    /// When it was fetched, where that is known.
    pub fetched_at: Option<UnixTime>,
}

impl Window {
    /// The window of a document that holds.
    ///
    /// # Errors
    /// What does not hold.
    pub fn of(
        endorsement: &Endorsement,
        fetched_at: Option<UnixTime>,
        authenticate: &dyn Authenticate,
    ) -> Result<Self, String> {
        let validity = authenticate.endorsement(endorsement)?;
        Ok(Self { request: endorsement.request, validity, fetched_at })
    }

    /// How it stands at `now`, where less than `warn_s` seconds to its end are a warning.
    pub fn state(&self, now: UnixTime, warn_s: u64) -> State {
        if now > self.validity.ends() {
            State::Ended
        } else if now.saturating_add(CLOCK_SKEW_S) < self.validity.issued {
            State::NotYet
        } else if self.remaining_s(now) < i64::try_from(warn_s).unwrap_or(i64::MAX) {
            State::Warning
        } else {
            State::Current
        }
    }

    /// Seconds from `now` to its end; negative once it has ended.
    pub fn remaining_s(&self, now: UnixTime) -> i64 {
        // Both are before the year 10,000.
        let seconds = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.validity.ends()).saturating_sub(seconds(now))
    }
}

/// How far a clock may lag behind Intel's, in seconds: what a quote's verification allows unless told otherwise.
pub const CLOCK_SKEW_S: u64 = 300;

/// The window that ends first.
pub fn first_to_end(windows: &[Window]) -> Option<&Window> {
    windows.iter().min_by_key(|window| window.validity.ends())
}

/// The worst state of all.
pub fn worst(windows: &[Window], now: UnixTime, warn_s: u64) -> Option<State> {
    windows.iter().map(|window| window.state(now, warn_s)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds).unwrap()
    }

    fn window(issued: u64, next_update: u64, chain_ends: u64) -> Window {
        Window {
            request: PcsRequest::RootCaCrl,
            validity: Validity {
                issued: time(issued),
                next_update: time(next_update),
                chain_ends: time(chain_ends),
                evaluation_data_number: None,
            },
            fetched_at: Some(time(issued)),
        }
    }

    #[test]
    fn a_window_goes_from_not_yet_over_current_and_warning_to_ended() {
        let window = window(1100, 1200, 2000);
        for (now, state) in [
            (799, State::NotYet),
            // This clock may lag.
            (800, State::Current),
            (1100, State::Current),
            (1170, State::Current),
            (1171, State::Warning),
            (1200, State::Warning),
            (1201, State::Ended),
        ] {
            assert_eq!(window.state(time(now), 30), state, "{now}");
        }
        assert_eq!((window.remaining_s(time(1150)), window.remaining_s(time(1260))), (50, -60));
    }

    #[test]
    fn the_first_to_end_counts_the_chain_too() {
        let windows = [window(0, 200, 1000), window(0, 900, 150), window(0, 300, 1000)];
        assert_eq!(first_to_end(&windows), Some(&windows[1]));
        assert_eq!(worst(&windows, time(160), 10), Some(State::Ended));
        assert_eq!(worst(&windows, time(100), 10), Some(State::Current));
        assert_eq!(worst(&[], time(100), 10), None);
    }
}
