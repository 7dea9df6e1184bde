//! What all clients have seen, by phase; and the phase, for those who wait until it has seen enough.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long a phase may take, before something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Both,
    OneKilled,
    DatabaseAway,
    DatabaseBack,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Tally {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    phase: Phase,
    over: bool,
    cached: BTreeMap<Phase, usize>,
    registrations: BTreeMap<Phase, usize>,
    acknowledged: BTreeSet<String>,
    interrupted: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn phase(&self) -> Phase {
        self.seen().phase
    }

    /// What is seen from now on belongs to this phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.seen().phase = phase;
        self.changed.notify_all();
    }

    /// Waits for another phase; `None` if there is none.
    pub(crate) fn phase_after(&self, phase: Phase) -> Option<Phase> {
        let waiting = |seen: &mut Seen| seen.phase == phase && !seen.over;
        let seen = self.changed.wait_while(self.seen(), waiting).unwrap();
        (!seen.over).then_some(seen.phase)
    }

    /// A cached answer came.
    pub(crate) fn cached(&self) {
        let mut seen = self.seen();
        let phase = seen.phase;
        *seen.cached.entry(phase).or_default() += 1;
        self.changed.notify_all();
    }

    /// A registration was acknowledged.
    pub(crate) fn registered(&self, qe_id: String) {
        let mut seen = self.seen();
        let phase = seen.phase;
        *seen.registrations.entry(phase).or_default() += 1;
        seen.acknowledged.insert(qe_id);
        self.changed.notify_all();
    }

    /// A registration was refused or broken off, and may have been fetched for all that.
    pub(crate) fn interrupt(&self, encrypted_ppid: String) {
        self.seen().interrupted.insert(encrypted_ppid);
    }

    /// Something came that must not come.
    pub(crate) fn wrong_answer(&self, what: &str) {
        let mut seen = self.seen();
        let line = format!("{:?}: {what}", seen.phase);
        seen.wrong.push(line);
        self.changed.notify_all();
    }

    /// Waits until a phase has brought so much, or anything wrong was seen.
    pub(crate) fn wait(&self, phase: Phase, cached: usize, registrations: usize) {
        let of = |counts: &BTreeMap<Phase, usize>| counts.get(&phase).copied().unwrap_or_default();
        let waiting = |seen: &mut Seen| {
            let enough = of(&seen.cached) >= cached && of(&seen.registrations) >= registrations;
            !enough && seen.wrong.is_empty()
        };
        let (seen, timeout) =
            self.changed.wait_timeout_while(self.seen(), PATIENCE, waiting).unwrap();
        drop(seen);
        assert!(!timeout.timed_out(), "{phase:?} does not come to its end: {self}");
    }

    /// Ends all clients when it is dropped.
    pub(crate) fn stop_when_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.seen().acknowledged.clone()
    }

    pub(crate) fn interrupted(&self) -> BTreeSet<String> {
        self.seen().interrupted.clone()
    }

    /// The first of what was wrong.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.seen().wrong.iter().take(10).cloned().collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        let (acknowledged, interrupted) = (seen.acknowledged.len(), seen.interrupted.len());
        write!(
            f,
            "cached answers: {:?}; registrations: {:?} ({acknowledged} acknowledged, {interrupted} tried again); wrong: {}",
            seen.cached,
            seen.registrations,
            seen.wrong.len()
        )
    }
}

/// See [`Tally::stop_when_dropped`].
pub(crate) struct Stop<'a>(&'a Tally);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if let Ok(mut seen) = self.0.seen.lock() {
            seen.over = true;
            self.0.changed.notify_all();
        }
    }
}
