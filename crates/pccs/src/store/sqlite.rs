//! A store in one file: SQLite, compiled in.
//!
//! One thread writes, so that no write meets another one's lock; others read beside it (WAL).
//! Must stay true: what was acknowledged is on the disk (`synchronous=FULL`); a full disk is an answer, not an end.

mod connection;
mod lease;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::database::Database;
use super::process_leases::ProcessLeases;
use super::session::Operation;
use super::{Lease, StoreError};
use lease::FileLease;
use thread::ConnectionThread;

/// Threads that read.
const READERS: usize = 2;

/// How long to wait for another process that writes: a command beside the service.
const BUSY: Duration = Duration::from_secs(5);

/// The largest file, in bytes. A platform takes about 10 KiB: room for a million of them.
const MOST_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// A store in a file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    writer: ConnectionThread,
    readers: Vec<ConnectionThread>,
    next_reader: AtomicUsize,
    /// What is held where no file can be made.
    leases: ProcessLeases,
}

impl Sqlite {
    /// Opens the store in a file, which is made if it is not there, for its owner and group alone.
    ///
    /// # Errors
    /// When the file cannot be written, is no database, or is one of another program or of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_bounded(path, MOST_BYTES)
    }

    /// Opens the store in a file that is there, and makes none.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no file, else as [`Sqlite::open`].
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        match path.try_exists() {
            Ok(true) => Self::open(path),
            Ok(false) => Err(StoreError::Absent(path.display().to_string())),
            Err(fault) => Err(StoreError::Unwritable(format!("{}: {fault}", path.display()))),
        }
    }

    /// As [`Sqlite::open`], with another bound for the file's size in bytes.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_bounded(path: &Path, most_bytes: u64) -> Result<Self, StoreError> {
        let writer = connection::open_for_writing(path, most_bytes)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(ConnectionThread::start("read", connection::open_for_reading(path)?)?);
        }
        let writer = ConnectionThread::start("write", writer)?;
        let next_reader = AtomicUsize::new(0);
        let leases = ProcessLeases::default();
        Ok(Self { path: path.into(), writer, readers, next_reader, leases })
    }

    /// The readers take turns.
    fn reader(&self) -> &ConnectionThread {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let turn = turn.checked_rem(self.readers.len()).unwrap_or(0);
        self.readers.get(turn).unwrap_or(&self.writer)
    }
}

impl Database for Sqlite {
    const KIND: &'static str = "sqlite";

    async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let thread = if O::WRITES { &self.writer } else { self.reader() };
        let job = |connection: &mut _, is_awaited: &dyn Fn() -> bool| {
            connection::perform(connection, operation, is_awaited)
        };
        thread.perform(job).await
    }

    fn broken(&self) -> Option<StoreError> {
        let mut threads = self.readers.iter().chain([&self.writer]);
        threads.any(ConnectionThread::has_ended).then(thread::ended)
    }

    async fn lease(&self, what: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        let (path, name) = (self.path.clone(), what.to_owned());
        let taken = tokio::task::spawn_blocking(move || FileLease::try_take(&path, &name)).await;
        match taken.map_err(|fault| StoreError::Unavailable(fault.to_string()))? {
            Ok(lease) => Ok(lease.map(|lease| Box::new(lease) as Box<dyn Lease>)),
            Err(cause) => {
                // Better that two processes do the same than that none does.
                tracing::warn!(%cause, "cannot make a lease among processes; it holds in this one alone");
                Ok(self.leases.try_take(what).map(|lease| Box::new(lease) as Box<dyn Lease>))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store as _;
    use super::super::session::Session;
    use super::*;

    /// Breaks the thread that it is done on: that which writes, or one that reads.
    struct Break<const WRITES: bool>;

    impl<const WRITES: bool> Operation for Break<WRITES> {
        type Output = ();
        const WRITES: bool = WRITES;

        async fn run(self, _: &mut impl Session) -> Result<(), StoreError> {
            panic!("as the test says")
        }
    }

    async fn breaks<const WRITES: bool>() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("pccs.sqlite")).unwrap();
        assert_eq!(store.ping().await, Ok(()));
        assert_eq!(store.perform(Break::<WRITES>).await, Err(thread::ended()));
        while store.broken().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.ping().await, Err(thread::ended()));
    }

    #[tokio::test]
    async fn a_thread_that_has_ended_is_told_of_whichever_it_is() {
        breaks::<true>().await;
        breaks::<false>().await;
    }
}
