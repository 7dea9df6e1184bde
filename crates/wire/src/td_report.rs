//! TDREPORT: the 1,024 bytes that the CPU and the TDX module make for a TD, before a QE turns them into a quote.
//!
//! Source: Intel TDX Module ABI specification, "TDREPORT_STRUCT", "REPORTMACSTRUCT", "TEE_TCB_INFO", "TDINFO_STRUCT".
//! Must stay true: nothing here is checked. The hashes are compared by the verifier, the MAC only by the CPU.

use crate::attributes::{SeamAttributes, TdAttributes, Xfam};
use crate::bytes::{
    CpuSvn, Measurement, ReportData, ReportMac, ReportType, Reserved3, Reserved12, Reserved17,
    Reserved24, Reserved32, Reserved95, TdId, TdInfoValid, TeeTcbSvn, ValidBitmap,
};
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::Fixed;
use crate::reader::Reader;

/// REPORTTYPE.TYPE of a TDREPORT.
const TDX: u8 = 0x81;

layout! {
    /// REPORTMACSTRUCT: the part under the CPU's MAC.
    pub struct ReportMacStruct [256] {
        /// Type (0x81), subtype, version, reserved.
        0 report_type "REPORTTYPE": ReportType,
        /// Reserved.
        4 reserved_1 "reserved": Reserved12,
        /// The CPU's security version.
        16 cpu_svn "CPUSVN": CpuSvn,
        /// SHA-384 of TEE_TCB_INFO.
        32 tee_tcb_info_hash "TEE_TCB_INFO_HASH": Measurement,
        /// SHA-384 of TDINFO.
        80 tee_info_hash "TEE_INFO_HASH": Measurement,
        /// What the TD chose.
        128 report_data "REPORTDATA": ReportData,
        /// Reserved.
        192 reserved_2 "reserved": Reserved32,
        /// Made with a key that only this CPU has.
        224 mac "MAC": ReportMac,
    }
}

layout! {
    /// TEE_TCB_INFO: the TDX module that runs the TD.
    pub struct TeeTcbInfo [239] {
        /// Which fields are valid.
        0 valid "VALID": ValidBitmap,
        /// The module's and the platform's security versions.
        8 tee_tcb_svn "TEE_TCB_SVN": TeeTcbSvn,
        /// The module's measurement.
        24 mr_seam "MRSEAM": Measurement,
        /// The module's signer; zero for Intel.
        72 mr_signer_seam "MRSIGNERSEAM": Measurement,
        /// The module's attributes.
        120 seam_attributes "SEAMATTRIBUTES": SeamAttributes,
        /// Security versions now, after a TD-preserving update.
        128 tee_tcb_svn_2 "TEE_TCB_SVN2": TeeTcbSvn,
        /// Reserved.
        144 reserved "reserved": Reserved95,
    }
}

layout! {
    /// TDINFO: the TD itself.
    pub struct TdInfo [512] {
        /// The TD's attributes.
        0 attributes "TDATTRIBUTES": TdAttributes,
        /// The CPU state the TD may use.
        8 xfam "XFAM": Xfam,
        /// The measurement of the TD as built.
        16 mr_td "MRTD": Measurement,
        /// Configuration id given by the host.
        64 mr_config_id "MRCONFIGID": Measurement,
        /// Owner id given by the host.
        112 mr_owner "MROWNER": Measurement,
        /// Owner configuration given by the host.
        160 mr_owner_config "MROWNERCONFIG": Measurement,
        /// Run-time register 0.
        208 rtmr_0 "RTMR0": Measurement,
        /// Run-time register 1.
        256 rtmr_1 "RTMR1": Measurement,
        /// Run-time register 2.
        304 rtmr_2 "RTMR2": Measurement,
        /// Run-time register 3.
        352 rtmr_3 "RTMR3": Measurement,
        /// The hash of bound service TDs.
        400 service_td_hash "SERVTD_HASH": Measurement,
        /// The TD's id (version 3).
        448 td_id "TD_ID": TdId,
        /// Reserved.
        480 reserved_1 "reserved": Reserved24,
        /// The VM's id (version 3).
        504 vm_id "VMID": u8,
        /// Reserved.
        505 reserved_2 "reserved": Reserved3,
        /// Which of the version 3 fields are valid.
        508 valid "VALID": TdInfoValid,
    }
}

layout! {
    /// A TDREPORT.
    pub struct TdReport [1024] {
        /// The part under the CPU's MAC.
        0 report_mac "REPORTMACSTRUCT": ReportMacStruct,
        /// The TDX module.
        256 tee_tcb_info "TEE_TCB_INFO": TeeTcbInfo,
        /// Reserved.
        495 reserved "reserved": Reserved17,
        /// The TD.
        512 td_info "TDINFO": TdInfo,
    }
}

impl TdReport {
    /// The bytes that TEE_TCB_INFO_HASH covers: 239, not the 256 up to TDINFO.
    pub const TEE_TCB_INFO_RANGE: core::ops::Range<usize> = 256..495;

    /// The bytes that TEE_INFO_HASH covers.
    pub const TD_INFO_RANGE: core::ops::Range<usize> = 512..1024;

    /// Parses exactly 1,024 bytes whose REPORTTYPE says TDX.
    ///
    /// # Errors
    /// [`ParseErrorKind::Truncated`], [`ParseErrorKind::TrailingBytes`], or [`ParseErrorKind::Unsupported`] for another
    /// type of report.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes, "TDREPORT");
        let report = Self::read(&mut reader)?;
        reader.finish()?;
        let [kind, ..] = report.report_mac.report_type.0;
        if kind != TDX {
            let kind = ParseErrorKind::Unsupported {
                field: "REPORTTYPE.TYPE",
                expected: "0x81 (TDX)",
                found: kind.into(),
            };
            return Err(ParseError::new("TDREPORT", kind));
        }
        Ok(report)
    }
}
