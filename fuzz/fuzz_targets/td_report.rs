//! Any bytes as a TDREPORT: no panic, and what parses writes itself back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::td_report::consistency;
use tdattest_verifier::wire::Fixed;
use tdattest_verifier::wire::td_report::TdReport;

fuzz_target!(|bytes: &[u8]| {
    let report = TdReport::parse(bytes);
    assert_eq!(consistency(bytes).is_ok(), report.is_ok());
    if let Ok(report) = report {
        assert_eq!(report.to_bytes(), bytes);
    }
});
