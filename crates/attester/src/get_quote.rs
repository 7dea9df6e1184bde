//! A quote by the GET_QUOTE ioctl of downstream drivers: the kernel hands a buffer to the host.
//!
//! Source: Intel GHCI, "TDG.VP.VMCALL<GetQuote>"; Intel's downstream drivers, whose payload is a framed QGS message.

use rustix::io::Errno;
use tdattest_wire::Fixed as _;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::qgs::{self, NoQuote, PREFIX_BYTES, QuoteResponse, Request};

use crate::deadline::Deadline;
use crate::device;
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

/// Asks for a quote. The driver has its own time-out; the deadline is only looked at before.
pub(crate) fn quote(
    paths: &Paths,
    report_data: &ReportData,
    deadline: &Deadline,
) -> Result<Vec<u8>, ProviderError> {
    let report = device::report(paths, report_data)?;
    if deadline.left().is_none() {
        let allowed = deadline.allowed();
        return Err(ProviderError::Deadline { hop: Hop::Device, allowed });
    }
    let (device, path) = device::open(paths)?;
    let mut buffer = request(&report);
    ioctl::get_quote(&device, &mut buffer).map_err(|fault| match Errno::from_io_error(&fault) {
        Some(Errno::NOTTY) => ProviderError::Unavailable(format!(
            "{} does not know GET_QUOTE: this is an upstream kernel, which has configfs-tsm instead",
            path.display()
        )),
        _ => ProviderError::io(Hop::Device, &path, &fault),
    })?;
    answer(&buffer)
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
    let length = usize::try_from(lengths >> 32).unwrap_or(usize::MAX);
    let end = HEADER_BYTES.saturating_add(length);
    let expected = length;
    let received = buffer.len().saturating_sub(HEADER_BYTES);
    let data = buffer.get(HEADER_BYTES..end);
    let data = data.ok_or(ProviderError::ClosedEarly { received, expected })?;
    let malformed = |fault| ProviderError::Qgs(NoQuote::Malformed(fault));
    let (prefix, rest) = data
        .split_first_chunk::<PREFIX_BYTES>()
        .ok_or(ProviderError::ClosedEarly { received: data.len(), expected: PREFIX_BYTES })?;
    let length = qgs::message_length(*prefix).map_err(malformed)?;
    let message = rest
        .get(..length)
        .ok_or(ProviderError::ClosedEarly { received: rest.len(), expected: length })?;
    let response = QuoteResponse::parse(message).map_err(ProviderError::Qgs)?;
    Ok(response.quote.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_service_is_told_apart_from_other_statuses() {
        let answered = |status: u64| {
            let mut buffer = request(&[]);
            buffer[8..16].copy_from_slice(&status.to_le_bytes());
            answer(&buffer).unwrap_err()
        };
        assert_eq!(answered(UNAVAILABLE), ProviderError::NoService);
        assert_eq!(answered(IN_FLIGHT), ProviderError::Busy { hop: Hop::Device });
        assert_eq!(answered(1 << 63), ProviderError::GetQuote(1 << 63));
    }
}
