//! A TDREPORT: every field, and whether its two hashes are those of its parts.

use serde::Serialize;
use tdattest_verifier::td_report::{Consistency, consistency};
use tdattest_verifier::wire::Fixed;
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::td_report::TdReport;

use super::fields::Section;
use super::page::Page;

/// A TDREPORT, as it says itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TdReportView {
    cpu_svn: String,
    report_data: String,
    tee_tcb_svn: String,
    tee_tcb_svn_2: String,
    mr_seam: String,
    mr_signer_seam: String,
    seam_attributes: String,
    td_attributes: String,
    td_attribute_bits: Vec<&'static str>,
    xfam: String,
    xfam_bits: Vec<&'static str>,
    mr_td: String,
    mr_config_id: String,
    mr_owner: String,
    mr_owner_config: String,
    rtmrs: [String; 4],
    service_td_hash: String,
    tee_tcb_info_hash_matches: bool,
    tee_info_hash_matches: bool,
    sections: Vec<Section>,
}

impl TdReportView {
    /// Reads 1,024 bytes.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, ParseError> {
        let report = TdReport::parse(bytes)?;
        let Consistency { tee_tcb_info, td_info } = consistency(bytes)?;
        let (mac, module, td) = (&report.report_mac, &report.tee_tcb_info, &report.td_info);
        let rtmrs = [td.rtmr_0, td.rtmr_1, td.rtmr_2, td.rtmr_3];
        Ok(Self {
            cpu_svn: mac.cpu_svn.to_string(),
            report_data: mac.report_data.to_string(),
            tee_tcb_svn: module.tee_tcb_svn.to_string(),
            tee_tcb_svn_2: module.tee_tcb_svn_2.to_string(),
            mr_seam: module.mr_seam.to_string(),
            mr_signer_seam: module.mr_signer_seam.to_string(),
            seam_attributes: module.seam_attributes.to_string(),
            td_attributes: td.attributes.to_string(),
            td_attribute_bits: td.attributes.named().names(),
            xfam: td.xfam.to_string(),
            xfam_bits: td.xfam.named().names(),
            mr_td: td.mr_td.to_string(),
            mr_config_id: td.mr_config_id.to_string(),
            mr_owner: td.mr_owner.to_string(),
            mr_owner_config: td.mr_owner_config.to_string(),
            rtmrs: rtmrs.map(|rtmr| rtmr.to_string()),
            service_td_hash: td.service_td_hash.to_string(),
            tee_tcb_info_hash_matches: tee_tcb_info,
            tee_info_hash_matches: td_info,
            sections: sections(&report),
        })
    }

    pub(super) fn show(&self, page: &mut Page, offsets: bool) {
        self.sections.iter().for_each(|section| section.show(page, offsets));
        page.heading("consistency");
        let matches = |matches| {
            if matches { "is the SHA-384 of its part" } else { "is NOT the SHA-384 of its part" }
        };
        page.pairs(&[
            ("TEE_TCB_INFO_HASH", matches(self.tee_tcb_info_hash_matches).into()),
            ("TEE_INFO_HASH", matches(self.tee_info_hash_matches).into()),
            ("MAC", "only the CPU that made it can check it, which is what a quote is for".into()),
        ]);
    }
}

/// The parts, in the order of their bytes.
fn sections(report: &TdReport) -> Vec<Section> {
    let mut mac = Section::new("REPORTMACSTRUCT");
    let mut module = Section::new("TEE_TCB_INFO");
    let mut td = Section::new("TDINFO");
    report.visit("", 0, &mut |field| {
        let section = match field.offset {
            at if at < TdReport::TEE_TCB_INFO_RANGE.start => &mut mac,
            at if at < TdReport::TD_INFO_RANGE.start => &mut module,
            _ => &mut td,
        };
        section.take(field);
    });
    vec![mac, module, td]
}
