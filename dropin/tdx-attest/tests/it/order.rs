//! Which check comes first, and which way to a quote is tried after which.

use tdattest_attester::{Hop, ProviderError, ReportError, RtmrError};
use tdx_attest::calls::{self, Event};
use tdx_attest::status::Status;

use crate::scripted_td::ScriptedTd;

const DATA: Option<[u8; 64]> = Some([1; 64]);

fn absent() -> ProviderError {
    ProviderError::Unavailable("not here".into())
}

fn broken() -> ProviderError {
    ProviderError::Io { hop: Hop::Connect, fault: "refused".into() }
}

fn refused(td: &ScriptedTd, data: Option<[u8; 64]>) -> Status {
    calls::quote(td, data).unwrap_err().status
}

#[test]
fn without_a_device_nothing_else_is_looked_at() {
    // A fault of the device that is neither absence nor permission, which of a report would be 5.
    let fault = ReportError::Io { path: "/dev/tdx_guest".into(), fault: "no such address".into() };
    let td = ScriptedTd { device: Err(fault), port: Some(4050), ..ScriptedTd::new() };
    assert_eq!(refused(&td, None), Status::DeviceFailure);
    let failure = calls::report(&td, None, false).unwrap_err();
    assert_eq!(failure.status, Status::DeviceFailure);
    assert_eq!(td.asked(), "device, device");
}

#[test]
fn missing_arguments_are_noticed_between_device_and_report() {
    let td = ScriptedTd::new();
    assert_eq!(refused(&td, None), Status::InvalidParameter);
    for (data, wanted) in [(None, true), (DATA, false), (None, false)] {
        let failure = calls::report(&td, data, wanted).unwrap_err();
        assert_eq!(failure.status, Status::InvalidParameter);
    }
    assert_eq!(td.asked(), "device, device, device, device");
    assert_eq!(calls::report(&td, DATA, true), Ok([7; 1024]));
}

#[test]
fn without_a_report_no_way_to_a_quote_is_tried() {
    let report = Err(ReportError::NotTheDriver("/dev/tdx_guest".into()));
    let td = ScriptedTd { report, port: Some(4050), ..ScriptedTd::new() };
    assert_eq!(refused(&td, DATA), Status::ReportFailure);
    assert_eq!(td.asked(), "device, report");
}

#[test]
fn a_configured_port_comes_first() {
    let td = ScriptedTd { port: Some(4050), ..ScriptedTd::new() };
    assert_eq!(calls::quote(&td, DATA).unwrap(), b"by vsock");
    assert_eq!(td.asked(), "device, report, port, vsock 4050");
}

#[test]
fn a_failure_of_the_configured_port_is_final_and_names_the_remedy() {
    for error in [broken(), absent()] {
        let td = ScriptedTd { port: Some(1), vsock: Err(error), ..ScriptedTd::new() };
        let failure = calls::quote(&td, DATA).unwrap_err();
        assert_eq!(failure.status, Status::VsockFailure);
        assert_eq!(td.asked(), "device, report, port, vsock 1");
        assert!(failure.reason.contains("`port=`"), "{failure}");
    }
}

#[test]
fn without_a_port_configfs_comes_first() {
    let td = ScriptedTd::new();
    assert_eq!(calls::quote(&td, DATA).unwrap(), b"by configfs");
    assert_eq!(td.asked(), "device, report, port, configfs");
}

#[test]
fn only_where_there_is_no_configfs_the_ioctl_is_tried() {
    for missing in [absent(), ProviderError::NoProvider] {
        let td = ScriptedTd { configfs: Err(missing), ..ScriptedTd::new() };
        assert_eq!(calls::quote(&td, DATA).unwrap(), b"by ioctl");
        assert_eq!(td.asked(), "device, report, port, configfs, ioctl");
    }

    let td = ScriptedTd { configfs: Err(ProviderError::Empty), ..ScriptedTd::new() };
    assert_eq!(refused(&td, DATA), Status::QuoteFailure);
    assert_eq!(td.asked(), "device, report, port, configfs");
}

#[test]
fn when_all_ways_are_missing_the_last_one_decides_and_both_reasons_are_told() {
    let td = ScriptedTd { configfs: Err(absent()), ioctl: Err(broken()), ..ScriptedTd::new() };
    let failure = calls::quote(&td, DATA).unwrap_err();
    assert_eq!(failure.status, Status::QuoteFailure);
    assert!(failure.reason.contains("not here") && failure.reason.contains("refused"), "{failure}");
}

#[test]
fn an_event_is_refused_for_its_data_before_its_register() {
    let event = Event { index: 4, digest: [9; 48], data_size: 1 };
    let td = ScriptedTd::new();
    let status = |event: Event| calls::extend(&td, &event).unwrap_err().status;
    assert_eq!(status(event), Status::NotSupported);
    assert_eq!(status(Event { data_size: 0, ..event }), Status::InvalidParameter);
    assert_eq!(status(Event { data_size: 0, index: 1 << 32, ..event }), Status::InvalidParameter);
    assert_eq!(td.asked(), "");
}

#[test]
fn each_register_reaches_the_kernel_and_its_refusal_the_caller() {
    let mut td = ScriptedTd::new();
    for index in 0..=3 {
        let event = Event { index, digest: [9; 48], data_size: 0 };
        assert_eq!(calls::extend(&td, &event), Ok(()));
    }
    assert_eq!(td.asked(), "extend 0 with 9, extend 1 with 9, extend 2 with 9, extend 3 with 9");
    td.extended = Err(RtmrError::Refused("rtmr0:sha384".into()));
    let event = Event { index: 0, digest: [9; 48], data_size: 0 };
    assert_eq!(calls::extend(&td, &event).unwrap_err().status, Status::InvalidRtmrIndex);
}
