//! A quote from the kernel's configfs-tsm, Linux 6.7 and later: the way of choice.
//!
//! Source: Linux `Documentation/ABI/testing/configfs-tsm-report`, `drivers/virt/coco/guest/report.c`.
//! Must stay true: an entry is this request's own and is always removed; `generation` is the only witness that the quote
//! belongs to what was written, since the kernel drops the result of the write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::limits;

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
    let entry = Entry::create(&paths.tsm_report)?;
    entry.require_tdx()?;
    entry.write_report_data(report_data)?;
    entry.require_generation()?;
    let quote = entry.read_quote(deadline)?;
    entry.require_generation()?;
    if quote.is_empty() {
        return Err(ProviderError::Empty);
    }
    Ok(quote)
}

/// An entry of this request's own, gone when it is dropped.
pub(crate) struct Entry(pub(crate) PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        // A plain rmdir, although the folder has files: they are the kernel's. What is wrong here was said before.
        let _ = fs::remove_dir(&self.0);
    }
}

impl Entry {
    fn create(folder: &Path) -> Result<Self, ProviderError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("tdattest-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
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
        let path = self.0.join("inblob");
        let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| {
            file.write_all(&report_data.0)?;
            // Flushed by the close at the end of this block.
            Ok(())
        });
        written.map_err(|fault| ProviderError::io(Hop::Configfs, &path, &fault))
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
        let path = self.0.join(name);
        let read = || {
            let mut text = String::new();
            File::open(&path)?.take(4096).read_to_string(&mut text)?;
            Ok(text.trim_end().to_owned())
        };
        read().map_err(|fault| ProviderError::io(Hop::Configfs, &path, &fault))
    }

    /// Reads the quote. The kernel makes it now, for up to 30 s, and nothing can hurry it: so somebody else waits.
    pub(crate) fn read_quote(&self, deadline: &Deadline) -> Result<Vec<u8>, ProviderError> {
        let path = self.0.join("outblob");
        let mut pause = FIRST_PAUSE;
        loop {
            let timed_out =
                ProviderError::Deadline { hop: Hop::Configfs, allowed: deadline.allowed() };
            let left = deadline.left().ok_or_else(|| timed_out.clone())?;
            let read = read_aside(path.clone()).recv_timeout(left).map_err(|_| timed_out)?;
            let fault = match read {
                Ok(quote) => return Ok(quote),
                Err(fault) => fault,
            };
            match Errno::from_io_error(&fault) {
                // A signal for somebody; the host may still hold the buffer, which the next try tells.
                Some(Errno::INTR) => continue,
                Some(Errno::BUSY | Errno::TIMEDOUT) => {}
                _ => return Err(ProviderError::io(Hop::Configfs, &path, &fault)),
            }
            if deadline.left().is_none_or(|left| left < pause) {
                return Err(ProviderError::io(Hop::Configfs, &path, &fault));
            }
            thread::sleep(pause);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
}

/// Reads a file in a thread of its own, which outlives nobody's patience but its own.
fn read_aside(path: PathBuf) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let limit = u64::try_from(limits::QUOTE_BYTES).unwrap_or(u64::MAX);
        let mut quote = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut quote));
        // Nobody may be there any more.
        let _ = sender.send(read.map(|_| quote));
    });
    receiver
}
