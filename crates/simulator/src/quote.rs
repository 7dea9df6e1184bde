//! A quote before it is sealed, and the quoting enclaves that would make it.
//!
//! Source: Intel TDX DCAP Quoting Library API, "Quote Format"; Intel SGX DCAP Quoting Library API, appendix A.4.

mod certification;
mod format;
pub(crate) mod quoting_enclave;

pub use certification::CertificationDraft;
pub use format::Format;
pub use quoting_enclave::QuotingEnclave;

use sha2::{Digest as _, Sha256};
use tdattest_wire::Fixed as _;
use tdattest_wire::attributes::ServiceTdAttributes;
use tdattest_wire::bytes::{
    CpuSvn, EcdsaPublicKey, EcdsaSignature, InitialFmspc, Measurement, ReportData, Reserved28,
    Reserved32, Reserved60, Reserved96, TeeTcbSvn,
};
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::limits;
use tdattest_wire::quote::{
    Body, BodyType, CertificationDataType, Header, SignatureData, TdReport10, TdReport15,
    TdReport15Ex, write, write_signed_part,
};
use tdattest_wire::td_report::TdReport;
use tdattest_wire::time::UnixTime;

use certification::Minted;

use crate::error::MintError;
use crate::pki::{Key, Party};
use crate::platform::Platform;
use crate::td::VALID_WITH_SVN2;

/// A quote to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteDraft {
    /// Version, TEE and QE vendor.
    pub header: Header,
    /// The TD's or enclave's report.
    pub body: Body,
    /// Whoever signs header and body.
    pub attestation_signer: Key,
    /// The attestation key that the quote carries.
    pub attestation_key: EcdsaPublicKey,
    /// The QE's own report.
    pub qe_report: EnclaveReport,
    /// What the QE hashes into its report together with the attestation key.
    pub qe_auth_data: Vec<u8>,
    /// Whoever signs the QE report.
    pub pck_signer: Key,
    /// What certifies the PCK.
    pub certification: CertificationDraft,
    /// Zero bytes after the quote, such as production quotes have.
    pub padding: usize,
    /// When it is drafted: what faults of windows are measured from.
    pub(crate) at: UnixTime,
    /// Who is nobody: signs where a signature is to be wrong.
    pub(crate) stranger: Key,
    /// What a QE writes that has no PCK chain.
    pub(crate) encrypted_ppid: CertificationDraft,
}

impl QuoteDraft {
    /// The quote of a freshly launched TD, or of the enclave, in a format of your choice.
    ///
    /// # Errors
    /// Never for a platform's own TD; see [`QuoteDraft::of_td`] for a report from elsewhere.
    pub fn new(
        platform: &Platform,
        format: Format,
        report_data: ReportData,
        at: UnixTime,
    ) -> Result<Self, MintError> {
        match format.body {
            BodyType::Sgx => Ok(Self::of_enclave(platform, format, report_data, at)),
            _ => {
                let report = platform.launch_td().report(report_data);
                Ok(Self::of_td_as(platform, format, &report, at))
            }
        }
    }

    /// The quote that the TD quoting enclave makes of a TDREPORT: it refuses a forged one and chooses the format.
    ///
    /// # Errors
    /// When the report is forged, or of a kind that it has no quote for.
    pub fn of_td(platform: &Platform, report: &TdReport, at: UnixTime) -> Result<Self, MintError> {
        // First of all: what a forged report says decides nothing.
        platform.verify_report(report)?;
        Ok(Self::of_td_as(platform, Format::of_report(report)?, report, at))
    }

    fn of_td_as(platform: &Platform, format: Format, report: &TdReport, at: UnixTime) -> Self {
        Self::of_body(platform, format, td_body(platform, format.body, report), at)
    }

    fn of_enclave(
        platform: &Platform,
        format: Format,
        report_data: ReportData,
        at: UnixTime,
    ) -> Self {
        let enclave = &platform.enclave;
        let body = Body::Sgx(EnclaveReport {
            cpu_svn: platform.hardware.cpu_svn,
            misc_select: enclave.misc_select,
            reserved_1: Reserved28::default(),
            attributes: enclave.attributes,
            mr_enclave: enclave.mr_enclave,
            reserved_2: Reserved32::default(),
            mr_signer: enclave.mr_signer,
            reserved_3: Reserved96::default(),
            isv_prod_id: enclave.isv_prod_id,
            isv_svn: enclave.isv_svn,
            reserved_4: Reserved60::default(),
            report_data,
        });
        Self::of_body(platform, format, body, at)
    }

    fn of_body(platform: &Platform, format: Format, body: Body, at: UnixTime) -> Self {
        let tee = format.tee();
        let attestation_signer = platform.key(Party::AttestationKey(tee));
        let mut draft = Self {
            header: quoting_enclave::header(platform, format),
            body,
            attestation_key: attestation_signer.public(),
            attestation_signer,
            qe_report: quoting_enclave::report(platform, tee),
            // Intel's QEs put nothing of meaning here.
            qe_auth_data: (0..32).collect(),
            pck_signer: platform.pck().key,
            certification: CertificationDraft::PckChain { chain: platform.pck_chain(), nul: true },
            padding: 0,
            at,
            stranger: platform.key(Party::Stranger),
            encrypted_ppid: CertificationDraft::ppid(platform, CertificationDataType::PpidRsa3072),
        };
        draft.bind_attestation_key();
        draft
    }

    /// Makes the QE report commit to the attestation key and the authentication data.
    pub fn bind_attestation_key(&mut self) {
        let hash =
            Sha256::new().chain_update(self.attestation_key.0).chain_update(&self.qe_auth_data);
        let mut report_data = ReportData::default();
        report_data.0.iter_mut().zip(hash.finalize()).for_each(|(target, byte)| *target = byte);
        self.qe_report.report_data = report_data;
    }

    /// Adds the zero bytes that make the quote this long, if it is shorter.
    ///
    /// # Errors
    /// When the quote cannot be minted.
    pub fn pad_to(&mut self, length: usize) -> Result<(), MintError> {
        self.padding = 0;
        self.padding = length.saturating_sub(self.mint()?.len());
        Ok(())
    }

    /// Signs everything.
    ///
    /// # Errors
    /// When a certificate cannot be encoded, or padding or authentication data is longer than a quote can be.
    pub fn mint(&self) -> Result<Vec<u8>, MintError> {
        if self.padding > limits::QUOTE_BYTES || self.qe_auth_data.len() > usize::from(u16::MAX) {
            return Err(MintError::TooLong);
        }
        let mut quote = self.attestation()?.sign(&self.header, &self.body);
        quote.resize(quote.len().saturating_add(self.padding), 0);
        Ok(quote)
    }

    /// All that is the same in every quote of one enclave: signed once.
    fn attestation(&self) -> Result<Attestation, MintError> {
        let qe_report_bytes = self.qe_report.to_bytes();
        Ok(Attestation {
            signer: self.attestation_signer.clone(),
            key: self.attestation_key,
            qe_report: self.qe_report.clone(),
            qe_report_signature: self.pck_signer.sign(&qe_report_bytes),
            qe_report_bytes,
            qe_auth_data: self.qe_auth_data.clone(),
            certification: self.certification.mint()?,
        })
    }
}

/// An attestation key with everything that certifies it.
#[derive(Clone, Debug)]
struct Attestation {
    signer: Key,
    key: EcdsaPublicKey,
    qe_report: EnclaveReport,
    qe_report_bytes: Vec<u8>,
    qe_report_signature: EcdsaSignature,
    qe_auth_data: Vec<u8>,
    certification: Minted,
}

impl Attestation {
    fn sign(&self, header: &Header, body: &Body) -> Vec<u8> {
        let signed_part = write_signed_part(header, body);
        let signature = SignatureData {
            quote_signature: self.signer.sign(&signed_part),
            attestation_key: self.key,
            qe_report: self.qe_report.clone(),
            qe_report_signature: self.qe_report_signature,
            qe_report_bytes: &self.qe_report_bytes,
            qe_auth_data: &self.qe_auth_data,
            certification_data: self.certification.as_data(),
            trailing: &[],
        };
        write(&signed_part, header.version, &signature)
    }
}

/// What the TD quoting enclave takes from a TDREPORT into a body. Intel's leaves MRSIGNERSEAM and SEAMATTRIBUTES zero,
/// which they are in production; here they are taken as well, so that a module of somebody else can be seen.
fn td_body(platform: &Platform, kind: BodyType, report: &TdReport) -> Body {
    let (tcb, td) = (&report.tee_tcb_info, &report.td_info);
    let td10 = TdReport10 {
        tee_tcb_svn: tcb.tee_tcb_svn,
        mr_seam: tcb.mr_seam,
        mr_signer_seam: tcb.mr_signer_seam,
        seam_attributes: tcb.seam_attributes,
        td_attributes: td.attributes,
        xfam: td.xfam,
        mr_td: td.mr_td,
        mr_config_id: td.mr_config_id,
        mr_owner: td.mr_owner,
        mr_owner_config: td.mr_owner_config,
        rtmr_0: td.rtmr_0,
        rtmr_1: td.rtmr_1,
        rtmr_2: td.rtmr_2,
        rtmr_3: td.rtmr_3,
        report_data: report.report_mac.report_data,
    };
    if kind == BodyType::Td10 {
        return Body::Td10(td10);
    }
    let valid = u64::from_le_bytes(tcb.valid.0);
    let td15 = TdReport15 {
        base: td10,
        // A module that knows of no update is now what it was at launch.
        tee_tcb_svn_2: if valid == VALID_WITH_SVN2 { tcb.tee_tcb_svn_2 } else { tcb.tee_tcb_svn },
        mr_service_td: td.service_td_hash,
    };
    if kind == BodyType::Td15 {
        return Body::Td15(td15);
    }
    let mut fmspc_and_model = InitialFmspc::default();
    fmspc_and_model.0.iter_mut().zip(platform.hardware.fmspc.0).for_each(|(to, from)| *to = from);
    Body::Td15Ex(TdReport15Ex {
        vm_id: td.vm_id,
        td_id: td.td_id,
        // No device is assigned, and no service TD was exchanged: what was is what is.
        device_info_hash: Measurement::default(),
        init_service_td_hash: td15.mr_service_td,
        init_service_td_attributes: ServiceTdAttributes::default(),
        init_cpu_svn: CpuSvn(platform.hardware.cpu_svn.0),
        init_tee_tcb_svn: TeeTcbSvn(platform.tdx_module.tee_tcb_svn),
        init_fmspc: fmspc_and_model,
        current_service_td_hash: td15.mr_service_td,
        current_service_td_attributes: ServiceTdAttributes::default(),
        base: td15,
    })
}
