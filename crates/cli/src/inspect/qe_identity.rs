//! A QE identity: what a quoting enclave must look like.

use serde::Serialize;
use tdattest_verifier::wire::attributes::SgxAttributes;
use tdattest_verifier::wire::bytes::{EnclaveMeasurement, MiscSelect};
use tdattest_verifier::wire::qe_identity::QeIdentity;
use tdattest_verifier::wire::time::UnixTime;

use super::fields::sgx_attributes;
use super::json::Form;
use super::page::Page;
use super::tcb_info::{IsvSvnLevelView, show_isv_svn_levels};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QeIdentityView {
    form: Form,
    pub(super) id: &'static str,
    version: u8,
    pub(super) issue_date: UnixTime,
    pub(super) next_update: UnixTime,
    pub(super) tcb_evaluation_data_number: u32,
    misc_select: MiscSelect,
    misc_select_mask: MiscSelect,
    attributes: SgxAttributes,
    attributes_mask: SgxAttributes,
    mr_signer: EnclaveMeasurement,
    isv_prod_id: u32,
    pub(super) tcb_levels: Vec<IsvSvnLevelView>,
}

impl QeIdentityView {
    pub(super) fn new(document: QeIdentity, form: Form) -> Self {
        Self {
            form,
            id: document.id.name(),
            version: document.version,
            issue_date: document.issue_date,
            next_update: document.next_update,
            tcb_evaluation_data_number: document.tcb_evaluation_data_number,
            misc_select: document.misc_select,
            misc_select_mask: document.misc_select_mask,
            attributes: document.attributes,
            attributes_mask: document.attributes_mask,
            mr_signer: document.mr_signer,
            isv_prod_id: document.isv_prod_id,
            tcb_levels: document.tcb_levels.into_iter().map(IsvSvnLevelView::new).collect(),
        }
    }

    pub(super) fn title(&self) -> String {
        format!("QE identity, version {}, {}", self.version, self.id)
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.heading("document");
        page.pairs(&[
            ("issued", self.issue_date.to_string()),
            ("next update", self.next_update.to_string()),
            ("TCB evaluation data number", self.tcb_evaluation_data_number.to_string()),
            self.form.row(),
        ]);
        page.heading("enclave");
        page.pairs(&[
            ("MISCSELECT", format!("{} under mask {}", self.misc_select, self.misc_select_mask)),
            ("ATTRIBUTES", format!("{}  ({})", self.attributes, sgx_attributes(self.attributes))),
            ("under mask", self.attributes_mask.to_string()),
            ("MRSIGNER", self.mr_signer.to_string()),
            ("ISVPRODID", self.isv_prod_id.to_string()),
        ]);
        page.heading("TCB levels, highest first");
        show_isv_svn_levels(&self.tcb_levels, page);
    }
}
