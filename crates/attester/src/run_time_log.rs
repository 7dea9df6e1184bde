//! The log of what was measured into the registers at run time, beside the firmware's: whoever extends a register must
//! say so somewhere, or nobody can ever replay it.
//!
//! A log of this crate's own, in the form of the firmware's (`tdattest_wire::event_log`), since nobody can append to
//! that one. It is in `/run`, which like the registers starts anew with the TD.
//! Must stay true: one lock spans entry and extension, and readers share it. The entry comes first: a full disk must be
//! known before a register has changed, since nothing undoes that; an entry whose extension failed is taken back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tdattest_wire::bytes::Measurement;
use tdattest_wire::event_log::{Event, EventLog, write_header};
use tdattest_wire::limits;

use crate::aside;
use crate::ccel;
use crate::deadline::Deadline;
use crate::error::RtmrError;
use crate::paths::Paths;
use crate::rtmr::Register;

/// Something to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measuring<'a> {
    /// The register: 0 to 3.
    pub index: u8,
    /// What it is extended with.
    pub digest: Measurement,
    /// The TCG type of the event.
    pub kind: u32,
    /// What the log says of it.
    pub data: &'a [u8],
}

/// Extends a register and logs that, both or none.
///
/// # Errors
/// When the register cannot be extended, or the log cannot be kept; then neither has changed.
pub fn extend_and_log(
    paths: &Paths,
    measuring: &Measuring<'_>,
    deadline: &Deadline,
) -> Result<(), RtmrError> {
    // Before anything is written: without a register there is nothing to log.
    let register = Register::open(paths, measuring.index)?;
    let log_fault = |fault: io::Error| RtmrError::Log {
        path: paths.event_log.clone(),
        fault: fault.to_string(),
    };
    let locked = lock(&paths.event_log, FlockOperation::LockExclusive, deadline, to_append);
    let mut log = locked.map_err(log_fault)?;
    let before = append(&mut log, measuring).map_err(log_fault)?;
    let extended = register.extend(&measuring.digest);
    if extended.is_err() {
        log.set_len(before).map_err(|fault| {
            let text = format!("its last entry cannot be taken back: {fault}");
            log_fault(io::Error::other(text))
        })?;
    }
    extended
}

/// The log of what was measured at run time, and a share of its lock.
///
/// Nobody logs or extends through this crate until it is dropped: registers that are read meanwhile are those that the
/// log leads to.
#[derive(Debug)]
pub struct RunTimeLog {
    /// The log, which is not empty.
    pub bytes: Vec<u8>,
    _lock: File,
}

/// Reads the log of what was measured at run time; `None` if nothing was.
///
/// # Errors
/// When it cannot be read, is longer than a log may be, or somebody has its lock until the deadline (`TimedOut`).
pub fn run_time_log(paths: &Paths, deadline: &Deadline) -> io::Result<Option<RunTimeLog>> {
    let locked =
        lock(&paths.event_log, FlockOperation::LockShared, deadline, |path| File::open(path));
    let log = match locked {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        locked => locked?,
    };
    let bytes = ccel::read(&log)?;
    Ok((!bytes.is_empty()).then_some(RunTimeLog { bytes, _lock: log }))
}

/// Opens the log to append to it, made if it is not there: for nobody else's eyes, as what was measured may be secret.
fn to_append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens the log and locks it until it is closed.
///
/// A log that was replaced before its lock was had is nobody's any more: then the new one is taken.
fn lock(
    path: &Path,
    operation: FlockOperation,
    deadline: &Deadline,
    open: impl Fn(&Path) -> io::Result<File> + Send + 'static,
) -> io::Result<File> {
    let (place, end) = (path.to_owned(), *deadline);
    let locked = aside::within(deadline, move || {
        loop {
            let log = open(&place)?;
            end.uninterrupted(|| Ok(flock(&log, operation)?))?;
            if is_at(&log, &place)? {
                return Ok(log);
            }
        }
    });
    match locked.and_then(|locked| locked) {
        Err(fault) if fault.kind() == io::ErrorKind::TimedOut => {
            let allowed = deadline.allowed().as_secs_f32();
            let text = format!("somebody else has held its lock for over {allowed} s");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
        locked => locked,
    }
}

/// Whether the path leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (held, found) = (file.metadata()?, fs::metadata(path));
    match found {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|found| (held.dev(), held.ino()) == (found.dev(), found.ino())),
    }
}

/// Appends an entry, and the header before the first. Returns how long the log was.
fn append(log: &mut File, measuring: &Measuring<'_>) -> io::Result<u64> {
    let known = ccel::read(log)?;
    let mut entry = Vec::new();
    if known.is_empty() {
        write_header(&mut entry);
    } else {
        require_whole(&known)?;
    }
    let (register, digest) = (u32::from(measuring.index).saturating_add(1), Some(measuring.digest));
    Event { register, kind: measuring.kind, digest, data: measuring.data }.write(&mut entry);
    if known.len().saturating_add(entry.len()) > limits::EVENT_LOG_BYTES {
        let limit = limits::EVENT_LOG_BYTES;
        return Err(io::Error::other(format!("is full: a log has {limit} bytes at most")));
    }
    let before = log.seek(SeekFrom::End(0))?;
    let written = log.write_all(&entry).and_then(|()| log.sync_data());
    written.inspect_err(|_| {
        // There is nothing more to say if even this fails.
        let _ = log.set_len(before);
    })?;
    Ok(before)
}

/// Nothing is appended to what is no log, or one that breaks off: no reader would ever get to it.
fn require_whole(known: &[u8]) -> io::Result<()> {
    let log = EventLog::parse(known)
        .map_err(|fault| io::Error::other(format!("cannot be appended to: {fault}")))?;
    if log.length == known.len() && log.events.len() < limits::EVENTS {
        return Ok(());
    }
    let (events, rest) = (log.events.len(), known.len().saturating_sub(log.length));
    Err(io::Error::other(format!("cannot be appended to: {rest} bytes follow its {events} events")))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    fn late() -> Deadline {
        Deadline::after(Deadline::DEFAULT)
    }

    #[test]
    fn the_lock_is_that_of_the_log_which_replaced_the_one_that_was_opened() {
        for is_replaced in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("log");
            fs::write(&path, "old").unwrap();
            let opened = Mutex::new(0);
            let open = move |path: &Path| {
                let file = to_append(path)?;
                let mut opened = opened.lock().unwrap();
                *opened += 1;
                if *opened == 1 {
                    // Between opening and locking it.
                    fs::rename(path, path.with_extension("rotated"))?;
                    if is_replaced {
                        fs::write(path, "new")?;
                    }
                }
                Ok(file)
            };
            let mut log = lock(&path, FlockOperation::LockExclusive, &late(), open).unwrap();
            log.write_all(b"mine").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            assert_eq!(fs::read(home.path().join("log.rotated")).unwrap(), b"old");
            let other = File::open(&path).unwrap();
            assert!(flock(&other, FlockOperation::NonBlockingLockShared).is_err());
        }
    }

    #[test]
    fn a_log_that_is_replaced_again_and_again_is_given_up_at_the_deadline() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log");
        let open = |path: &Path| {
            let file = to_append(path)?;
            fs::remove_file(path)?;
            Ok(file)
        };
        let deadline = Deadline::after(Duration::from_millis(5));
        let refused = lock(&path, FlockOperation::LockExclusive, &deadline, open);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
