//! Enclave identity: what a quoting enclave (QE, TD_QE) or quote verification enclave (QVE) must look like.
//!
//! Source: PCS API v4, "Get SGX QE Identity", "Get TDX QE Identity" (version 2).
//! Must stay true: levels are kept by ISV SVN, highest first, whatever their order in the text.

pub mod lenient;

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use serde::Deserialize;

use crate::attributes::SgxAttributes;
use crate::bytes::{EnclaveMeasurement, MiscSelect};
use crate::error::ParseError;
use crate::json;
use crate::signed::Document;
use crate::tcb_info::{IsvSvnLevel, RawIsvSvnLevel, isv_svn_levels, sorted};
use crate::time::UnixTime;

/// The identity of one of Intel's enclaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QeIdentity {
    /// Which enclave.
    pub id: EnclaveId,
    /// 2.
    pub version: u8,
    /// When Intel made it.
    pub issue_date: UnixTime,
    /// When a newer one is due.
    pub next_update: UnixTime,
    /// Grows with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// MISCSELECT, of which the mask's bits count.
    pub misc_select: MiscSelect,
    /// Which bits of MISCSELECT count.
    pub misc_select_mask: MiscSelect,
    /// ATTRIBUTES, of which the mask's bits count.
    pub attributes: SgxAttributes,
    /// Which bits of ATTRIBUTES count.
    pub attributes_mask: SgxAttributes,
    /// MRSIGNER.
    pub mr_signer: EnclaveMeasurement,
    /// ISVPRODID. No enclave has one over 65535; read [leniently](lenient), an identity may.
    pub isv_prod_id: u32,
    /// Its levels by ISV SVN, highest first.
    pub tcb_levels: Vec<IsvSvnLevel>,
}

/// The enclaves that Intel gives identities for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnclaveId {
    /// The quoting enclave of SGX.
    Qe,
    /// The quoting enclave of TDX.
    TdQe,
    /// The quote verification enclave.
    Qve,
}

impl EnclaveId {
    /// Intel's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qe => "QE",
            Self::TdQe => "TD_QE",
            Self::Qve => "QVE",
        }
    }
}

impl fmt::Display for EnclaveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Document for QeIdentity {
    const MEMBER: &'static str = "enclaveIdentity";
    const NAME: &'static str = "QE identity";

    fn parse_untrusted(text: &[u8]) -> Result<Self, ParseError> {
        let raw: RawIdentity = json::parse(text, Self::NAME)?;
        let id = [EnclaveId::Qe, EnclaveId::TdQe, EnclaveId::Qve]
            .into_iter()
            .find(|id| id.name() == raw.id)
            .ok_or_else(|| {
                invalid(alloc::format!("id is `{}`, expected QE, TD_QE or QVE", raw.id))
            })?;
        if raw.version != 2 {
            return Err(invalid(alloc::format!("version is {}, expected 2", raw.version)));
        }
        let mut tcb_levels: Vec<IsvSvnLevel> = raw.tcb_levels.into_iter().map(Into::into).collect();
        if tcb_levels.iter().any(|level| level.tcb_status.is_none()) {
            return Err(invalid("a tcbStatus is neither UpToDate, OutOfDate nor Revoked"));
        }
        sorted(&mut tcb_levels, |level| Reverse(level.isv_svn))
            .map_err(|fault| ParseError { structure: Self::NAME, ..fault })?;
        Ok(Self {
            id,
            version: raw.version,
            issue_date: raw.issue_date,
            next_update: raw.next_update,
            tcb_evaluation_data_number: raw.tcb_evaluation_data_number,
            misc_select: raw.miscselect,
            misc_select_mask: raw.miscselect_mask,
            attributes: raw.attributes,
            attributes_mask: raw.attributes_mask,
            mr_signer: raw.mrsigner,
            isv_prod_id: raw.isvprodid.into(),
            tcb_levels,
        })
    }
}

fn invalid(text: impl Into<String>) -> ParseError {
    ParseError::invalid(QeIdentity::NAME, text)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIdentity {
    id: String,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    tcb_evaluation_data_number: u32,
    miscselect: MiscSelect,
    miscselect_mask: MiscSelect,
    attributes: SgxAttributes,
    attributes_mask: SgxAttributes,
    mrsigner: EnclaveMeasurement,
    isvprodid: u16,
    #[serde(deserialize_with = "isv_svn_levels")]
    tcb_levels: Vec<RawIsvSvnLevel>,
}
