//! What waits for a worker, and how the workers stand: one lock, no work done under it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::claim::{Claim, Stage};
use super::waiting::Waiting;
use super::{Job, PoolSettings};
use crate::failure::{Failure, Hop};

/// How a worker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// It opens its context, or gives one back.
    Opening,
    /// It waits for a request.
    Ready,
    /// It makes an answer.
    Busy,
    /// It has no context, and why; it will try again.
    Failing(Failure),
    /// It did not come back from the backend, and was given up.
    Hanging,
}

impl WorkerState {
    /// Its name in status and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Failing(_) => "failing",
            Self::Hanging => "hanging",
        }
    }
}

/// What a worker does next.
pub(super) enum Next {
    /// This.
    Job(Job),
    /// It tries to open its context again.
    Mend,
    /// Nothing any more.
    End,
}

/// What became of a task that is given up.
pub(super) enum GivenUp {
    /// No worker had begun, and why that may be.
    Queued(Failure),
    /// A worker hangs with it. The number of the one that takes its place, if one may.
    Running(Option<u64>),
    /// It is answered.
    Over,
}

pub(super) struct Queue {
    settings: PoolSettings,
    inner: Mutex<Inner>,
    /// For workers with a context.
    arrived: Condvar,
    /// For those without.
    unserved: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: Waiting,
    workers: BTreeMap<u64, Worker>,
    enlisted: u64,
    closed: bool,
}

struct Worker {
    state: WorkerState,
    since: Instant,
}

impl Queue {
    pub(super) fn new(settings: PoolSettings) -> Self {
        let (arrived, unserved) = (Condvar::new(), Condvar::new());
        Self { settings, inner: Mutex::default(), arrived, unserved }
    }

    pub(super) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Queues a job, if there is room.
    pub(super) fn push(&self, job: Job) -> Result<(), Failure> {
        let mut inner = self.lock();
        let waiting = inner.waiting.len();
        if waiting >= self.settings.queue {
            return Err(full(waiting));
        }
        inner.waiting.push(job);
        match inner.serves() {
            true => self.arrived.notify_one(),
            // One of them may just be about to open its context again.
            false => self.unserved.notify_all(),
        }
        Ok(())
    }

    /// Waits for what a worker is to do. One without a context waits until `again`, or until there is somebody whom no
    /// other serves. One that had been given up goes on if nobody has taken its place.
    pub(super) fn next(&self, worker: u64, trouble: Option<(&Failure, Instant)>) -> Next {
        let mut inner = self.lock();
        if inner.is_superfluous(worker, self.settings.workers) {
            inner.workers.remove(&worker);
            self.wake_unserved(&inner);
            return Next::End;
        }
        let state = trouble
            .map_or(WorkerState::Ready, |(failure, _)| WorkerState::Failing(failure.clone()));
        inner.set(worker, state);
        self.wake_unserved(&inner);
        loop {
            let now = Instant::now();
            if trouble.is_some_and(|(_, again)| again <= now) && !inner.closed {
                inner.set(worker, WorkerState::Opening);
                return Next::Mend;
            }
            let may_serve = trouble.is_none() || !inner.serves();
            if let Some(job) = may_serve.then(|| inner.waiting.pop()).flatten() {
                if trouble.is_none() {
                    inner.set(worker, WorkerState::Busy);
                }
                return Next::Job(job);
            }
            if inner.closed {
                inner.workers.remove(&worker);
                self.arrived.notify_all();
                self.unserved.notify_all();
                return Next::End;
            }
            inner = match trouble {
                None => self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some((_, again)) => {
                    let pause = again.saturating_duration_since(now);
                    let woken = self.unserved.wait_timeout(inner, pause);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Lets a new worker in.
    pub(super) fn enlist(&self) -> u64 {
        self.lock().enlist()
    }

    /// Strikes off a worker that never began.
    pub(super) fn dismiss(&self, worker: u64) {
        let mut inner = self.lock();
        inner.workers.remove(&worker);
        self.wake_unserved(&inner);
    }

    /// Notes that a worker gives its context back, which may take its time.
    pub(super) fn closing(&self, worker: u64) {
        let mut inner = self.lock();
        if inner.state(worker) != Some(&WorkerState::Hanging) {
            inner.set(worker, WorkerState::Opening);
            self.wake_unserved(&inner);
        }
    }

    /// Gives up waiting for a task.
    pub(super) fn give_up(&self, claim: &Arc<Claim>) -> GivenUp {
        // Held throughout: the worker that comes back must find itself given up.
        let mut inner = self.lock();
        match claim.give_up() {
            Stage::Queued => {
                inner.waiting.remove(claim);
                GivenUp::Queued(inner.why_nobody_began())
            }
            Stage::Running(worker) => {
                let replaced = inner.abandon(worker, self.settings.workers);
                self.wake_unserved(&inner);
                GivenUp::Running(replaced)
            }
            Stage::Over => GivenUp::Over,
        }
    }

    /// Gives up workers that have been opening their contexts for this long; the numbers of those in their places.
    pub(super) fn give_up_opening(&self, longest: Duration) -> Vec<u64> {
        let mut inner = self.lock();
        let stuck: Vec<u64> = inner
            .workers
            .iter()
            .filter(|(_, worker)| worker.state == WorkerState::Opening)
            .filter(|(_, worker)| worker.since.elapsed() >= longest)
            .map(|(number, _)| *number)
            .collect();
        let most = self.settings.workers;
        let replaced = stuck.into_iter().filter_map(|worker| inner.abandon(worker, most)).collect();
        self.wake_unserved(&inner);
        replaced
    }

    /// How the workers stand, and how many jobs wait.
    pub(super) fn states(&self) -> (Vec<WorkerState>, usize) {
        let inner = self.lock();
        let states = inner.workers.values().map(|worker| worker.state.clone());
        (states.collect(), inner.waiting.len())
    }

    /// Nothing more will come; what is queued is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
        self.unserved.notify_all();
    }

    /// Wakes those without a context, if nobody else is there to answer.
    fn wake_unserved(&self, inner: &Inner) {
        if !inner.serves() && inner.waiting.len() > 0 {
            self.unserved.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether a worker has a context.
    fn serves(&self) -> bool {
        let mut states = self.workers.values().map(|worker| &worker.state);
        states.any(|state| matches!(state, WorkerState::Ready | WorkerState::Busy))
    }

    fn state(&self, worker: u64) -> Option<&WorkerState> {
        self.workers.get(&worker).map(|worker| &worker.state)
    }

    fn set(&mut self, worker: u64, state: WorkerState) {
        self.workers.insert(worker, Worker { state, since: Instant::now() });
    }

    fn enlist(&mut self) -> u64 {
        self.enlisted = self.enlisted.saturating_add(1);
        let number = self.enlisted;
        self.set(number, WorkerState::Opening);
        number
    }

    /// Whether a worker had been given up, and others are enough.
    fn is_superfluous(&self, worker: u64, enough: usize) -> bool {
        let others = self
            .workers
            .iter()
            .filter(|(number, other)| **number != worker && other.state != WorkerState::Hanging);
        self.state(worker) == Some(&WorkerState::Hanging) && others.count() >= enough
    }

    /// Notes that a worker hangs. The number of the one in its place, unless twice as many would then be there as are
    /// to be: a backend that always hangs must not take all threads.
    fn abandon(&mut self, worker: u64, most: usize) -> Option<u64> {
        self.set(worker, WorkerState::Hanging);
        let states = self.workers.values().map(|worker| &worker.state);
        let hanging = states.filter(|state| **state == WorkerState::Hanging).count();
        (hanging <= most).then(|| self.enlist())
    }

    /// Why a task waited in vain: nobody was free, or nobody could.
    fn why_nobody_began(&self) -> Failure {
        let mut states = self.workers.values().map(|worker| &worker.state);
        if self.serves() {
            return Failure::new(Hop::Queue, "queue.deadline", "no worker was free in time").with_remedy(
                "the backend is slower than requests come: more workers, or find out why it is slow",
            );
        }
        match states.find_map(|state| match state {
            WorkerState::Failing(failure) => Some(failure.clone()),
            _ => None,
        }) {
            Some(failure) => Failure { spoils_context: false, ..failure },
            None => hanging("the backend has not opened a context in time"),
        }
    }
}

/// The failure of a backend that does not come back.
pub(super) fn hanging(what: &str) -> Failure {
    Failure::new(Hop::Backend, "backend.hangs", what).with_remedy(
        "the quote provider may wait for a caching service that does not answer: see its configuration",
    )
}

fn full(waiting: usize) -> Failure {
    let text = format!("{waiting} requests wait already, which is the most");
    Failure::new(Hop::Queue, "queue.full", text).with_remedy(
        "more workers, a longer queue, or fewer quotes: see [workers] in the configuration",
    )
}
