//! The event log that firmware and boot loaders left.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use tdattest_wire::limits;

/// Reads the log's area: the log, and padding.
///
/// # Errors
/// When it cannot be read, or is longer than any log is.
pub fn event_log(path: &Path) -> io::Result<Vec<u8>> {
    read(&File::open(path)?)
}

/// Reads a log from where the file stands, up to the limit.
pub(crate) fn read(file: &File) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(limits::EVENT_LOG_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // Sysfs does not say how long it is before it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limits::EVENT_LOG_BYTES {
        return Err(io::Error::other(format!("has over {limit} bytes, which no event log has")));
    }
    Ok(bytes)
}
