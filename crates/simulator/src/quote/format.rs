//! The formats of quotes: version and body.

use std::fmt;

use tdattest_wire::quote::{BodyType, TeeType, Version};
use tdattest_wire::td_report::TdReport;

use crate::error::MintError;
use crate::td::{VALID_1_0, VALID_WITH_SVN2};

/// A version of the quote format with a body that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) version: Version,
    pub(super) body: BodyType,
}

impl Format {
    /// Version 3, SGX.
    pub const V3_SGX: Self = Self { version: Version::V3, body: BodyType::Sgx };
    /// Version 4, SGX.
    pub const V4_SGX: Self = Self { version: Version::V4, body: BodyType::Sgx };
    /// Version 4, TDX: what production platforms make nearly always.
    pub const V4_TD_1_0: Self = Self { version: Version::V4, body: BodyType::Td10 };
    /// Version 5, SGX.
    pub const V5_SGX: Self = Self { version: Version::V5, body: BodyType::Sgx };
    /// Version 5, TDX 1.0.
    pub const V5_TD_1_0: Self = Self { version: Version::V5, body: BodyType::Td10 };
    /// Version 5, TDX 1.5.
    pub const V5_TD_1_5: Self = Self { version: Version::V5, body: BodyType::Td15 };
    /// Version 5, TDX 1.5 extended.
    pub const V5_TD_1_5_EX: Self = Self { version: Version::V5, body: BodyType::Td15Ex };

    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::V3_SGX,
        Self::V4_SGX,
        Self::V4_TD_1_0,
        Self::V5_SGX,
        Self::V5_TD_1_0,
        Self::V5_TD_1_5,
        Self::V5_TD_1_5_EX,
    ];

    /// The format of this version with this body; `None` if the version cannot have it.
    pub fn new(version: Version, body: BodyType) -> Option<Self> {
        Self::ALL.into_iter().find(|format| (format.version, format.body) == (version, body))
    }

    /// The version.
    pub fn version(self) -> Version {
        self.version
    }

    /// The body.
    pub fn body(self) -> BodyType {
        self.body
    }

    /// The TEE it speaks for.
    pub fn tee(self) -> TeeType {
        match self.body {
            BodyType::Sgx => TeeType::Sgx,
            _ => TeeType::Tdx,
        }
    }

    /// The format that the TD quoting enclave chooses for a TDREPORT: version 4 unless a service TD, a TD id or an
    /// update of the module under the running TD has something to say that version 4 cannot.
    pub(super) fn of_report(report: &TdReport) -> Result<Self, MintError> {
        let [_, _, version, _] = report.report_mac.report_type.0;
        let tcb = &report.tee_tcb_info;
        let valid = u64::from_le_bytes(tcb.valid.0);
        let updated = valid == VALID_WITH_SVN2 && tcb.tee_tcb_svn != tcb.tee_tcb_svn_2;
        let td = &report.td_info;
        let bare = td.td_id.is_zero() && td.vm_id == 0 && td.valid.is_zero();
        // Bits 1 to 7 would change the meaning of the rest; 8 and 9 are TD_ID and VMID.
        let [critical, named, ..] = td.valid.0;
        match version {
            _ if ![VALID_1_0, VALID_WITH_SVN2].contains(&valid) => {}
            0 if bare && td.service_td_hash.is_zero() && updated => return Ok(Self::V5_TD_1_5),
            0 if bare && td.service_td_hash.is_zero() => return Ok(Self::V4_TD_1_0),
            1 if bare => return Ok(Self::V5_TD_1_5),
            3 if critical & 0xfe == 0 && named & 3 != 0 => return Ok(Self::V5_TD_1_5_EX),
            _ => {}
        }
        Err(MintError::UnsupportedReport { version, valid })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} quote with a {}", self.version.number(), self.body.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;
    use crate::seed::Seed;
    use tdattest_wire::bytes::{Measurement, ReportData, TdId, TdInfoValid, ValidBitmap};

    fn format(change: impl FnOnce(&mut TdReport)) -> Option<Format> {
        let platform = Platform::new(Seed::of("formats"));
        let mut report = platform.launch_td().report(ReportData::default());
        change(&mut report);
        Format::of_report(&report).ok()
    }

    fn version(report: &mut TdReport, version: u8) {
        report.report_mac.report_type.0[2] = version;
    }

    #[test]
    fn reports_of_tdx_1_0_and_1_5_become_version_4() {
        assert_eq!(format(|_| {}), Some(Format::V4_TD_1_0));
        let valid_1_0 = ValidBitmap(VALID_1_0.to_le_bytes());
        assert_eq!(format(|it| it.tee_tcb_info.valid = valid_1_0), Some(Format::V4_TD_1_0));
    }

    #[test]
    fn what_version_4_cannot_say_becomes_version_5() {
        assert_eq!(format(|it| it.tee_tcb_info.tee_tcb_svn_2.0[0] += 1), Some(Format::V5_TD_1_5));
        assert_eq!(format(|it| version(it, 1)), Some(Format::V5_TD_1_5));
        for named in 1..=3 {
            let found = format(|it| {
                version(it, 3);
                it.td_info.valid = TdInfoValid([1, named, 0, 0]);
            });
            assert_eq!(found, Some(Format::V5_TD_1_5_EX));
        }
    }

    #[test]
    fn reports_of_no_known_kind_have_no_quote() {
        assert_eq!(format(|it| version(it, 2)), None);
        assert_eq!(format(|it| it.tee_tcb_info.valid.0[0] = 0), None);
        assert_eq!(format(|it| it.td_info.service_td_hash = Measurement([1; 48])), None);
        assert_eq!(format(|it| it.td_info.td_id = TdId([1; 32])), None);
        assert_eq!(format(|it| version(it, 3)), None, "neither TD id nor VM id");
        let critical = format(|it| {
            version(it, 3);
            it.td_info.valid = TdInfoValid([2, 1, 0, 0]);
        });
        assert_eq!(critical, None);
    }
}
