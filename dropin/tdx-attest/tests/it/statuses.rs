//! Which status tells which fault: a table a way.

use std::time::Duration;

use tdattest_attester::wire::qgs::NoAnswer;
use tdattest_attester::wire::quote::Quote;
use tdattest_attester::{Hop, ProviderError, ReportError, RtmrError};
use tdx_attest::status::Status;

use Status::{
    Busy, DeviceFailure, ExtendFailure, InvalidParameter, InvalidRtmrIndex, NotSupported,
    QuoteFailure, ReportFailure, Unexpected, VsockFailure,
};

#[test]
fn statuses_have_the_numbers_of_intels_header() {
    let all = [
        Status::Success,
        Unexpected,
        InvalidParameter,
        Status::OutOfMemory,
        VsockFailure,
        ReportFailure,
        ExtendFailure,
        NotSupported,
        QuoteFailure,
        Busy,
        DeviceFailure,
        InvalidRtmrIndex,
        Status::UnsupportedKeyId,
    ];
    let codes: Vec<u32> = all.into_iter().map(Status::code).collect();
    assert_eq!(codes, (0..=12).collect::<Vec<u32>>());
}

/// Every fault of a device, with its status for reports and for extending registers.
fn report_errors() -> Vec<(ReportError, Status, Status)> {
    let path = || "/dev/tdx_guest".into();
    vec![
        (ReportError::NoDevice(path()), DeviceFailure, DeviceFailure),
        (ReportError::OldDevice { path: path(), driver: "old" }, DeviceFailure, DeviceFailure),
        (ReportError::Permission(path()), DeviceFailure, ExtendFailure),
        (
            ReportError::Deadline { path: path(), allowed: Duration::from_secs(60) },
            ReportFailure,
            ExtendFailure,
        ),
        (ReportError::NotTheDriver(path()), ReportFailure, ExtendFailure),
        (ReportError::Io { path: path(), fault: "EIO".into() }, ReportFailure, ExtendFailure),
        (ReportError::Implausible("zeros".into()), ReportFailure, ExtendFailure),
    ]
}

#[test]
fn a_missing_report_is_a_fault_of_the_device_or_of_the_report() {
    for (error, status, _) in report_errors() {
        assert_eq!(Status::of_report(&error), status, "{error}");
    }
}

#[test]
fn a_missing_quote_has_a_status_by_its_way() {
    let malformed = || Quote::parse(&[]).unwrap_err();
    let io = |hop| ProviderError::Io { hop, fault: "broken".into() };
    let busy = || ProviderError::Busy { hop: Hop::Configfs };
    let deadline = ProviderError::Deadline { hop: Hop::Receive, allowed: Duration::from_secs(60) };
    let generation = ProviderError::Generation { expected: 1, found: "2".into() };
    let closed_early = ProviderError::ClosedEarly { received: 3, expected: 4 };
    let in_qgs = ProviderError::Qgs(NoAnswer::Malformed(malformed()));
    // Fault, and its status over vsock, through configfs-tsm and by GET_QUOTE.
    let table = [
        (ProviderError::Unavailable("no".into()), [VsockFailure, NotSupported, QuoteFailure]),
        (ProviderError::NoProvider, [VsockFailure, NotSupported, QuoteFailure]),
        (ProviderError::Permission("/x".into()), [VsockFailure, QuoteFailure, QuoteFailure]),
        (io(Hop::Connect), [VsockFailure, QuoteFailure, QuoteFailure]),
        (io(Hop::Send), [VsockFailure, QuoteFailure, QuoteFailure]),
        (io(Hop::Receive), [VsockFailure, QuoteFailure, QuoteFailure]),
        (io(Hop::Device), [VsockFailure, QuoteFailure, QuoteFailure]),
        (io(Hop::Configfs), [VsockFailure, QuoteFailure, QuoteFailure]),
        (busy(), [VsockFailure, Busy, Busy]),
        (deadline, [VsockFailure, Busy, QuoteFailure]),
        (ProviderError::Empty, [Unexpected, QuoteFailure, Unexpected]),
        (generation, [Unexpected, Busy, Unexpected]),
        (ProviderError::OtherTee("sev_guest".into()), [Unexpected, QuoteFailure, Unexpected]),
        (closed_early, [VsockFailure, QuoteFailure, Unexpected]),
        (in_qgs, [Unexpected, QuoteFailure, Unexpected]),
        (ProviderError::NoService, [Unexpected, QuoteFailure, NotSupported]),
        (ProviderError::GetQuote(1 << 63), [Unexpected, QuoteFailure, Unexpected]),
        (ProviderError::CborWebToken { length: 9000 }, [Unexpected, QuoteFailure, Unexpected]),
        (ProviderError::NotAQuote(malformed()), [Unexpected, QuoteFailure, Unexpected]),
        (ProviderError::OtherReportData, [Unexpected, QuoteFailure, Unexpected]),
    ];
    let by_report = report_errors()
        .into_iter()
        .map(|(error, status, _)| (ProviderError::Report(error), [status; 3]));
    for (error, expected) in table.into_iter().chain(by_report) {
        let statuses =
            [Status::of_vsock(&error), Status::of_configfs(&error), Status::of_ioctl(&error)];
        assert_eq!(statuses, expected, "{error}");
    }
}

#[test]
fn only_a_way_that_is_not_there_gives_way_to_the_next() {
    for absent in [ProviderError::Unavailable("no".into()), ProviderError::NoProvider] {
        assert_eq!(Status::of_configfs(&absent), NotSupported);
    }
    assert_ne!(Status::of_configfs(&ProviderError::NoService), NotSupported);
}

#[test]
fn a_register_that_is_not_extended_has_the_status_of_its_errno() {
    let path = || "rtmr2:sha384".into();
    let table = [
        (RtmrError::NoSuchRegister(4), InvalidParameter),
        (RtmrError::Unavailable("ENOTTY".into()), ExtendFailure),
        (RtmrError::Permission(path()), ExtendFailure),
        (RtmrError::Refused(path()), InvalidRtmrIndex),
        (RtmrError::Unsupported(path()), NotSupported),
        (RtmrError::Io { path: path(), fault: "EIO".into() }, ExtendFailure),
    ];
    let by_device =
        report_errors().into_iter().map(|(error, _, status)| (RtmrError::Report(error), status));
    for (error, expected) in table.into_iter().chain(by_device) {
        assert_eq!(Status::of_rtmr(&error), expected, "{error}");
    }
}
