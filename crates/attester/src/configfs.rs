//! A quote from the kernel's configfs-tsm, Linux 6.7 and later: the way of choice.
//!
//! Source: Linux `Documentation/ABI/testing/configfs-tsm-report`, `drivers/virt/coco/guest/report.c`.
//! Must stay true: `generation` is the only witness that the quote belongs to what was written, since the kernel drops
//! the result of the write. One lock in the kernel is held while anybody's quote is made, up to 30 s and longer, and
//! making an entry, each of its files and its removal can wait for that: so the whole exchange is made aside, and nobody
//! waits for it beyond the deadline. One that comes too late asks for nothing more, and removes its entry.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;

use crate::aside;
use crate::deadline::Deadline;
use crate::error::{Hop, ProviderError};
use crate::paths::Paths;

mod entry;

pub(crate) use entry::Entry;

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
    let (folder, report_data, end) = (paths.tsm_report.clone(), *report_data, *deadline);
    let make = |path: &Path| fs::create_dir(path);
    made_aside(deadline, move || in_new_entry(&folder, make, &report_data, end))
}

/// Makes an exchange aside, and tidies up what it leaves behind.
pub(crate) fn made_aside<L>(
    deadline: &Deadline,
    exchange: impl FnOnce() -> (Result<Vec<u8>, ProviderError>, L) + Send + 'static,
) -> Result<Vec<u8>, ProviderError> {
    match aside::within_and_tidied(deadline, exchange) {
        Ok(answer) => answer,
        Err(fault) if fault.kind() == io::ErrorKind::TimedOut => Err(timed_out(deadline)),
        Err(fault) => {
            let fault = format!("there is no thread to ask in: {fault}");
            Err(ProviderError::Io { hop: Hop::Configfs, fault })
        }
    }
}

/// The quote, and the entry that is to be removed.
fn in_new_entry(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<()>,
    report_data: &ReportData,
    deadline: Deadline,
) -> (Result<Vec<u8>, ProviderError>, Option<Entry>) {
    if !folder.is_dir() {
        let text = format!(
            "{} is not there: the kernel is older than 6.7, has no TSM_REPORTS, or configfs is not mounted",
            folder.display()
        );
        return (Err(ProviderError::Unavailable(text)), None);
    }
    entry::sweep_once(folder);
    match Entry::create(folder, make, deadline) {
        Ok(entry) => (exchange(&entry, report_data), Some(entry)),
        Err(fault) => (Err(fault), None),
    }
}

fn exchange(entry: &Entry, report_data: &ReportData) -> Result<Vec<u8>, ProviderError> {
    require_tdx(entry)?;
    entry.write_report_data(report_data)?;
    require_generation(entry)?;
    let quote = entry.read_quote()?;
    require_generation(entry)?;
    if quote.is_empty() {
        return Err(ProviderError::Empty);
    }
    Ok(quote)
}

fn require_tdx(entry: &Entry) -> Result<(), ProviderError> {
    let provider = entry.read_line("provider")?;
    if provider == PROVIDER { Ok(()) } else { Err(ProviderError::OtherTee(provider)) }
}

/// One write into a new entry: anything else means that somebody else wrote, or that nothing was written.
fn require_generation(entry: &Entry) -> Result<(), ProviderError> {
    const EXPECTED: u64 = 1;
    let found = entry.read_line("generation")?;
    if found == EXPECTED.to_string() {
        return Ok(());
    }
    Err(ProviderError::Generation { expected: EXPECTED, found })
}

/// Makes a call until it works, its fault is final, or the next pause would outlast the deadline. Begins nothing after it.
fn patiently<T>(
    deadline: &Deadline,
    path: &Path,
    mut call: impl FnMut(&Path) -> io::Result<T>,
    mut wait: impl FnMut(Duration),
) -> Result<T, ProviderError> {
    let mut pause = FIRST_PAUSE;
    while deadline.left().is_some() {
        let fault = match call(path) {
            Ok(found) => return Ok(found),
            Err(fault) => fault,
        };
        let passing = match Errno::from_io_error(&fault) {
            // The host still has an earlier request, and with it the only buffer of this TD.
            Some(Errno::BUSY) => ProviderError::Busy { hop: Hop::Configfs },
            // A signal for somebody, or the kernel's own patience is at its end: the host may still answer.
            Some(Errno::INTR | Errno::TIMEDOUT) => timed_out(deadline),
            Some(Errno::NXIO) => return Err(ProviderError::NoProvider),
            _ => return Err(ProviderError::io(Hop::Configfs, path, &fault)),
        };
        if deadline.left().is_none_or(|left| left < pause) {
            return Err(passing);
        }
        wait(pause);
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
    Err(timed_out(deadline))
}

fn timed_out(deadline: &Deadline) -> ProviderError {
    ProviderError::Deadline { hop: Hop::Configfs, allowed: deadline.allowed() }
}

#[cfg(test)]
mod tests;
