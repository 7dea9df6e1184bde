//! The quote in the JSON form: every field of its header and body but the reserved ones.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Serialize, Serializer};
use tdattest_wire::attributes::{
    SeamAttributes, ServiceTdAttributes, SgxAttributes, TdAttributes, Xfam,
};
use tdattest_wire::bytes::{
    CpuSvn, EnclaveMeasurement, InitialFmspc, Measurement, MiscSelect, QeVendorId, ReportData,
    TdId, TeeTcbSvn, UserData,
};
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::quote::{Body, TdReport10, TdReport15, TdReport15Ex};

use crate::verified::QuoteFacts;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuoteView<'a> {
    version: u16,
    tee: &'static str,
    body_type: &'static str,
    qe_svn: u16,
    pce_svn: u16,
    qe_vendor_id: &'a QeVendorId,
    user_data: &'a UserData,
    certification_data: &'static str,
    trailing_bytes: usize,
    signature_trailing_bytes: usize,
    body: BodyView<'a>,
}

impl<'a> QuoteView<'a> {
    pub(super) fn new(quote: &'a QuoteFacts) -> Self {
        let header = &quote.header;
        Self {
            version: header.version.number(),
            tee: header.tee_type.name(),
            body_type: quote.body.kind().name(),
            qe_svn: header.qe_svn,
            pce_svn: header.pce_svn,
            qe_vendor_id: &header.qe_vendor_id,
            user_data: &header.user_data,
            certification_data: quote.certification_data.name(),
            trailing_bytes: quote.trailing_bytes,
            signature_trailing_bytes: quote.signature_trailing_bytes,
            body: BodyView::new(&quote.body),
        }
    }
}

/// The object that the JSON form has under `quote`.
impl Serialize for QuoteFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        QuoteView::new(self).serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum BodyView<'a> {
    Enclave(EnclaveView<'a>),
    Td(TdView<'a>),
}

impl<'a> BodyView<'a> {
    fn new(body: &'a Body) -> Self {
        match body {
            Body::Sgx(report) => Self::Enclave(EnclaveView::new(report)),
            Body::Td10(report) => Self::Td(TdView::new(report)),
            Body::Td15(report) => Self::Td(TdView::new_15(report)),
            Body::Td15Ex(report) => Self::Td(TdView::new_15_ex(report)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnclaveView<'a> {
    cpu_svn: &'a CpuSvn,
    misc_select: &'a MiscSelect,
    attributes: &'a SgxAttributes,
    attribute_bits: Vec<String>,
    mr_enclave: &'a EnclaveMeasurement,
    mr_signer: &'a EnclaveMeasurement,
    isv_prod_id: u16,
    isv_svn: u16,
    report_data: &'a ReportData,
}

impl<'a> EnclaveView<'a> {
    fn new(report: &'a EnclaveReport) -> Self {
        Self {
            cpu_svn: &report.cpu_svn,
            misc_select: &report.misc_select,
            attributes: &report.attributes,
            attribute_bits: report.attributes.named().labels(),
            mr_enclave: &report.mr_enclave,
            mr_signer: &report.mr_signer,
            isv_prod_id: report.isv_prod_id,
            isv_svn: report.isv_svn,
            report_data: &report.report_data,
        }
    }
}

/// A TD report; the later fields are absent in older bodies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdView<'a> {
    tee_tcb_svn: &'a TeeTcbSvn,
    mr_seam: &'a Measurement,
    mr_signer_seam: &'a Measurement,
    seam_attributes: &'a SeamAttributes,
    td_attributes: &'a TdAttributes,
    td_attribute_bits: Vec<String>,
    xfam: &'a Xfam,
    xfam_bits: Vec<String>,
    mr_td: &'a Measurement,
    mr_config_id: &'a Measurement,
    mr_owner: &'a Measurement,
    mr_owner_config: &'a Measurement,
    rtmrs: [&'a Measurement; 4],
    report_data: &'a ReportData,
    #[serde(skip_serializing_if = "Option::is_none")]
    tee_tcb_svn_2: Option<&'a TeeTcbSvn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mr_service_td: Option<&'a Measurement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vm_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    td_id: Option<&'a TdId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_info_hash: Option<&'a Measurement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_service_td_hash: Option<&'a Measurement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_service_td_attributes: Option<&'a ServiceTdAttributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_cpu_svn: Option<&'a CpuSvn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_tee_tcb_svn: Option<&'a TeeTcbSvn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_fmspc: Option<&'a InitialFmspc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_service_td_hash: Option<&'a Measurement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_service_td_attributes: Option<&'a ServiceTdAttributes>,
}

impl<'a> TdView<'a> {
    fn new(report: &'a TdReport10) -> Self {
        Self {
            tee_tcb_svn: &report.tee_tcb_svn,
            mr_seam: &report.mr_seam,
            mr_signer_seam: &report.mr_signer_seam,
            seam_attributes: &report.seam_attributes,
            td_attributes: &report.td_attributes,
            td_attribute_bits: report.td_attributes.named().labels(),
            xfam: &report.xfam,
            xfam_bits: report.xfam.named().labels(),
            mr_td: &report.mr_td,
            mr_config_id: &report.mr_config_id,
            mr_owner: &report.mr_owner,
            mr_owner_config: &report.mr_owner_config,
            rtmrs: [&report.rtmr_0, &report.rtmr_1, &report.rtmr_2, &report.rtmr_3],
            report_data: &report.report_data,
            tee_tcb_svn_2: None,
            mr_service_td: None,
            vm_id: None,
            td_id: None,
            device_info_hash: None,
            init_service_td_hash: None,
            init_service_td_attributes: None,
            init_cpu_svn: None,
            init_tee_tcb_svn: None,
            init_fmspc: None,
            current_service_td_hash: None,
            current_service_td_attributes: None,
        }
    }

    fn new_15(report: &'a TdReport15) -> Self {
        Self {
            tee_tcb_svn_2: Some(&report.tee_tcb_svn_2),
            mr_service_td: Some(&report.mr_service_td),
            ..Self::new(&report.base)
        }
    }

    fn new_15_ex(report: &'a TdReport15Ex) -> Self {
        Self {
            vm_id: Some(report.vm_id),
            td_id: Some(&report.td_id),
            device_info_hash: Some(&report.device_info_hash),
            init_service_td_hash: Some(&report.init_service_td_hash),
            init_service_td_attributes: Some(&report.init_service_td_attributes),
            init_cpu_svn: Some(&report.init_cpu_svn),
            init_tee_tcb_svn: Some(&report.init_tee_tcb_svn),
            init_fmspc: Some(&report.init_fmspc),
            current_service_td_hash: Some(&report.current_service_td_hash),
            current_service_td_attributes: Some(&report.current_service_td_attributes),
            ..Self::new_15(&report.base)
        }
    }
}
