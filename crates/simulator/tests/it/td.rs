//! TDs: registers, the event log, and reports that only their own CPU accepts.

use sha2::{Digest as _, Sha384};
use tdattest_simulator::platform::Event;
use tdattest_simulator::wire::Fixed as _;
use tdattest_simulator::wire::bytes::{Measurement, ReportData, TdId};
use tdattest_simulator::wire::td_report::TdReport;
use tdattest_simulator::{ForgedReport, Platform, Seed};

use crate::platform;

/// A reader of the log written from the specification: the registers that its events add up to.
fn replay(log: &[u8]) -> [Measurement; 4] {
    let u16_at = |at: usize| usize::from(u16::from_le_bytes(log[at..at + 2].try_into().unwrap()));
    let u32_at = |at: usize| u32::from_le_bytes(log[at..at + 4].try_into().unwrap());
    let length_at = |at: usize| usize::try_from(u32_at(at)).unwrap();
    // The header: a register, EV_NO_ACTION, 20 zero bytes, and the event that names the algorithms.
    assert_eq!((u32_at(0), u32_at(4)), (1, 3));
    assert_eq!(&log[32..48], b"Spec ID Event03\0");
    assert_eq!(u32_at(56), 1, "one algorithm");
    assert_eq!((u16_at(60), u16_at(62)), (0x0c, 48), "SHA-384");
    let mut at = 32 + length_at(28);
    let mut registers = [Measurement::default(); 4];
    while at < log.len() {
        let register = &mut registers[length_at(at) - 1];
        assert_eq!((u32_at(at + 8), u16_at(at + 12)), (1, 0x0c));
        let (digest, size) = (&log[at + 14..at + 62], length_at(at + 62));
        let event = &log[at + 66..at + 66 + size];
        assert_eq!(digest, Sha384::digest(event).as_slice());
        *register = Measurement(Sha384::digest([&register.0, digest].concat()).into());
        at += 66 + size;
    }
    assert_eq!(at, log.len());
    registers
}

#[test]
fn the_event_log_replays_to_the_registers() {
    let platform = platform();
    let mut td = platform.launch_td();
    assert_eq!(replay(td.event_log()), *td.rtmrs());
    assert!(td.rtmrs()[3].is_zero() && !td.rtmrs()[0].is_zero());
    assert!(td.measure(&Event { rtmr: 3, kind: 13, data: "an application".into() }));
    assert!(!td.measure(&Event { rtmr: 4, kind: 13, data: "nowhere".into() }));
    assert_eq!(replay(td.event_log()), *td.rtmrs());
    assert!(!td.rtmrs()[3].is_zero());
}

#[test]
fn extending_a_register_hashes_it_with_the_digest_and_leaves_the_others() {
    let platform = platform();
    let mut td = platform.launch_td();
    let (before, digest) = (*td.rtmrs(), Measurement([7; 48]));
    for index in 0..4_u8 {
        let at = usize::from(index);
        let expected = Sha384::digest([before[at].0, digest.0].concat());
        assert!(td.extend_rtmr(index, &digest));
        assert_eq!(td.rtmrs()[at].0, expected.as_slice());
    }
    let after = *td.rtmrs();
    assert!(!td.extend_rtmr(4, &digest), "there is no RTMR4");
    assert_eq!(*td.rtmrs(), after);
}

#[test]
fn a_report_says_what_the_td_is_and_its_hashes_are_those_of_its_parts() {
    let platform = platform();
    let td = platform.launch_td();
    let report = td.report(ReportData([9; 64]));
    let bytes = report.to_bytes();
    assert_eq!(TdReport::parse(&bytes).unwrap(), report);
    assert_eq!(report.report_mac.report_data, ReportData([9; 64]));
    assert_eq!(report.td_info.rtmr_2, td.rtmrs()[2]);
    assert_eq!(report.td_info.mr_td, platform.td.mr_td);
    assert_eq!(report.report_mac.tee_tcb_info_hash.0, Sha384::digest(&bytes[256..495]).as_slice());
    assert_eq!(report.report_mac.tee_info_hash.0, Sha384::digest(&bytes[512..]).as_slice());
    assert_eq!(platform.verify_report(&report), Ok(()));
}

#[test]
fn a_report_with_any_byte_changed_is_forged() {
    let platform = platform();
    let bytes = platform.launch_td().report(ReportData([9; 64])).to_bytes();
    // Byte 0 is the type, without which it is no TDREPORT; 495 to 511 are reserved and under no hash.
    for at in (1..495).chain(512..1024) {
        let mut forged = bytes.clone();
        forged[at] ^= 0x40;
        let forged = TdReport::parse(&forged).unwrap();
        let expected = match at {
            0..256 => ForgedReport::Mac,
            256..495 => ForgedReport::Hash("TEE_TCB_INFO_HASH"),
            _ => ForgedReport::Hash("TEE_INFO_HASH"),
        };
        assert_eq!(platform.verify_report(&forged), Err(expected), "byte {at}");
    }
}

#[test]
fn a_report_of_another_platform_is_forged() {
    let (platform, other) = (platform(), Platform::new(Seed::of("another")));
    let report = other.launch_td().report(ReportData::default());
    assert_eq!(platform.verify_report(&report), Err(ForgedReport::Mac));
}

#[test]
fn the_reports_version_tells_service_tds_and_td_ids() {
    let version = |change: fn(&mut Platform)| {
        let mut platform = platform();
        change(&mut platform);
        let report = platform.launch_td().report(ReportData::default());
        (report.report_mac.report_type.0[2], report.td_info.valid.0)
    };
    assert_eq!(version(|_| {}), (0, [0; 4]));
    assert_eq!(version(|it| it.td.service_td_hash = Measurement([1; 48])), (1, [0; 4]));
    assert_eq!(version(|it| it.td.vm_id = 1), (3, [0, 2, 0, 0]));
    assert_eq!(version(|it| it.td.td_id = TdId([1; 32])), (3, [0, 1, 0, 0]));
}
