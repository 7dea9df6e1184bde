//! The five functions that C programs see: pointers in, statuses out.
//!
//! Source: Intel's `tdx_attest.h`, as in `include/tdx_attest.h`.
//! Must stay true: nothing is read or written through a pointer before it was compared with NULL; any alignment will do;
//! outputs are written after all else has worked; no panic crosses into C.
#![allow(unsafe_code, reason = "a C interface; each block has its proof")]

use std::ffi::{CStr, CString, OsString, c_char};
use std::mem::size_of;
use std::os::unix::ffi::OsStringExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tdattest_attester::Paths;

use crate::calls::{self, KEY_ID};
use crate::machine::{Machine, Td};
use crate::status::{Failure, Status};

/// `tdx_uuid_t`.
type Uuid = [u8; 16];
/// `tdx_report_data_t`.
type ReportData = [u8; 64];
/// `tdx_report_t`.
type Report = [u8; 1024];

/// `tdx_rtmr_event_t`, without the data at its end.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct RtmrEvent {
    version: u32,
    rtmr_index: u64,
    extend_data: [u8; 48],
    event_type: u32,
    event_data_size: u32,
}
const _: () = assert!(size_of::<RtmrEvent>() == 68);

/// `tdx_att_get_report`: a TDREPORT for this report data.
///
/// # Safety
/// Each pointer is NULL or points to as many bytes as its type has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdx_att_get_report(data: *const ReportData, report: *mut Report) -> u32 {
    // SAFETY: the caller's promise is passed on.
    guarded(c"tdx_att_get_report", || unsafe { get_report(&this_td(), data, report) })
}

/// `tdx_att_get_quote`: a quote for this report data, to be freed with `tdx_att_free_quote` or `free`.
///
/// # Safety
/// Each pointer is NULL or points to as many bytes as its type has; the list has `list_size` entries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdx_att_get_quote(
    data: *const ReportData,
    list: *const Uuid,
    list_size: u32,
    selected: *mut Uuid,
    quote: *mut *mut u8,
    size: *mut u32,
    flags: u32,
) -> u32 {
    let outputs = QuoteOutputs { selected, quote, size };
    guarded(c"tdx_att_get_quote", || {
        // SAFETY: the caller's promise is passed on.
        unsafe { get_quote(&this_td(), data, (list, list_size), &outputs, flags) }
    })
}

/// `tdx_att_free_quote`: frees a quote; NULL is none.
///
/// # Safety
/// The pointer is NULL or from `tdx_att_get_quote`, and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdx_att_free_quote(quote: *mut u8) -> u32 {
    // SAFETY: by the caller's promise it is NULL, which `free` takes, or from `malloc` in `allocate` and not freed yet.
    unsafe { libc::free(quote.cast()) };
    Status::Success.code()
}

/// `tdx_att_extend`: extends a run-time register.
///
/// # Safety
/// The pointer is NULL or points to an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdx_att_extend(event: *const u8) -> u32 {
    // SAFETY: the caller's promise is passed on.
    guarded(c"tdx_att_extend", || unsafe { extend(&this_td(), event) })
}

/// `tdx_att_get_supported_att_key_ids`: which keys quotes can be signed with, or how many there are.
///
/// # Safety
/// `size` is NULL or points to a number, and `list` is NULL or points to as many entries as that says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdx_att_get_supported_att_key_ids(list: *mut Uuid, size: *mut u32) -> u32 {
    guarded(c"tdx_att_get_supported_att_key_ids", || {
        // SAFETY: by the caller's promise it is NULL or points to a number.
        let room = unsafe { read(size) };
        calls::check_key_id_arguments(!list.is_null(), room)?;
        // SAFETY: it is NULL or, since the check passed, has room for one entry.
        unsafe { write(list, KEY_ID) };
        // SAFETY: as for reading it.
        unsafe { write(size, 1) };
        Ok(())
    })
}

/// # Safety
/// As of [`tdx_att_get_report`].
unsafe fn get_report(
    machine: &impl Machine,
    data: *const ReportData,
    report: *mut Report,
) -> Result<(), Failure> {
    // SAFETY: by the caller's promise it is NULL or points to 64 bytes.
    let data = unsafe { read(data) };
    let bytes = calls::report(machine, data, !report.is_null())?;
    // SAFETY: by the caller's promise it points to 1,024 bytes.
    unsafe { write(report, bytes) };
    Ok(())
}

/// Where the results of a call for a quote go.
struct QuoteOutputs {
    selected: *mut Uuid,
    quote: *mut *mut u8,
    size: *mut u32,
}

/// # Safety
/// As of [`tdx_att_get_quote`].
unsafe fn get_quote(
    machine: &impl Machine,
    data: *const ReportData,
    (list, list_size): (*const Uuid, u32),
    outputs: &QuoteOutputs,
    flags: u32,
) -> Result<(), Failure> {
    // A list of no entries has none to read, even if it is not NULL; what is in the others is never looked at.
    let first = match list_size {
        0 => (!list.is_null()).then_some(KEY_ID),
        // SAFETY: by the caller's promise it is NULL or has `list_size` entries, of which there is a first.
        _ => unsafe { read(list) },
    };
    calls::check_quote_arguments(first, list_size, !outputs.quote.is_null(), flags)?;
    // SAFETY: not NULL, since the check passed; by the caller's promise it points to a pointer.
    unsafe { write(outputs.quote, std::ptr::null_mut()) };

    // SAFETY: by the caller's promise it is NULL or points to 64 bytes.
    let data = unsafe { read(data) };
    let bytes = calls::quote(machine, data)?;
    let length = u32::try_from(bytes.len()).map_err(|_| Failure {
        status: Status::Unexpected,
        reason: format!("the quote has {} bytes, more than a size can say", bytes.len()),
    })?;
    let quote = allocate(&bytes)?;
    // SAFETY: as for writing NULL above.
    unsafe { write(outputs.quote, quote) };
    // SAFETY: by the caller's promise it is NULL or points to a number.
    unsafe { write(outputs.size, length) };
    // SAFETY: by the caller's promise it is NULL or points to 16 bytes.
    unsafe { write(outputs.selected, KEY_ID) };
    Ok(())
}

/// # Safety
/// As of [`tdx_att_extend`].
unsafe fn extend(machine: &impl Machine, event: *const u8) -> Result<(), Failure> {
    // The version first: an event of another one may be shorter.
    // SAFETY: by the caller's promise it is NULL or points to an event, which begins with its version.
    let version = unsafe { read(event.cast::<u32>()) };
    calls::check_event_version(version)?;
    // SAFETY: not NULL, since the check passed; an event of this version has at least these 68 bytes.
    let event = unsafe { event.cast::<RtmrEvent>().read_unaligned() };
    let event = calls::Event {
        index: event.rtmr_index,
        digest: event.extend_data,
        data_size: event.event_data_size,
    };
    calls::extend(machine, &event)
}

/// Runs a call, tells syslog why it failed, and keeps panics from C.
fn guarded(name: &CStr, call: impl FnOnce() -> Result<(), Failure>) -> u32 {
    let outcome = catch_unwind(AssertUnwindSafe(|| match call() {
        Ok(()) => Status::Success,
        Err(failure) => {
            log(name, &failure.reason);
            failure.status
        }
    }));
    let status = outcome.unwrap_or_else(|payload| {
        // Dropping it could panic again.
        std::mem::forget(payload);
        Status::Unexpected
    });
    status.code()
}

/// Into syslog, where Intel's library tells its reasons too.
fn log(name: &CStr, reason: &str) {
    let Ok(reason) = CString::new(reason.replace('\0', "?")) else { return };
    // SAFETY: the format takes two strings and gets two, both ending in NUL and alive during the call.
    unsafe {
        libc::syslog(
            libc::LOG_ERR,
            c"libtdx_attest: %s: %s".as_ptr(),
            name.as_ptr(),
            reason.as_ptr(),
        );
    }
}

/// This TD, with what the environment says of it; a program with more rights than its caller does not listen to that.
fn this_td() -> Td {
    Td::new(Paths::default()).with_environment(
        environment(c"DCAP_TDX_QUOTE_CONFIGFS_PATH"),
        environment(c"DCAP_TDX_RTMR_SYSFS_PATH"),
    )
}

unsafe extern "C" {
    /// glibc's `getenv` that gives nothing to a program with more rights than its caller.
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

fn environment(name: &CStr) -> Option<OsString> {
    // SAFETY: the name ends in NUL. That no other thread changes the environment meanwhile is the C program's duty, as
    // for any `getenv` of any library.
    let value = unsafe { secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: not NULL, so it is a string of the environment, ending in NUL; it is copied at once.
    let value = unsafe { CStr::from_ptr(value) };
    Some(OsString::from_vec(value.to_bytes().to_vec()))
}

/// A copy that C can `free`.
fn allocate(bytes: &[u8]) -> Result<*mut u8, Failure> {
    // SAFETY: `malloc` takes any size.
    let copy = unsafe { libc::malloc(bytes.len()) }.cast::<u8>();
    if copy.is_null() {
        let reason = format!("no memory for {} bytes of quote", bytes.len());
        return Err(Failure { status: Status::OutOfMemory, reason });
    }
    // SAFETY: both have `bytes.len()` bytes, and the new one overlaps nothing.
    unsafe { copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(copy)
}

/// What a pointer from C points to, if it is not NULL.
///
/// # Safety
/// It is NULL, or as many bytes as `T` has can be read there, and are a value of `T`.
unsafe fn read<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: not NULL, so by the caller's promise it can be read; alignment does not matter.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}

/// Writes where a pointer from C points to, unless it is NULL.
///
/// # Safety
/// It is NULL, or as many bytes as `T` has can be written there.
unsafe fn write<T: Copy>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: not NULL, so by the caller's promise it can be written; alignment does not matter.
        unsafe { pointer.write_unaligned(value) };
    }
}

#[cfg(test)]
mod tests;
