//! Intel's quoting enclaves, as their identities describe them.

use tdattest_wire::attributes::SgxAttributes;
use tdattest_wire::bytes::{
    EnclaveMeasurement, MiscSelect, ReportData, Reserved28, Reserved32, Reserved60, Reserved96,
    UserData,
};
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::quote::{Header, QE_VENDOR_ID_INTEL, TeeType, Version};
use tdattest_wire::td_report::TdReport;
use tdattest_wire::time::UnixTime;

use super::{Attestation, Format, QuoteDraft, td_body};
use crate::error::MintError;
use crate::platform::Platform;

/// A TD quoting enclave with its attestation key certified: one signature a quote.
#[derive(Clone, Debug)]
pub struct QuotingEnclave {
    platform: Platform,
    attestation: Attestation,
}

impl QuotingEnclave {
    /// Starts the enclave: it makes its attestation key and has the PCE certify it.
    ///
    /// # Errors
    /// When a certificate cannot be encoded.
    pub fn new(platform: &Platform) -> Result<Self, MintError> {
        let report = platform.launch_td().report(ReportData::default());
        // Nothing that it keeps depends on the time.
        let draft = QuoteDraft::of_td(platform, &report, UnixTime::EPOCH)?;
        Ok(Self { platform: platform.clone(), attestation: draft.attestation()? })
    }

    /// The quote of a TDREPORT, in the format that the report calls for.
    ///
    /// # Errors
    /// When the report is forged, or of a kind that it has no quote for.
    pub fn quote(&self, report: &TdReport) -> Result<Vec<u8>, MintError> {
        self.platform.verify_report(report)?;
        let format = Format::of_report(report)?;
        let body = td_body(&self.platform, format.body(), report);
        Ok(self.attestation.sign(&header(&self.platform, format), &body))
    }
}

/// MRSIGNER of the SGX QE and of the TD QE: facts of Intel's identities.
pub(crate) fn mr_signer(tee: TeeType) -> EnclaveMeasurement {
    EnclaveMeasurement(match tee {
        TeeType::Sgx => [
            0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a,
            0x82, 0x9a, 0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44,
            0x90, 0xc5, 0x7b, 0xff,
        ],
        TeeType::Tdx => [
            0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43,
            0xed, 0x03, 0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e,
            0x0e, 0x54, 0xa8, 0xc5,
        ],
    })
}

/// ISVPRODID of the SGX QE and of the TD QE.
pub(crate) fn isv_prod_id(tee: TeeType) -> u16 {
    match tee {
        TeeType::Sgx => 1,
        TeeType::Tdx => 2,
    }
}

/// INIT, MODE64BIT, PROVISION_KEY; XFRM of the CPU it runs on, which no identity looks at.
const ATTRIBUTES: SgxAttributes =
    SgxAttributes([0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0]);

/// The header of its quotes.
pub(super) fn header(platform: &Platform, format: Format) -> Header {
    let mut user_data = UserData::default();
    let qe_id = platform.hardware.qe_id.0;
    user_data.0.iter_mut().zip(qe_id).for_each(|(target, byte)| *target = byte);
    // Reserved in later versions.
    let (qe_svn, pce_svn) = match format.version() {
        Version::V3 => (platform.hardware.qe_isv_svn, platform.hardware.pce_svn),
        _ => (0, 0),
    };
    let (version, tee_type) = (format.version(), format.tee());
    Header { version, tee_type, qe_svn, pce_svn, qe_vendor_id: QE_VENDOR_ID_INTEL, user_data }
}

/// Its own report, not yet bound to an attestation key.
pub(super) fn report(platform: &Platform, tee: TeeType) -> EnclaveReport {
    let hardware = &platform.hardware;
    let (name, isv_svn) = match tee {
        TeeType::Sgx => ("MRENCLAVE of the QE", hardware.qe_isv_svn),
        TeeType::Tdx => ("MRENCLAVE of the TD QE", hardware.td_qe_isv_svn),
    };
    EnclaveReport {
        cpu_svn: hardware.cpu_svn,
        misc_select: MiscSelect::default(),
        reserved_1: Reserved28::default(),
        attributes: ATTRIBUTES,
        mr_enclave: EnclaveMeasurement(platform.seed.bytes(name)),
        reserved_2: Reserved32::default(),
        mr_signer: mr_signer(tee),
        reserved_3: Reserved96::default(),
        isv_prod_id: isv_prod_id(tee),
        isv_svn,
        reserved_4: Reserved60::default(),
        report_data: ReportData::default(),
    }
}
