//! A quote through an entry of configfs-tsm that somebody else has made, for those who may make none.
//!
//! An administrator makes the entry and lets a user or a container write into it; Intel's client knows no other way.
//! Must stay true: whoever uses the entry at the same time is noticed, by the lock that Intel's client takes as well, or
//! by `generation`; the entry stays.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;

use crate::configfs::{self, Entry};
use crate::deadline::Deadline;
use crate::error::{Hop, ProviderError};
use crate::provider::checked;

/// What the provider's name begins with in a TDX guest: Intel's client asks for no more.
const PROVIDER: &str = "tdx_guest";

/// Between two looks at a lock or at `generation`.
const PAUSE: Duration = Duration::from_millis(20);

/// How long `generation` may lag behind a write. The kernel needs nothing; a folder without a kernel never counts.
const LAG: Duration = Duration::from_secs(2);

/// A quote for this report data through this entry, padding and all. Nothing waits beyond what is `allowed`.
///
/// # Errors
/// `Unavailable` when the entry is not there; else when it is not TDX's, somebody else uses it, or no quote for this
/// report data comes.
pub fn quote_in_entry(
    entry: &Path,
    report_data: &ReportData,
    allowed: Duration,
) -> Result<Vec<u8>, ProviderError> {
    let deadline = Deadline::after(allowed);
    let (entry, asked) = (Entry::of_somebody(entry, deadline), *report_data);
    let quote = configfs::made_aside(&deadline, move || (exchange(&entry, &asked), ()))?;
    checked(quote, report_data).map(|(bytes, _)| bytes)
}

fn exchange(entry: &Entry, report_data: &ReportData) -> Result<Vec<u8>, ProviderError> {
    if !entry.path.is_dir() {
        let text = format!("there is no entry {}", entry.path.display());
        return Err(ProviderError::Unavailable(text));
    }
    let provider = entry.read_line("provider")?;
    if !provider.starts_with(PROVIDER) {
        return Err(ProviderError::OtherTee(provider));
    }
    let _locked = lock(entry)?;
    let before = generation(entry)?;
    entry.write_report_data(report_data)?;
    let expected = before.saturating_add(1);
    await_generation(entry, before)?;
    require_generation(entry, expected)?;
    let quote = entry.read_quote()?;
    require_generation(entry, expected)?;
    if quote.is_empty() {
        return Err(ProviderError::Empty);
    }
    Ok(quote)
}

/// The lock of all who use this entry, held until it is dropped.
fn lock(entry: &Entry) -> Result<File, ProviderError> {
    let path = entry.path.join("inblob");
    let fault = |fault: io::Error| ProviderError::io(Hop::Configfs, &path, &fault);
    let file = OpenOptions::new().write(true).open(&path).map_err(fault)?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // It waits for nothing, so that a signal cannot interrupt it.
            Err(Errno::WOULDBLOCK) => {}
            Err(other) => return Err(fault(other.into())),
        }
        if !has_time_for_a_pause(&entry.deadline) {
            return Err(ProviderError::Busy { hop: Hop::Configfs });
        }
        thread::sleep(PAUSE);
    }
}

/// Whether a pause ends before the deadline.
fn has_time_for_a_pause(deadline: &Deadline) -> bool {
    deadline.left().is_some_and(|left| left > PAUSE)
}

fn generation(entry: &Entry) -> Result<u64, ProviderError> {
    let text = entry.read_line("generation")?;
    text.parse().map_err(|_| ProviderError::Io {
        hop: Hop::Configfs,
        fault: format!("generation is `{text}`, expected a number"),
    })
}

/// Waits, not for long, until the write has been counted.
fn await_generation(entry: &Entry, before: u64) -> Result<(), ProviderError> {
    let lag = Deadline::after(LAG);
    while generation(entry)? == before
        && lag.left().is_some()
        && has_time_for_a_pause(&entry.deadline)
    {
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn require_generation(entry: &Entry, expected: u64) -> Result<(), ProviderError> {
    let found = generation(entry)?;
    if found == expected {
        return Ok(());
    }
    Err(ProviderError::Generation { expected, found: found.to_string() })
}
