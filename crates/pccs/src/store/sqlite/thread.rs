//! A thread with a connection of its own, which does one thing after another.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::StoreError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread that owns a connection; it ends when this is dropped and the queue is empty.
#[derive(Debug)]
pub(super) struct ConnectionThread {
    jobs: mpsc::Sender<Job>,
    runs: JoinHandle<()>,
}

impl ConnectionThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(does: &str, mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let name = format!("sqlite-{does}");
        let work = move || queue.into_iter().for_each(|job| job(&mut connection));
        let runs = std::thread::Builder::new().name(name).spawn(work);
        let runs =
            runs.map_err(|fault| StoreError::Unavailable(format!("no thread for it: {fault}")))?;
        Ok(Self { jobs, runs })
    }

    /// Whether it has ended before its time: something that it did broke it.
    pub(super) fn has_ended(&self) -> bool {
        self.runs.is_finished()
    }

    /// Does something on the thread; not, if nobody waits any more when its turn comes. The job may ask as well.
    pub(super) async fn perform<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection, &dyn Fn() -> bool) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if reply.is_closed() {
                return;
            }
            let done = job(connection, &|| !reply.is_closed());
            // Whoever asked may have gone.
            let _ = reply.send(done);
        });
        self.jobs.send(job).map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Nothing that this thread is for is done any more.
pub(super) fn ended() -> StoreError {
    StoreError::Unavailable("its thread has ended".into())
}
