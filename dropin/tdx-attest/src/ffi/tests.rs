use std::ptr::{null, null_mut};

use tdattest_attester::wire::bytes::{Measurement, ReportData as WireReportData};
use tdattest_attester::{ProviderError, ReportError, RtmrError};

use super::*;
use crate::machine::{Taken, Way};

const DATA: ReportData = [1; 64];

/// A TD in which everything works, but for what `panics`.
#[derive(Default)]
struct WorkingTd {
    panics: bool,
}

impl Machine for WorkingTd {
    fn open_device(&self) -> Result<(), ReportError> {
        assert!(!self.panics, "as the test wants it");
        Ok(())
    }

    fn report(&self, report_data: &WireReportData) -> Result<[u8; 1024], ReportError> {
        let mut report = [7; 1024];
        report[128..192].copy_from_slice(&report_data.0);
        Ok(report)
    }

    fn vsock_port(&self) -> Option<u16> {
        None
    }

    fn quote(&self, _: Way, taken: &Taken) -> Result<Vec<u8>, ProviderError> {
        // Longer than what Intel's library has room for.
        Ok(taken.report_data.0.iter().copied().cycle().take(100_000).collect())
    }

    fn extend_rtmr(&self, index: u8, digest: &Measurement) -> Result<(), RtmrError> {
        if (index, digest.0) == (3, [9; 48]) {
            return Ok(());
        }
        Err(RtmrError::NoSuchRegister(index))
    }
}

/// A call for a quote with report data, and the list of key ids if there is one.
fn quote(list: Option<&Uuid>, outputs: &QuoteOutputs) -> Result<(), Failure> {
    let (list, size) = list.map_or((null(), 0), |list| (&raw const *list, 1));
    // SAFETY: every pointer is NULL or points to a value of its type, here and in the tests below.
    unsafe { get_quote(&WorkingTd::default(), &DATA, (list, size), outputs, 0) }
}

#[test]
fn a_quote_comes_with_its_size_and_key_id_and_can_be_freed_by_c() {
    let (mut bytes, mut size, mut selected) = (null_mut(), 0, [0; 16]);
    let outputs = QuoteOutputs { selected: &mut selected, quote: &mut bytes, size: &mut size };
    assert_eq!(quote(Some(&KEY_ID), &outputs), Ok(()));
    assert_eq!((size, selected), (100_000, KEY_ID));
    // SAFETY: the call has just said that there are so many bytes.
    let copy = unsafe { std::slice::from_raw_parts(bytes, 100_000) }.to_vec();
    assert!(copy.iter().all(|byte| *byte == 1));
    // SAFETY: it came from the call and is freed once: every other time by C's own `free`.
    unsafe { libc::free(bytes.cast()) };

    assert_eq!(quote(None, &outputs), Ok(()));
    // SAFETY: as above.
    assert_eq!(unsafe { tdx_att_free_quote(bytes) }, 0);
}

#[test]
fn size_and_key_id_need_not_be_wanted() {
    let mut bytes = null_mut();
    let outputs = QuoteOutputs { selected: null_mut(), quote: &mut bytes, size: null_mut() };
    assert_eq!(quote(None, &outputs), Ok(()));
    assert!(!bytes.is_null());
    // SAFETY: it came from the call and is freed once.
    unsafe { tdx_att_free_quote(bytes) };
}

#[test]
fn outputs_may_stand_at_odd_addresses() {
    let mut memory = [0_u8; 32];
    let start = memory.as_mut_ptr();
    // SAFETY: both stay within the 32 bytes.
    let (at_1, at_13) = unsafe { (start.add(1).cast::<*mut u8>(), start.add(13).cast::<u32>()) };
    let outputs = QuoteOutputs { selected: null_mut(), quote: at_1, size: at_13 };
    assert_eq!(quote(None, &outputs), Ok(()));
    // SAFETY: the call has written both.
    let (bytes, size) = unsafe { (at_1.read_unaligned(), at_13.read_unaligned()) };
    assert_eq!(size, 100_000);
    // SAFETY: it came from the call and is freed once.
    unsafe { tdx_att_free_quote(bytes) };
}

#[test]
fn a_report_goes_where_it_is_wanted() {
    let mut report = [0; 1024];
    // SAFETY: both point to values of their types.
    let taken = unsafe { get_report(&WorkingTd::default(), &DATA, &mut report) };
    assert_eq!(taken, Ok(()));
    assert_eq!((report[127], report[128], report[191], report[192]), (7, 1, 1, 7));
}

#[test]
fn an_event_is_read_as_packed() {
    let mut bytes = vec![0xff_u8; 1];
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(3_u64.to_le_bytes());
    bytes.extend([9; 48]);
    bytes.extend([0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 69);
    // SAFETY: it points to the 68 bytes of an event, at an odd address.
    let extended = unsafe { extend(&WorkingTd::default(), bytes.as_ptr().add(1)) };
    assert_eq!(extended, Ok(()));
}

#[test]
fn of_an_event_of_another_version_only_the_version_is_read() {
    // Four bytes and no more: Miri and sanitisers would notice a longer look.
    let version = 2_u32.to_le_bytes().to_vec().into_boxed_slice();
    // SAFETY: it begins with a version, of which there is no event here.
    let refused = unsafe { extend(&WorkingTd::default(), version.as_ptr()) };
    assert_eq!(refused.unwrap_err().status, Status::InvalidParameter);
}

#[test]
fn a_panic_becomes_unexpected_and_leaves_no_quote() {
    let (mut bytes, mut size) = (std::ptr::dangling_mut(), 5);
    let outputs = QuoteOutputs { selected: null_mut(), quote: &mut bytes, size: &mut size };
    let td = WorkingTd { panics: true };
    // SAFETY: every pointer is NULL or points to a value of its type.
    let call = || unsafe { get_quote(&td, &DATA, (null(), 0), &outputs, 0) };
    assert_eq!(guarded(c"test", call), Status::Unexpected.code());
    assert_eq!((bytes, size), (null_mut(), 5));
}

#[test]
fn a_reason_with_a_nul_is_logged_and_its_status_told() {
    let reason = "a path with \0 inside, and %s %n".to_owned();
    let failure = Failure { status: Status::Busy, reason };
    assert_eq!(guarded(c"test", || Err(failure)), Status::Busy.code());
}
