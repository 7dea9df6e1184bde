//! The formats of quotes: version and body.

use std::fmt;

use tdattest_wire::quote::{BodyType, TeeType, Version};
use tdattest_wire::td_report::TdReport;

use crate::error::MintError;

/// A version of the quote format with a body that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) version: Version,
    pub(super) body: BodyType,
}

/// TEE_TCB_INFO's VALID of TDX 1.0, and with TEE_TCB_SVN2.
const VALID_1_0: u64 = 0x1ff;
const VALID_WITH_SVN2: u64 = 0x0003_01ff;

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
        if ![VALID_1_0, VALID_WITH_SVN2].contains(&valid) {
            return Err(MintError::UnsupportedReport { version, valid });
        }
        match version {
            0 if updated => Ok(Self::V5_TD_1_5),
            0 => Ok(Self::V4_TD_1_0),
            1 => Ok(Self::V5_TD_1_5),
            3 => Ok(Self::V5_TD_1_5_EX),
            _ => Err(MintError::UnsupportedReport { version, valid }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} quote with a {}", self.version.number(), self.body.name())
    }
}
