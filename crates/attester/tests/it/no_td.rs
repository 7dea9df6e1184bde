//! Where there is no TD, every way says why, and none leaves anything behind.

use std::fs;

use tdattest_attester::wire::bytes::{Measurement, ReportData};
use tdattest_attester::{
    Attester, Paths, Provider, ProviderError, ReportError, RtmrError, extend_rtmr, read_rtmrs,
    report,
};

fn home() -> (tempfile::TempDir, Paths) {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::below(home.path());
    fs::create_dir_all(&paths.devices).unwrap();
    (home, paths)
}

#[test]
fn each_way_is_tried_in_order_and_says_why_it_is_not_available() {
    let (_home, paths) = home();
    let no_quote = Attester::new(paths).quote(&ReportData([1; 64])).unwrap_err();
    let providers: Vec<String> =
        no_quote.failed.iter().map(|attempt| attempt.provider.to_string()).collect();
    assert_eq!(providers, ["configfs", "vsock", "ioctl"]);
    assert!(no_quote.failed[0].error.is_unavailable());
    assert!(no_quote.failed[1].error.is_unavailable());
    let no_device =
        ProviderError::Report(ReportError::NoDevice(_home.path().join("dev/tdx_guest")));
    assert_eq!(no_quote.failed[2].error, no_device);
}

#[test]
fn a_stale_configuration_is_explained_and_disables_no_other_way() {
    let (_home, paths) = home();
    fs::create_dir_all(paths.config.parent().unwrap()).unwrap();
    fs::write(&paths.config, "Port=4050\n").unwrap();
    let no_quote = Attester::new(paths.clone()).quote(&ReportData([1; 64])).unwrap_err();
    let ProviderError::Unavailable(text) = &no_quote.failed[1].error else { panic!() };
    assert!(text.starts_with("line 1 of "), "{text}");
    assert_eq!(no_quote.failed.len(), 3, "the ioctl is tried all the same");
    fs::write(&paths.config, "port=70000\n").unwrap();
    let attester = Attester::new(paths).with_providers(vec![Provider::ConfiguredVsock]);
    let no_quote = attester.quote(&ReportData([1; 64])).unwrap_err();
    assert!(no_quote.to_string().contains("70000"), "{no_quote}");
}

#[test]
fn devices_of_older_drivers_are_told_apart() {
    let (home, paths) = home();
    let data = ReportData::default();
    assert_eq!(
        report(&paths, &data),
        Err(ReportError::NoDevice(home.path().join("dev/tdx_guest")))
    );
    fs::write(paths.devices.join("tdx-attest"), "").unwrap();
    let old = report(&paths, &data).unwrap_err();
    assert!(
        matches!(&old, ReportError::OldDevice { driver, .. } if driver.contains("5.15")),
        "{old}"
    );
    fs::write(paths.devices.join("tdx-guest"), "").unwrap();
    let old = report(&paths, &data).unwrap_err();
    assert!(
        matches!(&old, ReportError::OldDevice { driver, .. } if driver.contains("5.19")),
        "{old}"
    );
}

#[test]
fn a_file_that_is_no_guest_device_is_named() {
    let (_home, paths) = home();
    fs::write(paths.devices.join("tdx_guest"), "").unwrap();
    let refused = report(&paths, &ReportData::default()).unwrap_err();
    assert_eq!(refused, ReportError::NotTheDriver(paths.devices.join("tdx_guest")));
}

#[test]
fn a_folder_that_is_no_configfs_leaves_no_entry() {
    let (_home, paths) = home();
    fs::create_dir_all(&paths.tsm_report).unwrap();
    let attester = Attester::new(paths.clone()).with_providers(vec![Provider::Configfs]);
    let no_quote = attester.quote(&ReportData([1; 64])).unwrap_err();
    assert!(matches!(no_quote.failed[0].error, ProviderError::Io { .. }), "{no_quote}");
    assert_eq!(fs::read_dir(&paths.tsm_report).unwrap().count(), 0);
}

#[test]
fn registers_are_read_from_files_and_extended_with_48_bytes_in_one_write() {
    let (_home, paths) = home();
    fs::create_dir_all(&paths.measurements).unwrap();
    for index in 0..4_u8 {
        fs::write(paths.measurements.join(format!("rtmr{index}:sha384")), [index; 48]).unwrap();
    }
    let measured = read_rtmrs(&paths).unwrap();
    assert!(measured.from_sysfs);
    assert_eq!(measured.rtmrs[3], Measurement([3; 48]));
    extend_rtmr(&paths, 2, &Measurement([9; 48])).unwrap();
    // A plain file keeps what was written; the kernel would hash.
    assert_eq!(read_rtmrs(&paths).unwrap().rtmrs[2], Measurement([9; 48]));
    let refused = extend_rtmr(&paths, 4, &Measurement([9; 48]));
    assert_eq!(refused, Err(RtmrError::NoSuchRegister(4)));
    fs::write(paths.measurements.join("rtmr1:sha384"), [1; 47]).unwrap();
    let refused = read_rtmrs(&paths).unwrap_err();
    assert!(
        matches!(&refused, RtmrError::Io { fault, .. } if fault.contains("47 bytes")),
        "{refused}"
    );
}

#[test]
fn without_sysfs_registers_need_the_device() {
    let (_home, paths) = home();
    assert!(matches!(read_rtmrs(&paths), Err(RtmrError::Report(ReportError::NoDevice(_)))));
    let refused = extend_rtmr(&paths, 2, &Measurement([9; 48]));
    assert!(matches!(refused, Err(RtmrError::Report(ReportError::NoDevice(_)))));
}

#[test]
fn a_register_that_the_kernel_calls_invalid_is_told_apart_from_a_broken_one() {
    let (_home, paths) = home();
    fs::create_dir_all(&paths.measurements).unwrap();
    let register = |index: u8| paths.measurements.join(format!("rtmr{index}:sha384"));
    // Writing no number there is EINVAL, as is extending a register that the TDX module does not know.
    std::os::unix::fs::symlink("/proc/self/oom_score_adj", register(2)).unwrap();
    let refused = extend_rtmr(&paths, 2, &Measurement([9; 48]));
    assert_eq!(refused, Err(RtmrError::Refused(register(2))));
    fs::create_dir(register(3)).unwrap();
    let broken = extend_rtmr(&paths, 3, &Measurement([9; 48]));
    assert!(matches!(broken, Err(RtmrError::Io { .. })), "{broken:?}");
}
