//! Quotes and TDREPORTs made of arbitrary bytes, field by field.

use proptest::collection::vec;
use proptest::prelude::*;
use tdattest_wire::Fixed;
use tdattest_wire::attributes::{
    SeamAttributes, ServiceTdAttributes, SgxAttributes, TdAttributes, Xfam,
};
use tdattest_wire::bytes::*;
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::quote::{
    Body, CertificationData, CertificationDataType, Header, PpidCertification, QE_VENDOR_ID_INTEL,
    SignatureData, TdReport10, TdReport15, TdReport15Ex, TeeType, Version, write,
    write_signed_part,
};
use tdattest_wire::td_report::{ReportMacStruct, TdInfo, TdReport, TeeTcbInfo};

/// Everything a quote is made of, owned.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) header: Header,
    pub(crate) body: Body,
    pub(crate) quote_signature: EcdsaSignature,
    pub(crate) attestation_key: EcdsaPublicKey,
    pub(crate) qe_report: EnclaveReport,
    qe_report_bytes: Vec<u8>,
    pub(crate) qe_report_signature: EcdsaSignature,
    pub(crate) qe_auth_data: Vec<u8>,
    certification: (u16, Vec<u8>),
}

/// The kinds of quote that exist: version, TEE, and which body.
pub(crate) const KINDS: [(Version, TeeType, u16); 7] = [
    (Version::V3, TeeType::Sgx, 1),
    (Version::V4, TeeType::Sgx, 1),
    (Version::V4, TeeType::Tdx, 2),
    (Version::V5, TeeType::Sgx, 1),
    (Version::V5, TeeType::Tdx, 2),
    (Version::V5, TeeType::Tdx, 3),
    (Version::V5, TeeType::Tdx, 4),
];

/// Any quote of any kind.
pub(crate) fn any_quote() -> impl Strategy<Value = Made> {
    let source = vec(any::<u8>(), 2048);
    let (auth_data, data) = (vec(any::<u8>(), 0..80), vec(any::<u8>(), 0..200));
    (0..KINDS.len(), source, auth_data, 1u16..=5, data).prop_map(
        |(kind, source, auth_data, data_type, data)| {
            Made::new(KINDS[kind], &mut Source(&source), auth_data, (data_type, data))
        },
    )
}

/// One quote of a kind, always the same: every byte of it says where it came from.
pub(crate) fn quote_of(kind: (Version, TeeType, u16)) -> Made {
    let source: Vec<u8> = (0..2048u32).map(|at| (at * 7 + at / 256) as u8).collect();
    Made::new(kind, &mut Source(&source), vec![0xaa; 32], (5, b"chain\0".to_vec()))
}

impl Made {
    fn new(
        (version, tee_type, body): (Version, TeeType, u16),
        source: &mut Source<'_>,
        qe_auth_data: Vec<u8>,
        certification: (u16, Vec<u8>),
    ) -> Self {
        let (qe_vendor_id, user_data) = (QE_VENDOR_ID_INTEL, UserData(source.next()));
        let (qe_svn, pce_svn) = (source.number(), source.number());
        let header = Header { version, tee_type, qe_svn, pce_svn, qe_vendor_id, user_data };
        let body = match body {
            1 => Body::Sgx(enclave_report(source)),
            2 => Body::Td10(td_report_10(source)),
            3 => Body::Td15(td_report_15(source)),
            _ => Body::Td15Ex(td_report_15_extended(source)),
        };
        let qe_report = enclave_report(source);
        Self {
            header,
            body,
            quote_signature: EcdsaSignature(source.next()),
            attestation_key: EcdsaPublicKey(source.next()),
            qe_report_bytes: qe_report.to_bytes(),
            qe_report,
            qe_report_signature: EcdsaSignature(source.next()),
            qe_auth_data,
            certification,
        }
    }

    pub(crate) fn signature(&self) -> SignatureData<'_> {
        let (kind, data) = (self.certification.0, &*self.certification.1);
        let ppid = |kind| CertificationData::Ppid(PpidCertification { kind, data });
        SignatureData {
            quote_signature: self.quote_signature,
            attestation_key: self.attestation_key,
            qe_report: self.qe_report.clone(),
            qe_report_bytes: &self.qe_report_bytes,
            qe_report_signature: self.qe_report_signature,
            qe_auth_data: &self.qe_auth_data,
            certification_data: match kind {
                1 => ppid(CertificationDataType::PpidCleartext),
                2 => ppid(CertificationDataType::PpidRsa2048),
                3 => ppid(CertificationDataType::PpidRsa3072),
                4 => CertificationData::PckLeaf(data),
                _ => CertificationData::PckChain(data),
            },
            trailing: &[],
        }
    }

    pub(crate) fn signed_part(&self) -> Vec<u8> {
        write_signed_part(&self.header, &self.body)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        write(&self.signed_part(), self.header.version, &self.signature())
    }

    /// Where the size of the signature data stands.
    pub(crate) fn size_at(&self) -> usize {
        self.signed_part().len()
    }

    /// Where the outer certification data stands (versions 4 and 5).
    pub(crate) fn outer_record_at(&self) -> usize {
        self.size_at() + 4 + 64 + 64
    }

    /// Where the QE authentication data's size stands.
    pub(crate) fn auth_size_at(&self) -> usize {
        let outer_record = if self.header.version == Version::V3 { 0 } else { 6 };
        self.outer_record_at() + outer_record + 384 + 64
    }

    /// Where the certification data stands.
    pub(crate) fn certification_at(&self) -> usize {
        self.auth_size_at() + 2 + self.qe_auth_data.len()
    }
}

/// Bytes that fields are made of, in the order in which they are asked for.
pub(crate) struct Source<'s>(pub(crate) &'s [u8]);

impl Source<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_at(N);
        self.0 = rest;
        head.try_into().unwrap()
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes(self.next())
    }
}

pub(crate) fn enclave_report(source: &mut Source<'_>) -> EnclaveReport {
    EnclaveReport {
        cpu_svn: CpuSvn(source.next()),
        misc_select: MiscSelect(source.next()),
        reserved_1: Reserved28(source.next()),
        attributes: SgxAttributes(source.next()),
        mr_enclave: EnclaveMeasurement(source.next()),
        reserved_2: Reserved32(source.next()),
        mr_signer: EnclaveMeasurement(source.next()),
        reserved_3: Reserved96(source.next()),
        isv_prod_id: source.number(),
        isv_svn: source.number(),
        reserved_4: Reserved60(source.next()),
        report_data: ReportData(source.next()),
    }
}

pub(crate) fn td_report_10(source: &mut Source<'_>) -> TdReport10 {
    TdReport10 {
        tee_tcb_svn: TeeTcbSvn(source.next()),
        mr_seam: Measurement(source.next()),
        mr_signer_seam: Measurement(source.next()),
        seam_attributes: SeamAttributes(source.next()),
        td_attributes: TdAttributes(source.next()),
        xfam: Xfam(source.next()),
        mr_td: Measurement(source.next()),
        mr_config_id: Measurement(source.next()),
        mr_owner: Measurement(source.next()),
        mr_owner_config: Measurement(source.next()),
        rtmr_0: Measurement(source.next()),
        rtmr_1: Measurement(source.next()),
        rtmr_2: Measurement(source.next()),
        rtmr_3: Measurement(source.next()),
        report_data: ReportData(source.next()),
    }
}

fn td_report_15(source: &mut Source<'_>) -> TdReport15 {
    TdReport15 {
        base: td_report_10(source),
        tee_tcb_svn_2: TeeTcbSvn(source.next()),
        mr_service_td: Measurement(source.next()),
    }
}

fn td_report_15_extended(source: &mut Source<'_>) -> TdReport15Ex {
    let [vm_id] = source.next();
    TdReport15Ex {
        base: td_report_15(source),
        vm_id,
        td_id: TdId(source.next()),
        device_info_hash: Measurement(source.next()),
        init_service_td_hash: Measurement(source.next()),
        init_service_td_attributes: ServiceTdAttributes(source.next()),
        init_cpu_svn: CpuSvn(source.next()),
        init_tee_tcb_svn: TeeTcbSvn(source.next()),
        init_fmspc: InitialFmspc(source.next()),
        current_service_td_hash: Measurement(source.next()),
        current_service_td_attributes: ServiceTdAttributes(source.next()),
    }
}

/// Any TDREPORT whose type says TDX.
pub(crate) fn any_td_report() -> impl Strategy<Value = TdReport> {
    vec(any::<u8>(), 1024).prop_map(|bytes| td_report(&mut Source(&bytes)))
}

fn td_report(source: &mut Source<'_>) -> TdReport {
    let [_, subtype, version, reserved] = source.next();
    TdReport {
        report_mac: ReportMacStruct {
            report_type: ReportType([0x81, subtype, version, reserved]),
            reserved_1: Reserved12(source.next()),
            cpu_svn: CpuSvn(source.next()),
            tee_tcb_info_hash: Measurement(source.next()),
            tee_info_hash: Measurement(source.next()),
            report_data: ReportData(source.next()),
            reserved_2: Reserved32(source.next()),
            mac: ReportMac(source.next()),
        },
        tee_tcb_info: TeeTcbInfo {
            valid: ValidBitmap(source.next()),
            tee_tcb_svn: TeeTcbSvn(source.next()),
            mr_seam: Measurement(source.next()),
            mr_signer_seam: Measurement(source.next()),
            seam_attributes: SeamAttributes(source.next()),
            tee_tcb_svn_2: TeeTcbSvn(source.next()),
            reserved: Reserved95(source.next()),
        },
        reserved: Reserved17(source.next()),
        td_info: td_info(source),
    }
}

fn td_info(source: &mut Source<'_>) -> TdInfo {
    TdInfo {
        attributes: TdAttributes(source.next()),
        xfam: Xfam(source.next()),
        mr_td: Measurement(source.next()),
        mr_config_id: Measurement(source.next()),
        mr_owner: Measurement(source.next()),
        mr_owner_config: Measurement(source.next()),
        rtmr_0: Measurement(source.next()),
        rtmr_1: Measurement(source.next()),
        rtmr_2: Measurement(source.next()),
        rtmr_3: Measurement(source.next()),
        service_td_hash: Measurement(source.next()),
        td_id: TdId(source.next()),
        reserved_1: Reserved24(source.next()),
        vm_id: source.next::<1>()[0],
        reserved_2: Reserved3(source.next()),
        valid: TdInfoValid(source.next()),
    }
}
