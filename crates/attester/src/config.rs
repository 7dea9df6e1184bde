//! `/etc/tdx-attest.conf`: the vsock port of the QGS, with the very grammar of Intel's client.
//!
//! Source: libtdx_attest 1.24 and later, as observed. The first line that matches counts, whatever surrounds it; a port
//! beyond 65535 ends the search.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The port of Intel's QGS unless it is configured otherwise.
pub const DEFAULT_PORT: u16 = 4050;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VsockPort {
    /// This port.
    Port {
        /// The port; 0 is let pass, as by Intel's client.
        port: u16,
        /// The line it stands on, from 1.
        line: usize,
    },
    /// No line of the file is a port.
    None {
        /// The first line that looks like one and is none, from 1.
        nearly: Option<usize>,
    },
    /// A line has a port beyond 65535, which ends the search.
    TooLarge {
        /// The line, from 1.
        line: usize,
        /// What it says.
        value: String,
    },
}

impl VsockPort {
    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Port { port, .. } => Some(*port),
            Self::None { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// Reads the file; `None` if there is none.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> io::Result<Option<VsockPort>> {
    Ok(text(path)?.map(|text| parse(&text)))
}

/// The file as it is; `None` if there is none.
///
/// # Errors
/// When it cannot be read, or is larger than any configuration is.
pub fn text(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(LARGEST.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LARGEST) {
        return Ok(Some(text));
    }
    Err(io::Error::other(format!("has over {LARGEST} bytes")))
}

/// Parses the text of the file.
pub fn parse(text: &[u8]) -> VsockPort {
    let mut nearly = None;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        match port_of(line) {
            Some(digits) => {
                let value = String::from_utf8_lossy(digits).into_owned();
                return match value.parse::<u64>().map(u16::try_from) {
                    Ok(Ok(port)) => VsockPort::Port { port, line: number },
                    _ => VsockPort::TooLarge { line: number, value },
                };
            }
            None if nearly.is_none() && looks_like_a_port(line) => nearly = Some(number),
            None => {}
        }
    }
    VsockPort::None { nearly }
}

/// Intel's client takes at most ten digits for a number.
const MOST_DIGITS: usize = 10;

/// The digits of a line that is exactly a port: blanks, `port`, blanks, `=`, blanks, digits, blanks.
pub(crate) fn port_of(line: &[u8]) -> Option<&[u8]> {
    let rest = trim_start(line).strip_prefix(b"port")?;
    let rest = trim_start(trim_start(rest).strip_prefix(b"=")?);
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(count)?;
    let fits = (1..=MOST_DIGITS).contains(&count) && trim_start(after).is_empty();
    fits.then_some(digits)
}

/// A line that means to be a port and is spelt otherwise: `Port=4050`, `port: 4050`, `port=4050 # host`.
fn looks_like_a_port(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let line = trim_start(line);
    line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"port"))
}

/// Blanks as C's `isspace` has them.
fn trim_start(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | 9..=13)).count();
    line.get(blanks..).unwrap_or_default()
}

/// The text with this port in the place of the first one, or at the end; every other line as it was. With `None`, every
/// line that is a port is taken out.
pub fn with_port(text: &[u8], port: Option<u16>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut pending = port;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        match (port_of(content), port) {
            (None, _) => out.extend_from_slice(line),
            // The first one is exchanged; those behind it never counted, and would only confuse.
            (Some(_), Some(_)) => push_port(pending.take(), &mut out),
            (Some(_), None) => {}
        }
    }
    if pending.is_some() && !out.is_empty() && !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    push_port(pending, &mut out);
    out
}

fn push_port(port: Option<u16>, out: &mut Vec<u8>) {
    if let Some(port) = port {
        out.extend_from_slice(format!("port={port}\n").as_bytes());
    }
}
