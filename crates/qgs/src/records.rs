//! What has happened: counters of everything, and the last failures in full.
//!
//! Must stay true: this is the one store; log, metrics and status say what is in it. No more of a request is kept than a failure's
//! cause says, which is short.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tdattest_wire::qgs::QgsError;
use tdattest_wire::time::UnixTime;

use crate::connection::Ending;
use crate::failure::Failure;
use crate::peers::Peer;

/// Most failures that are kept.
const KEPT: usize = 100;

/// Most characters of a cause.
const LONGEST_CAUSE: usize = 600;

/// The upper edges of the classes of durations, in microseconds; what is longer is in one more class.
pub(crate) const EDGES: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    15_000_000, 30_000_000,
];

/// What was asked for, where that was not understood.
const UNKNOWN: &str = "unknown";

/// A request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number since the service started; the log has the same.
    pub request: u64,
    /// When it failed.
    pub at: UnixTime,
    /// Who asked.
    pub peer: Peer,
    /// For what.
    pub asked: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
    /// Why.
    pub failure: Failure,
    /// What the peer was told, if there was a way to tell it.
    pub told: Option<QgsError>,
}

/// How many requests of a kind ended in a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// What was asked for.
    pub(crate) asked: &'static str,
    /// `none` for an answer.
    pub(crate) hop: &'static str,
    /// `answered`, or the code of the failure.
    pub(crate) outcome: &'static str,
}

/// Counters and failures.
#[derive(Default)]
pub(crate) struct Records {
    begun: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<Class, u64>,
    durations: Durations,
    failures: VecDeque<Record>,
}

/// A request that comes to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// Its number since the service started.
    pub(crate) request: u64,
    /// Who asked.
    pub(crate) peer: Peer,
    /// What the time is.
    pub(crate) at: UnixTime,
    /// How long it took.
    pub(crate) took: Duration,
}

/// How long answered requests took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    /// One more than there are edges.
    pub(crate) classes: [u64; EDGES.len() + 1],
    pub(crate) microseconds: u64,
}

impl Records {
    /// A number for a request that begins.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Notes what became of a request, and tells the log: bytes that were sent, or why none were.
    pub(crate) fn note(
        &self,
        Begun { request, peer, at, took }: Begun,
        Ending { asked, outcome, told }: Ending,
    ) {
        let (hop, code) = match &outcome {
            Ok(bytes) => {
                tracing::debug!(request, %peer, asked, bytes, ms = took.as_millis(), "answered");
                ("none", "answered")
            }
            Err(failure) => {
                tell(request, peer, asked, took, failure, told);
                (failure.hop.name(), failure.code)
            }
        };
        let class = Class { asked: asked.unwrap_or(UNKNOWN), hop, outcome: code };
        let mut inner = self.lock();
        let count = inner.counts.entry(class).or_default();
        *count = count.saturating_add(1);
        match outcome {
            Ok(_) => inner.durations.add(took),
            Err(mut failure) => {
                cut(&mut failure.cause);
                if inner.failures.len() >= KEPT {
                    inner.failures.pop_front();
                }
                let told = told.then_some(failure.answer);
                inner.failures.push_back(Record { request, at, peer, asked, took, failure, told });
            }
        }
    }

    /// All counters.
    pub(crate) fn counts(&self) -> BTreeMap<Class, u64> {
        self.lock().counts.clone()
    }

    /// How long answered requests took.
    pub(crate) fn durations(&self) -> Durations {
        self.lock().durations.clone()
    }

    /// The last failures, the newest last.
    pub(crate) fn failures(&self) -> Vec<Record> {
        self.lock().failures.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts a text that is longer than any of ours: what a library says has no bound.
fn cut(cause: &mut String) {
    if let Some((end, _)) = cause.char_indices().nth(LONGEST_CAUSE) {
        cause.truncate(end);
        cause.push('…');
    }
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = EDGES.iter().position(|edge| microseconds <= *edge).unwrap_or(EDGES.len());
        if let Some(count) = self.classes.get_mut(class) {
            *count = count.saturating_add(1);
        }
        self.microseconds = self.microseconds.saturating_add(microseconds);
    }
}

fn tell(
    request: u64,
    peer: Peer,
    asked: Option<&str>,
    took: Duration,
    failure: &Failure,
    told: bool,
) {
    tracing::warn!(
        request,
        %peer,
        asked,
        hop = failure.hop.name(),
        code = failure.code,
        cause = %failure.cause,
        remedy = failure.remedy,
        told = told.then(|| tracing::field::display(failure.answer)),
        ms = took.as_millis(),
        "no answer"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Hop;

    fn note(records: &Records, outcome: Result<usize, Failure>, took: Duration) {
        let (request, at) = (records.begin(), UnixTime::EPOCH);
        let ending = Ending { asked: Some("quote"), outcome, told: true };
        records.note(Begun { request, peer: Peer::User(1), at, took }, ending);
    }

    #[test]
    fn the_last_hundred_failures_are_kept_and_all_are_counted() {
        let records = Records::default();
        for number in 0..102 {
            let failure = Failure::new(Hop::Pce, "pce.gone", format!("{number}"));
            note(&records, Err(failure), Duration::ZERO);
        }
        let kept = records.failures();
        assert_eq!((kept.len(), kept[0].request, kept[99].request), (100, 3, 102));
        let class = Class { asked: "quote", hop: "pce", outcome: "pce.gone" };
        assert_eq!(records.counts(), BTreeMap::from([(class, 102)]));
    }

    #[test]
    fn durations_are_counted_up_to_and_with_their_edge() {
        let records = Records::default();
        for microseconds in [0, 250, 251, 30_000_000, 30_000_001] {
            note(&records, Ok(1), Duration::from_micros(microseconds));
        }
        let durations = records.durations();
        assert_eq!(durations.classes, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(durations.microseconds, 60_000_502);
    }
}
