//! The guest device, the registers and the event log.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use rustix::io::Errno;
use sha2::{Digest as _, Sha384};
use tdattest_attester::{
    GuestDevice, Paths, ReportError, event_log, extend_rtmr, ioctl, read_rtmrs, report,
};
use tdattest_simulator::wire::event_log::EventLog;
use tdattest_wire::bytes::{Measurement, ReportData};
use tdattest_wire::td_report::TdReport;

use super::{error_of, platform, td, write, writer};

#[test]
fn the_device_gives_the_report_of_the_running_td() {
    let Some(td) = td() else { return };
    let report_data = ReportData([7; 64]);
    let bytes = report(&td.paths, &report_data).unwrap();
    let expected = platform().launch_td().report(report_data);
    assert_eq!(TdReport::parse(&bytes), Ok(expected));
}

#[test]
fn the_device_is_roots_and_knows_no_other_ioctl() {
    let Some(td) = td() else { return };
    let path = td.paths.devices.join("tdx_guest");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let device = GuestDevice::open(&td.paths).unwrap();
    let extended = ioctl::extend_rtmr(&device, 2, &Measurement([1; 48]));
    assert_eq!(error_of(extended), Some(Errno::NOTTY.raw_os_error()));
    // Nor is any on another file.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = elsewhere.path().join("tdx_guest");
    std::os::unix::fs::symlink(td.paths.measurements.join("mrowner"), &other).unwrap();
    let paths = Paths { devices: elsewhere.path().into(), ..td.paths.clone() };
    let found = report(&paths, &ReportData::default());
    assert_eq!(found, Err(ReportError::NotTheDriver(other)));
}

#[test]
fn registers_are_extended_by_48_bytes_in_one_write_and_by_nothing_else() {
    let Some(td) = td() else { return };
    let before = read_rtmrs(&td.paths).unwrap();
    assert!(before.from_sysfs);
    for index in 0..4_u8 {
        let digest = Measurement([index; 48]);
        extend_rtmr(&td.paths, index, &digest).unwrap();
    }
    let platform = platform();
    let mut expected = platform.launch_td();
    (0..4_u8).for_each(|index| assert!(expected.extend_rtmr(index, &Measurement([index; 48]))));
    let after = read_rtmrs(&td.paths).unwrap().rtmrs;
    assert_eq!(after, *expected.rtmrs());
    // The next TDREPORT, and so the next quote, has them.
    let bytes = report(&td.paths, &ReportData::default()).unwrap();
    assert_eq!(TdReport::parse(&bytes).unwrap().td_info.rtmr_2, after[2]);

    let path = td.paths.measurements.join("rtmr2:sha384");
    for length in [0, 1, 47, 49, 96] {
        let refused = writer(&path).and_then(|mut file| file.write(&vec![1; length]));
        let expected = (length > 0).then_some(Errno::INVAL.raw_os_error());
        assert_eq!(error_of(refused), expected, "{length} bytes");
    }
    let mut file = writer(&path).unwrap();
    assert_eq!(file.write(&[1; 48]).unwrap(), 48);
    // No longer at the start.
    assert_eq!(error_of(file.write(&[1; 48])), Some(Errno::INVAL.raw_os_error()));
}

#[test]
fn what_was_measured_at_launch_is_there_to_be_read_alone() {
    let Some(td) = td() else { return };
    let launched = platform().td;
    for (name, expected) in [
        ("mrtd:sha384", launched.mr_td),
        ("mrconfigid", launched.mr_config_id),
        ("mrowner", launched.mr_owner),
        ("mrownerconfig", launched.mr_owner_config),
    ] {
        let path = td.paths.measurements.join(name);
        assert_eq!(fs::read(&path).unwrap(), expected.0, "{name}");
        let refused = write(&path, &[1; 48]);
        assert_eq!(error_of(refused), Some(Errno::ACCESS.raw_os_error()), "{name}");
    }
}

#[test]
fn the_event_log_is_as_long_as_its_area_and_explains_the_registers() {
    let Some(td) = td() else { return };
    let log = event_log(&td.paths.ccel).unwrap();
    let running = platform();
    let running = running.launch_td();
    assert_eq!(log.len(), 64 * 1024);
    assert!(log.starts_with(running.event_log()));
    assert!(log[running.event_log().len()..].iter().all(|byte| *byte == 0xff));
    assert_eq!(fs::metadata(&td.paths.ccel).unwrap().len(), 64 * 1024);
    let mut replayed = [Measurement::default(); 4];
    for event in EventLog::parse(&log).unwrap().events {
        if let (Some(rtmr), Some(digest)) = (event.rtmr(), event.digest) {
            let register = &mut replayed[usize::from(rtmr)];
            let extended = Sha384::new().chain_update(register.0).chain_update(digest.0);
            *register = Measurement(extended.finalize().into());
        }
    }
    assert_eq!(replayed, *running.rtmrs());
}
