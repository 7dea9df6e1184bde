//! A quote by the GET_QUOTE ioctl of downstream drivers: the kernel hands a buffer to the host.
//!
//! Source: Intel GHCI, `TDG.VP.VMCALL<GetQuote>`; Intel's downstream drivers, whose payload is a framed QGS message.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use tdattest_wire::Fixed as _;
use tdattest_wire::error::{ParseError, ParseErrorKind};
use tdattest_wire::qgs::{self, NoAnswer, PREFIX_BYTES, QuoteResponse, Request};

use crate::aside;
use crate::deadline::Deadline;
use crate::device::GuestDevice;
use crate::error::{Hop, ProviderError};
use crate::ioctl;
use crate::paths::Paths;

/// Bytes of the header of a GetQuote buffer: version, status, lengths in and out.
const HEADER_BYTES: usize = 24;

/// The version of that header.
const VERSION: u64 = 1;

/// Bytes of the whole buffer, whole pages: what Intel's client asks with.
const BUFFER_BYTES: usize = 16 * 1024;

/// Status: in flight at the host.
const IN_FLIGHT: u64 = u64::MAX;
/// Status: no QGS.
const UNAVAILABLE: u64 = 0x8000_0000_0000_0001;

/// Asks for a quote of this TDREPORT. The driver has its own time-out, which may be longer: so somebody else waits.
pub(crate) fn quote(
    paths: &Paths,
    report: &[u8],
    deadline: &Deadline,
) -> Result<Vec<u8>, ProviderError> {
    let device = GuestDevice::open(paths)?;
    let (path, end, report) = (device.path().to_owned(), *deadline, report.to_vec());
    let asked = aside::within(deadline, move || {
        end.uninterrupted(|| {
            // Anew each time: whoever was interrupted has left a status in it.
            let mut buffer = request(&report);
            ioctl::get_quote(&device, &mut buffer).map(|()| buffer)
        })
    });
    let asked = asked.and_then(|asked| asked);
    answer(&asked.map_err(|fault| refusal(&path, &fault, deadline))?)
}

fn refusal(path: &Path, fault: &io::Error, deadline: &Deadline) -> ProviderError {
    match Errno::from_io_error(fault) {
        Some(Errno::NOTTY) => ProviderError::Unavailable(format!(
            "{} does not know GET_QUOTE: this is an upstream kernel, which has configfs-tsm instead",
            path.display()
        )),
        None if fault.kind() == io::ErrorKind::TimedOut => {
            ProviderError::Deadline { hop: Hop::Device, allowed: deadline.allowed() }
        }
        _ => ProviderError::io(Hop::Device, path, fault),
    }
}

/// A GetQuote buffer with a framed request for a quote.
pub(crate) fn request(report: &[u8]) -> Vec<u8> {
    let frame = Request::Quote { report, id_list: &[] }.write();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    VERSION.write(&mut buffer);
    0_u64.write(&mut buffer);
    u32::try_from(frame.len()).unwrap_or(u32::MAX).write(&mut buffer);
    0_u32.write(&mut buffer);
    buffer.extend_from_slice(&frame);
    buffer.resize(BUFFER_BYTES, 0);
    buffer
}

/// The quote in an answered GetQuote buffer.
pub(crate) fn answer(buffer: &[u8]) -> Result<Vec<u8>, ProviderError> {
    let field = |at: usize| {
        let bytes = buffer.get(at..at.saturating_add(8))?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    };
    let (status, lengths) = (field(8).unwrap_or(IN_FLIGHT), field(16).unwrap_or_default());
    match status {
        0 => {}
        IN_FLIGHT => return Err(ProviderError::Busy { hop: Hop::Device }),
        UNAVAILABLE => return Err(ProviderError::NoService),
        other => return Err(ProviderError::GetQuote(other)),
    }
    // The upper half is the length out.
    let found = usize::try_from(lengths >> 32).unwrap_or(usize::MAX);
    let room = buffer.len().saturating_sub(HEADER_BYTES);
    let data = buffer.get(HEADER_BYTES..).and_then(|data| data.get(..found));
    let data = data.ok_or(ProviderError::AnswerLength { found, room })?;
    let (prefix, rest) = data
        .split_first_chunk::<PREFIX_BYTES>()
        .ok_or_else(|| truncated(data.len(), PREFIX_BYTES))?;
    let length = qgs::message_length(*prefix)
        .map_err(|fault| ProviderError::Qgs(NoAnswer::Malformed(fault)))?;
    let message = rest.get(..length).ok_or_else(|| truncated(rest.len(), length))?;
    let response = QuoteResponse::parse(message).map_err(ProviderError::Qgs)?;
    Ok(response.quote.to_vec())
}

fn truncated(available: usize, needed: usize) -> ProviderError {
    let kind = ParseErrorKind::Truncated { needed, available };
    ProviderError::Qgs(NoAnswer::Malformed(ParseError {
        kind,
        structure: "QGS message",
        offset: 0,
    }))
}

#[cfg(test)]
mod tests;
