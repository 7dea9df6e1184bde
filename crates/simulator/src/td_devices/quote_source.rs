//! Where the quotes of a TD come from: the platform itself, or a QGS that is asked as QEMU asks it.
//!
//! Source: QEMU, `tdx-quote-generator.c`, which demands version 1.1 exactly and waits for 30 s.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tdattest_wire::Fixed as _;
use tdattest_wire::qgs::{self, PREFIX_BYTES, QuoteResponse, Request};
use tdattest_wire::td_report::TdReport;

use crate::error::MintError;
use crate::platform::Platform;
use crate::quote::QuotingEnclave;

/// How long QEMU waits for a QGS.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where quotes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuoteSource {
    /// From the platform's quoting enclave, at once.
    Platform,
    /// From the QGS that listens on this Unix socket.
    Qgs(PathBuf),
}

/// A source that is ready.
pub(super) enum Quoting {
    Enclave(Box<QuotingEnclave>),
    Qgs(PathBuf),
}

impl fmt::Debug for Quoting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enclave(_) => f.write_str("Enclave"),
            Self::Qgs(path) => f.debug_tuple("Qgs").field(path).finish(),
        }
    }
}

impl Quoting {
    pub(super) fn start(platform: &Platform, source: QuoteSource) -> Result<Self, MintError> {
        Ok(match source {
            QuoteSource::Platform => Self::Enclave(Box::new(QuotingEnclave::new(platform)?)),
            QuoteSource::Qgs(path) => Self::Qgs(path),
        })
    }

    /// The quote of a TDREPORT. Why there is none a TD does not learn.
    pub(super) fn quote(&self, report: &TdReport) -> Option<Vec<u8>> {
        match self {
            Self::Enclave(enclave) => enclave.quote(report).ok(),
            Self::Qgs(path) => {
                let stream = UnixStream::connect(path).ok()?;
                ask(stream, report).ok()
            }
        }
    }
}

fn ask(mut stream: UnixStream, report: &TdReport) -> io::Result<Vec<u8>> {
    let end = Instant::now().checked_add(PATIENCE);
    let report = report.to_bytes();
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&Request::Quote { report: &report, id_list: &[] }.write())?;
    let mut prefix = [0; PREFIX_BYTES];
    fill(&mut stream, &mut prefix, end)?;
    let length = qgs::message_length(prefix).map_err(io::Error::other)?;
    let mut message = vec![0; length];
    fill(&mut stream, &mut message, end)?;
    let response = QuoteResponse::parse(&message).map_err(io::Error::other)?;
    if !message.starts_with(&[1, 0, 1, 0]) || !response.selected_id.is_empty() {
        return Err(io::Error::other("not version 1.1 without an id, as QEMU demands"));
    }
    Ok(response.quote.to_vec())
}

fn fill(stream: &mut UnixStream, mut buffer: &mut [u8], end: Option<Instant>) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.filter(|left| !left.is_zero()).ok_or(io::ErrorKind::TimedOut)?;
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
