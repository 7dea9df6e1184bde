//! Is this a TDREPORT at all? Looked at before an enclave is bothered with it.
//!
//! Source: Intel SDM, REPORTMACSTRUCT; Intel's daemon, which makes the same checks of bare reports.
//! Must stay true: whether the CPU made it, only the enclave on that CPU can tell.

use tdattest_wire::qgs::QgsError;
use tdattest_wire::td_report::TdReport;

use crate::ask::REPORT_BYTES;
use crate::failure::{Failure, Hop};

/// REPORTTYPE.TYPE of a TDREPORT.
pub(crate) const TDX: u8 = 0x81;

/// REPORTTYPE.SUBTYPE: 0, and 1 of a TD that has been assigned devices.
const SUBTYPES: [u8; 2] = [0, 1];

/// REPORTTYPE.VERSION of TDX 1.0, of TDs with bound service TDs, and of TDs with an id.
const VERSIONS: [u8; 3] = [0, 1, 3];

/// Which version and attribute announce a service TD's structure behind a bare report.
const WITH_SERVICE_TD: [u8; 2] = [1, 3];

/// The byte of TDINFO.ATTRIBUTES with bit 17, and the bit.
const HISTORY: (usize, u8) = (514, 1 << 1);

/// Whether the structure for migration history follows this bare report.
pub(crate) fn announces_service_td(report: &[u8; REPORT_BYTES]) -> bool {
    let [_, _, version, ..] = report;
    let (at, bit) = HISTORY;
    WITH_SERVICE_TD.contains(version) && report.get(at).is_some_and(|byte| byte & bit != 0)
}

/// Refuses what no TDX module makes.
pub(crate) fn check(report: &[u8; REPORT_BYTES]) -> Result<(), Failure> {
    let [kind, subtype, version, reserved, ..] = *report;
    if kind != TDX {
        return Err(refused(
            "report.type",
            format!("is of type {kind:#x}, expected {TDX:#x} (TDX)"),
        ));
    }
    if !SUBTYPES.contains(&subtype) {
        return Err(refused("report.subtype", format!("is of subtype {subtype}, expected 0 or 1")));
    }
    if !VERSIONS.contains(&version) {
        let text = format!("is of version {version}, expected 0, 1 or 3");
        return Err(refused("report.version", text));
    }
    let report =
        TdReport::parse(report).map_err(|fault| refused("report.type", fault.to_string()))?;
    let (mac, reserved) = (&report.report_mac, [reserved]);
    let fields: [(&str, &[u8]); 4] = [
        ("REPORTTYPE", &reserved),
        ("REPORTMACSTRUCT", &mac.reserved_1.0),
        ("REPORTMACSTRUCT", &mac.reserved_2.0),
        ("TDREPORT", &report.reserved.0),
    ];
    match fields.into_iter().find(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
        Some((place, _)) => Err(refused(
            "report.reserved",
            format!("has reserved bytes of {place} that are not zero"),
        )),
        None => Ok(()),
    }
}

fn refused(code: &'static str, what: String) -> Failure {
    Failure::new(Hop::Report, code, format!("the TDREPORT {what}"))
        .with_remedy("the guest must send the TDREPORT as its TDX module made it, 1,024 bytes")
        .told_as(QgsError::INVALID_PARAMETER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest thing that passes.
    fn report() -> [u8; REPORT_BYTES] {
        let mut report = [0; REPORT_BYTES];
        report[0] = TDX;
        report
    }

    fn code_with(at: usize, value: u8) -> Option<&'static str> {
        let mut report = report();
        report[at] = value;
        check(&report).err().map(|failure| failure.code)
    }

    #[test]
    fn accepts_the_three_versions_and_two_subtypes_and_no_other() {
        assert_eq!(check(&report()), Ok(()));
        for (subtype, version) in [(0, 1), (0, 3), (1, 0), (1, 3)] {
            let mut other = report();
            (other[1], other[2]) = (subtype, version);
            assert_eq!(check(&other), Ok(()), "subtype {subtype}, version {version}");
        }
        assert_eq!(code_with(0, 0x80), Some("report.type"));
        assert_eq!(code_with(1, 2), Some("report.subtype"));
        assert_eq!(code_with(2, 2), Some("report.version"));
        assert_eq!(code_with(2, 4), Some("report.version"));
    }

    #[test]
    fn refuses_every_reserved_byte_and_takes_its_neighbours() {
        // REPORTTYPE 3; REPORTMACSTRUCT 4 to 15, 192 to 223; between TEE_TCB_INFO and TDINFO 495 to 511.
        for at in [3, 4, 15, 192, 223, 495, 511] {
            assert_eq!(code_with(at, 1), Some("report.reserved"), "byte {at}");
        }
        for at in [16, 191, 224, 494, 512] {
            assert_eq!(code_with(at, 1), None, "byte {at}");
        }
    }

    #[test]
    fn a_service_td_follows_where_version_and_attribute_say_so() {
        for (version, attribute, expected) in
            [(0, 2, false), (1, 2, true), (3, 2, true), (1, 1, false), (3, 4, false)]
        {
            let mut other = report();
            (other[2], other[514]) = (version, attribute);
            assert_eq!(announces_service_td(&other), expected, "{version} {attribute}");
        }
    }
}
