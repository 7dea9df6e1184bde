//! What has happened: counters of every answer, of the cache, and of what was fetched.
//!
//! Must stay true: what is counted comes from fixed sets, never from a client: there is a bound to how much there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;

use crate::api::{Notice, Watcher};
use crate::refresh::{RefreshOutcome, RefreshReport};

/// The upper edges of the classes of durations, in microseconds; what is longer is in one more class.
pub(crate) const EDGES: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
    10_000_000,
];

/// Counters.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<Counts>);

/// The counters at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Answers, by route and status.
    pub(crate) answers: BTreeMap<(&'static str, u16), u64>,
    /// How long they took, by route.
    pub(crate) durations: BTreeMap<&'static str, Durations>,
    /// Answers of the API, by where they came from.
    pub(crate) cache: BTreeMap<&'static str, u64>,
    /// Calls to the upstream, by document and result.
    pub(crate) upstream: BTreeMap<(&'static str, &'static str), u64>,
    /// Items of refreshes, by what became of them.
    pub(crate) refreshed: BTreeMap<&'static str, u64>,
    /// Calls of the store that failed.
    pub(crate) store_errors: u64,
}

/// How long answers took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    /// One more than there are edges.
    pub(crate) classes: [u64; EDGES.len() + 1],
    pub(crate) microseconds: u64,
}

impl Records {
    /// Counts an answer.
    pub(crate) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        let mut counts = self.lock();
        count(&mut counts.answers, (route, status.as_u16()));
        counts.durations.entry(route).or_default().add(took);
    }

    /// Counts the items of a refresh.
    pub(crate) fn refreshed(&self, report: &RefreshReport) {
        let mut counts = self.lock();
        for item in &report.items {
            count(
                &mut counts.refreshed,
                match item.outcome {
                    RefreshOutcome::Refreshed => "refreshed",
                    RefreshOutcome::Unchanged => "unchanged",
                    RefreshOutcome::Failed(_) => "failed",
                },
            );
        }
    }

    /// What the API is to tell of what it does.
    pub(crate) fn watcher(self: &Arc<Self>) -> Watcher {
        let records = Arc::clone(self);
        Watcher::new(move |notice| records.note(notice))
    }

    /// The counters as they are now.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn note(&self, notice: &Notice) {
        let mut counts = self.lock();
        match notice {
            Notice::Hit => count(&mut counts.cache, "memory"),
            Notice::FromStore => count(&mut counts.cache, "store"),
            Notice::Miss => count(&mut counts.cache, "miss"),
            Notice::Stale => count(&mut counts.cache, "stale"),
            Notice::Upstream { document, result } => {
                count(&mut counts.upstream, (*document, *result));
            }
            Notice::Store => counts.store_errors = counts.store_errors.saturating_add(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = EDGES.partition_point(|edge| *edge < microseconds);
        if let Some(count) = self.classes.get_mut(class) {
            *count = count.saturating_add(1);
        }
        self.microseconds = self.microseconds.saturating_add(microseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_class_below_its_edge() {
        let mut durations = Durations::default();
        for microseconds in [1, 50, 51, 20_000_000] {
            durations.add(Duration::from_micros(microseconds));
        }
        assert_eq!(durations.classes[..2], [2, 1]);
        assert_eq!(durations.classes[EDGES.len()], 1);
        assert_eq!(durations.microseconds, 20_000_102);
    }

    #[test]
    fn notices_are_counted_by_what_they_say() {
        let records = Arc::new(Records::default());
        let watcher = records.watcher();
        for notice in [Notice::Hit, Notice::Hit, Notice::Stale, Notice::Store] {
            watcher.tell(&notice);
        }
        watcher.tell(&Notice::Upstream { document: "TCB info", result: "ok" });
        let counts = records.counts();
        assert_eq!(counts.cache, [("memory", 2), ("stale", 1)].into());
        assert_eq!(counts.upstream, [(("TCB info", "ok"), 1)].into());
        assert_eq!(counts.store_errors, 1);
    }
}
