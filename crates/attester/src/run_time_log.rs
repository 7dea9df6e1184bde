//! The log of what was measured into the registers at run time, beside the firmware's: whoever extends a register must
//! say so somewhere, or nobody can ever replay it.
//!
//! A log of this crate's own, in the form of the firmware's (`tdattest_wire::event_log`), since nobody can append to
//! that one. It is in `/run`, which like the registers starts anew with the TD.
//! Must stay true: one lock spans entry and extension. The entry comes first: a full disk must be known before a register
//! has changed, since nothing undoes that; an entry whose extension failed is taken back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tdattest_wire::bytes::Measurement;
use tdattest_wire::event_log::{Event, EventLog, write_header};
use tdattest_wire::limits;

use crate::aside;
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
    let mut log = open(&paths.event_log, deadline).map_err(log_fault)?;
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

/// Reads the log of what was measured at run time; `None` if nothing was.
///
/// # Errors
/// When it cannot be read, or is longer than a log may be.
pub fn run_time_log(paths: &Paths) -> io::Result<Option<Vec<u8>>> {
    match crate::ccel::event_log(&paths.event_log) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|log| Some(log).filter(|log| !log.is_empty())),
    }
}

/// Opens the log, made if it is not there, and locks it until it is closed.
fn open(path: &Path, deadline: &Deadline) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let log = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let locked =
        aside::within(deadline, move || flock(&log, FlockOperation::LockExclusive).map(|()| log));
    match locked {
        Err(fault) if fault.kind() == io::ErrorKind::TimedOut => {
            let allowed = deadline.allowed().as_secs_f32();
            Err(io::Error::other(format!("somebody else has held its lock for over {allowed} s")))
        }
        locked => Ok(locked??),
    }
}

/// Appends an entry, and the header before the first. Returns how long the log was.
fn append(log: &mut File, measuring: &Measuring<'_>) -> io::Result<u64> {
    let limit = u64::try_from(limits::EVENT_LOG_BYTES).unwrap_or(u64::MAX);
    let mut known = Vec::new();
    let reader: &File = log;
    reader.take(limit.saturating_add(1)).read_to_end(&mut known)?;
    let mut entry = Vec::new();
    if known.is_empty() {
        write_header(&mut entry);
    } else {
        require_whole(&known)?;
    }
    let (register, digest) = (u32::from(measuring.index).saturating_add(1), Some(measuring.digest));
    Event { register, kind: measuring.kind, digest, data: measuring.data }.write(&mut entry);
    if known.len().saturating_add(entry.len()) > limits::EVENT_LOG_BYTES {
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
