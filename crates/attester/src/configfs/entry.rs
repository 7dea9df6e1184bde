//! An entry of configfs-tsm: made, locked, written and read, removed.
//!
//! Must stay true: an entry of ours is removed, and only when its process has done with it. A process that is killed
//! leaves its entry behind, but not the lock: whoever can take that may remove the entry. No name is used twice, so that
//! nobody removes another entry than the one whose lock he has.
//!
//! The lock is a `flock` of the entry's own folder. configfs has no `flock` of its own (`fs/configfs/dir.c`), so the
//! kernel keeps it as on any file system; an open folder hinders no rmdir there; and whoever sees the entry, sees the
//! lock. Rejected: an attribute, whose lock means something else to Intel's client (`shared_entry.rs`); a lock file in
//! `/run`, which containers that share configfs do not share; process ids, which they count each for themselves.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::limits;

use super::patiently;
use crate::deadline::Deadline;
use crate::error::{Hop, ProviderError};

/// What the names of our entries begin with; a process id and 16 random digits follow.
const PREFIX: &str = "tdattest";

/// Longest line of an attribute, in bytes: a page, as the kernel has it.
const LINE_BYTES: usize = 4096;

/// An entry: this request's own, gone when it is dropped, or somebody else's, which stays.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) deadline: Deadline,
    is_own: bool,
    /// Kept until the entry is gone.
    lock: Option<File>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_own {
            // A plain rmdir, although the folder has files: they are the kernel's. What is wrong here was said before.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

impl Entry {
    /// An entry that somebody else has made.
    pub(crate) fn of_somebody(path: &Path, deadline: Deadline) -> Self {
        Self { path: path.into(), deadline, is_own: false, lock: None }
    }

    /// Makes an entry, locked.
    pub(super) fn create(
        folder: &Path,
        make: impl Fn(&Path) -> io::Result<()>,
        deadline: Deadline,
    ) -> Result<Self, ProviderError> {
        loop {
            let path = folder.join(new_name());
            let made = |path: &Path| match make(path) {
                // The folder is there without anybody behind it.
                Err(fault) if means_no_provider(&fault) => Err(Errno::NXIO.into()),
                made => made,
            };
            patiently(&deadline, &path, made, thread::sleep)?;
            let mut entry = Self { path, deadline, is_own: true, lock: None };
            let locked = lock(&entry.path);
            entry.lock =
                locked.map_err(|fault| ProviderError::io(Hop::Configfs, &entry.path, &fault))?;
            // Between making and locking it was anybody's to sweep; now nobody can.
            if entry.lock.is_some() && entry.path.is_dir() {
                return Ok(entry);
            }
        }
    }

    /// One write: the kernel takes what was written when the file is closed, and keeps the result to itself.
    pub(crate) fn write_report_data(&self, report_data: &ReportData) -> Result<(), ProviderError> {
        self.patiently("inblob", |path| {
            // Closed at the end, which is when the kernel takes it.
            let count = OpenOptions::new().write(true).open(path)?.write(&report_data.0)?;
            match count == report_data.0.len() {
                true => Ok(()),
                false => Err(io::Error::other(format!("took {count} of 64 bytes"))),
            }
        })
    }

    /// An attribute that is one line of text.
    pub(crate) fn read_line(&self, name: &str) -> Result<String, ProviderError> {
        self.patiently(name, |path| {
            let bytes = read_beyond(path, LINE_BYTES)?;
            let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= LINE_BYTES);
            let text = text.ok_or_else(|| io::Error::other("is no line of text"))?;
            Ok(text.trim_end().to_owned())
        })
    }

    /// Reads the quote. The kernel makes it now, for up to 30 s.
    pub(crate) fn read_quote(&self) -> Result<Vec<u8>, ProviderError> {
        self.patiently("outblob", |path| read_beyond(path, limits::QUOTE_BYTES))
    }

    fn patiently<T>(
        &self,
        name: &str,
        call: impl FnMut(&Path) -> io::Result<T>,
    ) -> Result<T, ProviderError> {
        patiently(&self.deadline, &self.path.join(name), call, thread::sleep)
    }
}

/// How the kernel says at mkdir that no guest driver has registered with configfs-tsm, or none that makes quotes.
fn means_no_provider(fault: &io::Error) -> bool {
    let errno = Errno::from_io_error(fault);
    matches!(errno, Some(Errno::NXIO | Errno::NODEV | Errno::OPNOTSUPP))
}

/// Reads all of a file, or more than `limit` bytes of a longer one, which the caller is to notice. Unlike the standard
/// library's reading, it comes back from a signal: whoever is asked for ever would never see the deadline.
fn read_beyond(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    while bytes.len() <= limit {
        let count = file.read(&mut piece)?;
        match piece.get(..count).filter(|read| !read.is_empty()) {
            Some(read) => bytes.extend_from_slice(read),
            None => break,
        }
    }
    Ok(bytes)
}

/// Locks an entry without waiting; `None` if somebody else has it, or it is gone. The lock ends with the process.
fn lock(entry: &Path) -> io::Result<Option<File>> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let folder = match OpenOptions::new().read(true).custom_flags(flags).open(entry) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// A name that no entry ever had.
fn new_name() -> String {
    // The one source of randomness that the standard library has.
    let random = RandomState::new().build_hasher().finish();
    format!("{PREFIX}-{}-{random:016x}", std::process::id())
}

/// Whether an entry has a name of ours.
fn is_ours(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [PREFIX, process, random] = parts.as_slice() else { return false };
    process.parse::<u32>().is_ok()
        && random.len() == 16
        && random.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Removes what killed processes have left in this folder, at the first request of this process.
pub(super) fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.into()) {
        sweep(folder);
    }
}

/// Removes those of our entries that nobody holds. What cannot be removed stays: it harms nobody.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_ours)
            && let Ok(Some(_lock)) = lock(&entry.path())
        {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
