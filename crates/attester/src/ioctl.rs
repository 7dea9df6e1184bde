//! The ioctls of the TDX guest device, and nothing else: the one place with `unsafe`.
//!
//! Source: Linux `include/uapi/linux/tdx-guest.h`; Intel's downstream drivers for GET_QUOTE and EXTEND_RTMR.
//! Must stay true: every buffer is exactly as long as the number of its ioctl says, and no descriptor is asked but that of
//! what stands where the guest device belongs.

use std::io;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use tdattest_wire::bytes::{Measurement, ReportData};

use crate::device::GuestDevice;

/// Bytes of a TDREPORT.
pub const REPORT_BYTES: usize = 1024;

/// 64 bytes in, 1,024 bytes out.
#[repr(C)]
struct ReportRequest {
    report_data: [u8; 64],
    report: [u8; REPORT_BYTES],
}

/// TDX_CMD_GET_REPORT0.
const GET_REPORT0: Opcode = opcode::read_write::<ReportRequest>(b'T', 1);
const _: () = assert!(GET_REPORT0 as u64 == 0xc440_5401);

/// Where a GetQuote buffer is, and how long.
#[repr(C)]
struct QuoteRequest {
    buffer: u64,
    length: u64,
}

/// TDX_CMD_GET_QUOTE of the downstream drivers: those up to version 2, and version 3.
const GET_QUOTE: [Opcode; 2] =
    [opcode::read::<QuoteRequest>(b'T', 4), opcode::read_write::<QuoteRequest>(b'T', 4)];
const _: () = assert!(GET_QUOTE[0] as u64 == 0x8010_5404 && GET_QUOTE[1] as u64 == 0xc010_5404);

/// 48 bytes of digest, and the register's index.
#[repr(C)]
struct ExtendRequest {
    digest: [u8; 48],
    index: u8,
}

/// TDX_CMD_EXTEND_RTMR of the downstream drivers: those up to version 2, and version 3.
const EXTEND_RTMR: [Opcode; 2] =
    [opcode::read::<ExtendRequest>(b'T', 3), opcode::write::<ExtendRequest>(b'T', 3)];
const _: () = assert!(EXTEND_RTMR[0] as u64 == 0x8031_5403 && EXTEND_RTMR[1] as u64 == 0x4031_5403);

/// GET_REPORT0: a TDREPORT for this report data.
///
/// # Errors
/// What the kernel says.
pub fn get_report(
    device: &GuestDevice,
    report_data: &ReportData,
) -> io::Result<[u8; REPORT_BYTES]> {
    let mut request = ReportRequest { report_data: report_data.0, report: [0; REPORT_BYTES] };
    // SAFETY: the number was computed from `ReportRequest`, so the kernel reads and writes exactly its 1,088 bytes
    // (checked at compile time above); it is `repr(C)` of byte arrays, for which any bytes are valid values.
    let updater = unsafe { Updater::<GET_REPORT0, ReportRequest>::new(&mut request) };
    // SAFETY: as above. If what stands in the device's place is none, the number is refused (ENOTTY), or is that device's
    // own command of the same size, which cannot reach beyond the buffer either.
    unsafe { ioctl(device, updater) }?;
    Ok(request.report)
}

/// GET_QUOTE of the downstream drivers: hands a GetQuote buffer to the host and waits for it.
///
/// # Errors
/// What the kernel says; ENOTTY from a kernel that does not know it, which upstream's does not.
pub fn get_quote(device: &GuestDevice, buffer: &mut [u8]) -> io::Result<()> {
    let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
    let mut request =
        QuoteRequest { buffer: buffer.as_mut_ptr().expose_provenance() as u64, length };
    // SAFETY: the number was computed from `QuoteRequest`. The driver copies at most `length` bytes from and to
    // `buffer`, which is exclusively borrowed for the whole call and exactly that long.
    let first =
        unsafe { ioctl(device, Updater::<{ GET_QUOTE[0] }, QuoteRequest>::new(&mut request)) };
    match first {
        Err(rustix::io::Errno::NOTTY) => {}
        other => return Ok(other?),
    }
    // SAFETY: as above; it differs in the direction that the number names.
    Ok(unsafe { ioctl(device, Updater::<{ GET_QUOTE[1] }, QuoteRequest>::new(&mut request)) }?)
}

/// EXTEND_RTMR of the downstream drivers.
///
/// # Errors
/// What the kernel says; ENOTTY from a kernel that does not know it, which upstream's does not.
pub fn extend_rtmr(device: &GuestDevice, index: u8, digest: &Measurement) -> io::Result<()> {
    let mut request = ExtendRequest { digest: digest.0, index };
    // SAFETY: the number was computed from `ExtendRequest`, so the kernel reads its 49 bytes; it writes nothing.
    let first =
        unsafe { ioctl(device, Updater::<{ EXTEND_RTMR[0] }, ExtendRequest>::new(&mut request)) };
    match first {
        Err(rustix::io::Errno::NOTTY) => {}
        other => return Ok(other?),
    }
    // SAFETY: as above; it differs in the direction that the number names.
    Ok(unsafe { ioctl(device, Updater::<{ EXTEND_RTMR[1] }, ExtendRequest>::new(&mut request)) }?)
}
