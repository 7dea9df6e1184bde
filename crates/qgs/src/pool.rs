//! Workers: threads of the system, each with a context of its own, behind one bounded queue.
//!
//! ```text
//! perform() ─▶ Waiting ─▶ worker ─▶ Context ─▶ reply
//!              by peer,     │ fails to open, or is spoilt: opened again, later and later
//!              in turns     │ hangs: given up and replaced
//! ```
//!
//! Must stay true: a worker without a context answers only while no other has one; whoever asks gets an answer by its
//! deadline, whatever the backend does; a worker that was given up touches nothing any more.

mod claim;
mod queue;
mod waiting;
mod worker;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ask::{Answer, Ask};
use crate::backend::Backend;
use crate::failure::{Failure, Hop};
use crate::peers::Peer;
use claim::Claim;
use queue::{GivenUp, Queue, hanging};

pub(crate) use queue::WorkerState;

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Answer a peer.
    Answer(Ask),
    /// See whether it could.
    Probe,
}

/// A task on its way to a worker.
struct Job {
    task: Task,
    /// Whose turn it takes.
    peer: Option<Peer>,
    claim: Arc<Claim>,
    reply: oneshot::Sender<Reply>,
}

/// What a worker says; nothing but success for a probe.
type Reply = Result<Option<Answer>, Failure>;

/// How many workers, and how they recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Workers: each has an enclave of its own.
    pub workers: usize,
    /// Most requests that wait for one.
    pub queue: usize,
    /// How long to wait before a context that could not be opened is tried again: doubled each time.
    pub first_pause: Duration,
    /// The longest such wait.
    pub longest_pause: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            workers: 4,
            queue: 512,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// How long a worker may take to open its context. Loading an enclave takes seconds, a caching service that is down up
/// to half a minute.
const LONGEST_OPENING: Duration = Duration::from_secs(60);

/// The workers of a backend. When it is dropped they finish what is queued, and end.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    backend: Arc<dyn Backend>,
}

impl Pool {
    /// Starts the workers; each opens its context at once.
    pub(crate) fn start(backend: Arc<dyn Backend>, settings: PoolSettings) -> Self {
        let pool = Self { queue: Arc::new(Queue::new(settings)), backend };
        for _ in 0..settings.workers {
            pool.start_worker(pool.queue.enlist());
        }
        pool
    }

    /// Has a task done by a deadline from now.
    pub(crate) async fn perform(
        &self,
        task: Task,
        peer: Option<Peer>,
        deadline: Duration,
    ) -> Reply {
        let (reply, mut answered) = oneshot::channel();
        let claim = Arc::new(Claim::default());
        self.queue.push(Job { task, peer, claim: Arc::clone(&claim), reply })?;
        if let Ok(reply) = timeout(deadline, &mut answered).await {
            return reply.unwrap_or_else(|_| Err(lost()));
        }
        match self.queue.give_up(&claim) {
            GivenUp::Queued(failure) => Err(failure),
            GivenUp::Running(replaced) => {
                replaced.into_iter().for_each(|number| self.start_worker(number));
                let text = format!("the backend did not answer within {} s", deadline.as_secs());
                Err(hanging(&text))
            }
            // In the last moment: the reply is sent at once.
            GivenUp::Over => answered.await.unwrap_or_else(|_| Err(lost())),
        }
    }

    /// Replaces workers that never come back from opening their contexts.
    pub(crate) fn look_after(&self) {
        for number in self.queue.give_up_opening(LONGEST_OPENING) {
            tracing::error!(
                code = "backend.hangs",
                "a worker does not come back from opening its context"
            );
            self.start_worker(number);
        }
    }

    /// How each worker stands, and how many tasks wait.
    pub(crate) fn workers(&self) -> (Vec<WorkerState>, usize) {
        self.queue.states()
    }

    /// Whether a worker has a context.
    pub(crate) fn is_ready(&self) -> bool {
        let states = self.workers().0;
        states.iter().any(|state| matches!(state, WorkerState::Ready | WorkerState::Busy))
    }

    /// Whether a worker is left that does not hang.
    pub(crate) fn is_alive(&self) -> bool {
        self.workers().0.iter().any(|state| *state != WorkerState::Hanging)
    }

    /// Why it cannot make quotes, if it certainly cannot for now: every worker has tried.
    pub(crate) fn why_not(&self) -> Option<Failure> {
        let failures: Option<Vec<Failure>> = self
            .workers()
            .0
            .into_iter()
            .map(|state| match state {
                WorkerState::Failing(failure) => Some(failure),
                _ => None,
            })
            .collect();
        failures?.into_iter().next()
    }

    fn start_worker(&self, number: u64) {
        let (queue, backend) = (Arc::clone(&self.queue), Arc::clone(&self.backend));
        let name = format!("qgs-worker-{number}");
        let started =
            thread::Builder::new().name(name).spawn(move || worker::run(number, &queue, &*backend));
        if let Err(fault) = started {
            self.queue.dismiss(number);
            tracing::error!(code = "worker.thread", cause = %fault, "the system gives no thread for a worker");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn lost() -> Failure {
    Failure::new(Hop::Queue, "queue.lost", "the worker went without an answer")
}

#[cfg(test)]
mod tests;
