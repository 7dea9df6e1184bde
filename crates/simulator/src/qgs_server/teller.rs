//! Tells an observer what was served, in a thread of its own: nobody who is served waits for whoever listens.
//!
//! Must stay true: what is told is in order; an observer that is too far behind misses something, and holds nobody up.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use super::{Observer, Served, locked};

/// How many requests an observer can be behind.
const BEHIND: usize = 1024;

/// How long the end of the server waits for an observer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who tells.
pub(super) struct Teller {
    queue: Mutex<Option<SyncSender<Served>>>,
    /// Nothing comes here; it closes when all is told.
    told: Mutex<Receiver<()>>,
}

impl Teller {
    pub(super) fn start(observer: Observer) -> io::Result<Self> {
        let (queue, queued) = mpsc::sync_channel::<Served>(BEHIND);
        let (telling, told) = mpsc::channel();
        thread::Builder::new().name("qgs observer".into()).spawn(move || {
            queued.into_iter().for_each(|served| observer(&served));
            drop(telling);
        })?;
        Ok(Self { queue: Mutex::new(Some(queue)), told: Mutex::new(told) })
    }

    pub(super) fn tell(&self, served: Served) {
        if let Some(queue) = locked(&self.queue).as_ref() {
            // Full: the observer misses it.
            let _ = queue.try_send(served);
        }
    }

    /// Tells what is left, to an observer that listens.
    pub(super) fn finish(&self) {
        drop(locked(&self.queue).take());
        // Closed, or the observer is stuck: nobody can end that.
        let _ = locked(&self.told).recv_timeout(LAST_WORDS);
    }
}
