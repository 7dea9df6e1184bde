//! A quote from the kernel's configfs-tsm, Linux 6.7 and later: the way of choice.
//!
//! Source: Linux `Documentation/ABI/testing/configfs-tsm-report`, `drivers/virt/coco/guest/report.c`.
//! Must stay true: an entry is this request's own and is always removed; `generation` is the only witness that the quote
//! belongs to what was written, since the kernel drops the result of the write. While `outblob` is being read the kernel
//! lets nobody remove the entry (`rmdir` would wait, up to 30 s): so whoever reads last removes it, and nobody waits for
//! that beyond the deadline. Only a process that ends in between leaves its entry behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::limits;

use crate::aside;
use crate::deadline::Deadline;
use crate::error::{Hop, ProviderError};
use crate::paths::Paths;

/// The provider's name in a TDX guest.
const PROVIDER: &str = "tdx_guest";

/// Pauses between tries while another request of this TD is with the host.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Asks for a quote, padding and all.
pub(crate) fn quote(
    paths: &Paths,
    report_data: &ReportData,
    deadline: &Deadline,
) -> Result<Vec<u8>, ProviderError> {
    if !paths.tsm_report.is_dir() {
        let text = format!(
            "{} is not there: the kernel is older than 6.7, has no TSM_REPORTS, or configfs is not mounted",
            paths.tsm_report.display()
        );
        return Err(ProviderError::Unavailable(text));
    }
    let entry = Arc::new(Entry::create(&paths.tsm_report)?);
    entry.require_tdx()?;
    entry.write_report_data(report_data)?;
    entry.require_generation()?;
    let quote = read_quote(&entry, deadline)?;
    entry.require_generation()?;
    if quote.is_empty() {
        return Err(ProviderError::Empty);
    }
    Ok(quote)
}

/// An entry: this request's own, gone when the last who uses it drops it, or somebody else's, which stays.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    is_own: bool,
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
    pub(crate) fn of_somebody(path: &Path) -> Self {
        Self { path: path.into(), is_own: false }
    }

    fn create(folder: &Path) -> Result<Self, ProviderError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("tdattest-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, is_own: true }),
                // Left behind by a process that had this number before.
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
                // The folder is there without anybody behind it.
                Err(fault) if Errno::from_io_error(&fault) == Some(Errno::NXIO) => {
                    let text = "configfs-tsm has no provider: this is no TDX guest, or its guest driver is not loaded";
                    return Err(ProviderError::Unavailable(text.into()));
                }
                Err(fault) => return Err(ProviderError::io(Hop::Configfs, &path, &fault)),
            }
        }
    }

    fn require_tdx(&self) -> Result<(), ProviderError> {
        let provider = self.read_line("provider")?;
        if provider == PROVIDER { Ok(()) } else { Err(ProviderError::OtherTee(provider)) }
    }

    /// One write: the kernel takes what was written when the file is closed, and keeps the result to itself.
    pub(crate) fn write_report_data(&self, report_data: &ReportData) -> Result<(), ProviderError> {
        let file = OpenOptions::new().write(true).open(self.path.join("inblob"));
        // Closed at the end of the block, which is when the kernel takes it.
        let written = file.and_then(|mut file| file.write_all(&report_data.0));
        written.map_err(|fault| self.fault("inblob", &fault))
    }

    /// One write into a new entry: anything else means that somebody else wrote, or that nothing was written.
    fn require_generation(&self) -> Result<(), ProviderError> {
        const EXPECTED: u64 = 1;
        let found = self.read_line("generation")?;
        if found == EXPECTED.to_string() {
            return Ok(());
        }
        Err(ProviderError::Generation { expected: EXPECTED, found })
    }

    pub(crate) fn read_line(&self, name: &str) -> Result<String, ProviderError> {
        let read = || {
            let mut text = String::new();
            File::open(self.path.join(name))?.take(4096).read_to_string(&mut text)?;
            Ok(text.trim_end().to_owned())
        };
        read().map_err(|fault| self.fault(name, &fault))
    }

    fn fault(&self, name: &str, fault: &io::Error) -> ProviderError {
        ProviderError::io(Hop::Configfs, &self.path.join(name), fault)
    }
}

/// Reads the quote, with as many tries as the deadline lets.
pub(crate) fn read_quote(
    entry: &Arc<Entry>,
    deadline: &Deadline,
) -> Result<Vec<u8>, ProviderError> {
    read_patiently(deadline, || read_once(entry, deadline), thread::sleep)
}

/// One try to read the quote. The kernel makes it now, for up to 30 s, and nothing can hurry it: so somebody else waits.
fn read_once(entry: &Arc<Entry>, deadline: &Deadline) -> Result<Vec<u8>, TryAgain> {
    let held = Arc::clone(entry);
    let read = aside::within(deadline, move || {
        let read = read_to_end(&held.path.join("outblob"));
        // Before the answer is out: then the one who waits for it is the last, and removes the entry.
        drop(held);
        read
    });
    let given_up = |fault: io::Error| match fault.kind() {
        io::ErrorKind::TimedOut => TryAgain::No(timed_out(deadline)),
        _ => TryAgain::No(entry.fault("outblob", &fault)),
    };
    read.map_err(given_up)?.map_err(|fault| match Errno::from_io_error(&fault) {
        // A signal for somebody; the host may still hold the buffer, which the next try tells.
        Some(Errno::INTR | Errno::BUSY) => TryAgain::Yes(entry.fault("outblob", &fault)),
        // The kernel's own patience is at its end; the host may still answer.
        Some(Errno::TIMEDOUT) => TryAgain::Yes(timed_out(deadline)),
        _ => TryAgain::No(entry.fault("outblob", &fault)),
    })
}

/// Why there is no quote yet, and whether it makes sense to ask once more.
#[derive(Debug)]
enum TryAgain {
    Yes(ProviderError),
    No(ProviderError),
}

/// Tries until there is a quote, the fault is final, or the next pause would outlast the deadline.
fn read_patiently(
    deadline: &Deadline,
    mut read_once: impl FnMut() -> Result<Vec<u8>, TryAgain>,
    mut wait: impl FnMut(Duration),
) -> Result<Vec<u8>, ProviderError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match read_once() {
            Ok(quote) => return Ok(quote),
            Err(TryAgain::No(fault)) => return Err(fault),
            Err(TryAgain::Yes(fault)) if deadline.left().is_none_or(|left| left < pause) => {
                return Err(fault);
            }
            Err(TryAgain::Yes(_)) => wait(pause),
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

fn timed_out(deadline: &Deadline) -> ProviderError {
    ProviderError::Deadline { hop: Hop::Configfs, allowed: deadline.allowed() }
}

/// Reads all of a file, and one byte more than a quote may have. Unlike the standard library's reading, it comes back
/// from a signal: whoever is asked for ever would never see the deadline.
fn read_to_end(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    while bytes.len() <= limits::QUOTE_BYTES {
        let count = file.read(&mut piece)?;
        match piece.get(..count).filter(|read| !read.is_empty()) {
            Some(read) => bytes.extend_from_slice(read),
            None => break,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
