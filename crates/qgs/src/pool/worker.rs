//! One worker: opens a context, uses it, and opens another when it is spoilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::queue::{Next, Queue, hanging};
use super::{Job, Reply, Task};
use crate::ask::Ask;
use crate::backend::{self, Backend, Context};
use crate::failure::{Failure, Hop};

/// Works until the queue is closed, or until another stands in its place.
pub(super) fn run(number: u64, queue: &Queue, backend: &dyn Backend) {
    let pause = Duration::ZERO;
    let mut worker = Worker { number, queue, backend, context: None, trouble: None, pause };
    worker.mend();
    loop {
        let waiting = worker.trouble.as_ref().map(|trouble| (&trouble.failure, trouble.again));
        match queue.next(number, waiting) {
            Next::Mend => worker.mend(),
            Next::Job(job) => worker.serve(job),
            Next::End => return,
        }
    }
}

struct Worker<'p> {
    number: u64,
    queue: &'p Queue,
    backend: &'p dyn Backend,
    context: Option<Box<dyn Context>>,
    trouble: Option<Trouble>,
    /// The last wait before it tried again. It grows until a quote is made: a context that opens and then loses its
    /// enclave with each quote must not be opened as fast as guests ask.
    pause: Duration,
}

/// Why a worker cannot make quotes, and until when it does not try.
struct Trouble {
    failure: Failure,
    again: Instant,
}

impl Worker<'_> {
    /// Opens a context if there is none, and sees whether it can make quotes.
    fn mend(&mut self) {
        let (context, backend) = (&mut self.context, self.backend);
        let mended = guarded(|| {
            let opened = match context.take() {
                Some(opened) => opened,
                None => backend.open()?,
            };
            context.insert(opened).probe()
        });
        match mended {
            Ok(()) => self.trouble = None,
            Err(failure) => {
                if failure.spoils_context {
                    self.close();
                }
                self.pause = self.longer_pause();
                self.try_later(failure);
            }
        }
    }

    /// Does a job, if somebody still waits for it.
    fn serve(&mut self, job: Job) {
        let Job { task, claim, reply, .. } = job;
        if !claim.begin(self.number) {
            return;
        }
        let done = self.perform(&task);
        if !claim.finish() {
            self.close();
            self.try_later(hanging("the backend came back after nobody waited for it any more"));
            return;
        }
        let failure = done.as_ref().err().filter(|failure| failure.spoils_context).cloned();
        if done.is_ok() && matches!(task, Task::Answer(Ask::Quote { .. })) {
            self.pause = Duration::ZERO;
        }
        // First of all: freeing what is spoilt may take its time. Whoever asked may have gone.
        let _ = reply.send(done);
        if let Some(failure) = failure {
            self.close();
            self.try_later(failure);
            self.pause = self.longer_pause();
        }
    }

    fn perform(&mut self, task: &Task) -> Reply {
        let Some(context) = &mut self.context else { return Err(self.reason()) };
        match task {
            Task::Probe | Task::Answer(Ask::Quote { .. }) if self.trouble.is_some() => {
                Err(self.reason())
            }
            Task::Probe => guarded(|| context.probe().map(|()| None)),
            Task::Answer(ask) => guarded(|| backend::perform(&mut **context, ask).map(Some)),
        }
    }

    /// Why this worker has no context.
    fn reason(&self) -> Failure {
        match &self.trouble {
            // It does not spoil what is not there.
            Some(trouble) => Failure { spoils_context: false, ..trouble.failure.clone() },
            None => Failure::new(Hop::Backend, "backend.closed", "the backend has not been opened"),
        }
    }

    /// Gives the context back. What has failed may fail once more when it is freed.
    fn close(&mut self) {
        self.queue.closing(self.number);
        let context = self.context.take();
        let _ = guarded(|| {
            drop(context);
            Ok(())
        });
    }

    /// Waits for as long as the pause is before it tries again.
    fn try_later(&mut self, failure: Failure) {
        tracing::warn!(
            worker = self.number,
            hop = failure.hop.name(),
            code = failure.code,
            cause = %failure.cause,
            remedy = failure.remedy,
            again_in_seconds = self.pause.as_secs(),
            "a worker cannot make quotes"
        );
        let now = Instant::now();
        let again = now.checked_add(self.pause).unwrap_or(now);
        self.trouble = Some(Trouble { failure, again });
    }

    fn longer_pause(&self) -> Duration {
        let settings = self.queue.settings();
        let longest = settings.longest_pause.max(settings.first_pause);
        self.pause.saturating_mul(2).max(settings.first_pause).min(longest)
    }
}

/// A backend that panics has failed, and no more than that.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure::new(Hop::Backend, "backend.panic", "the backend panicked; the log has where")
            .spoiling())
    })
}
