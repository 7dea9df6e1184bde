//! Identities of Intel's enclaves: QE and TD_QE, and QVE for those who ask for it.

use serde::Serialize;
use tdattest_wire::attributes::SgxAttributes;
use tdattest_wire::bytes::{EnclaveMeasurement, MiscSelect};
use tdattest_wire::qe_identity::{EnclaveId, QeIdentity};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use super::{Content, JsonIsvLevel, isv_levels, to_json, upper_hex, window};
use crate::error::MintError;
use crate::platform::{EvaluationSet, IsvLevel, Platform};
use crate::quote::quoting_enclave;

/// An enclave identity to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclaveIdentityDraft {
    /// Which enclave.
    pub id: EnclaveId,
    /// 2.
    pub version: u8,
    /// When it is issued.
    pub issue_date: UnixTime,
    /// When the next is due.
    pub next_update: UnixTime,
    /// The number of its set.
    pub tcb_evaluation_data_number: u32,
    /// MISCSELECT.
    pub misc_select: MiscSelect,
    /// Which bits of MISCSELECT count.
    pub misc_select_mask: MiscSelect,
    /// ATTRIBUTES.
    pub attributes: SgxAttributes,
    /// Which bits of ATTRIBUTES count.
    pub attributes_mask: SgxAttributes,
    /// MRSIGNER.
    pub mr_signer: EnclaveMeasurement,
    /// ISVPRODID.
    pub isv_prod_id: u16,
    /// Its levels.
    pub tcb_levels: Vec<IsvLevel>,
}

/// INIT and PROVISION_KEY.
const ATTRIBUTES: SgxAttributes =
    SgxAttributes([0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// INIT.
const QVE_ATTRIBUTES: SgxAttributes =
    SgxAttributes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// All flags but MODE64BIT; nothing of XFRM.
const ATTRIBUTES_MASK: SgxAttributes =
    SgxAttributes([0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);

impl EnclaveIdentityDraft {
    /// The identity of the enclave that quotes for a TEE.
    pub fn of_qe(platform: &Platform, tee: TeeType, set: &EvaluationSet, at: UnixTime) -> Self {
        let (id, levels) = match tee {
            TeeType::Sgx => (EnclaveId::Qe, &set.qe),
            TeeType::Tdx => (EnclaveId::TdQe, &set.td_qe),
        };
        Self::new(platform, id, tee, levels, set, at)
    }

    /// The identity of the quote verification enclave, which has the levels of the QE here.
    pub fn of_qve(platform: &Platform, set: &EvaluationSet, at: UnixTime) -> Self {
        Self {
            attributes: QVE_ATTRIBUTES,
            isv_prod_id: 2,
            ..Self::new(platform, EnclaveId::Qve, TeeType::Sgx, &set.qe, set, at)
        }
    }

    fn new(
        platform: &Platform,
        id: EnclaveId,
        tee: TeeType,
        levels: &[IsvLevel],
        set: &EvaluationSet,
        at: UnixTime,
    ) -> Self {
        let (issue_date, next_update) = window(platform, at);
        Self {
            id,
            version: 2,
            issue_date,
            next_update,
            tcb_evaluation_data_number: set.tcb_evaluation_data_number,
            misc_select: MiscSelect::default(),
            misc_select_mask: MiscSelect([0xff; 4]),
            attributes: ATTRIBUTES,
            attributes_mask: ATTRIBUTES_MASK,
            mr_signer: quoting_enclave::mr_signer(tee),
            isv_prod_id: quoting_enclave::isv_prod_id(tee),
            tcb_levels: levels.to_vec(),
        }
    }
}

impl Content for EnclaveIdentityDraft {
    type Document = QeIdentity;

    fn json(&self) -> Result<Vec<u8>, MintError> {
        to_json(&Json {
            id: self.id.name(),
            version: self.version,
            issue_date: self.issue_date,
            next_update: self.next_update,
            tcb_evaluation_data_number: self.tcb_evaluation_data_number,
            miscselect: self.misc_select,
            miscselect_mask: self.misc_select_mask,
            attributes: self.attributes,
            attributes_mask: self.attributes_mask,
            mrsigner: self.mr_signer,
            isvprodid: self.isv_prod_id,
            tcb_levels: isv_levels(&self.tcb_levels),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'d> {
    id: &'static str,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    tcb_evaluation_data_number: u32,
    #[serde(serialize_with = "upper_hex")]
    miscselect: MiscSelect,
    #[serde(serialize_with = "upper_hex")]
    miscselect_mask: MiscSelect,
    #[serde(serialize_with = "upper_hex")]
    attributes: SgxAttributes,
    #[serde(serialize_with = "upper_hex")]
    attributes_mask: SgxAttributes,
    #[serde(serialize_with = "upper_hex")]
    mrsigner: EnclaveMeasurement,
    isvprodid: u16,
    tcb_levels: Vec<JsonIsvLevel<'d>>,
}
