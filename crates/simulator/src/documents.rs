//! The documents that Intel signs, before they are sealed: TCB info, identities, evaluation data numbers.
//!
//! Source: PCS API v4. Members stand in the order of Intel's answers.

mod enclave_identity;
mod evaluation_data;
mod tcb_info;

pub use enclave_identity::EnclaveIdentityDraft;
pub use evaluation_data::EvaluationDataDraft;
pub use tcb_info::TcbInfoDraft;
#[cfg(feature = "server")]
pub(crate) use tcb_info::{FlatTcb, version_2};

use data_encoding::HEXUPPER;
use serde::{Serialize, Serializer};
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::time::UnixTime;

use crate::error::MintError;
use crate::pki::Key;
use crate::platform::{IsvLevel, Platform};
use crate::time::{DAY, midnight};

/// What a document says, and which one it is.
pub trait Content {
    /// The document as readers know it.
    type Document: Document;

    /// The inner object, the bytes that get signed.
    ///
    /// # Errors
    /// When something in it has no JSON.
    fn json(&self) -> Result<Vec<u8>, MintError>;
}

/// A document to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentDraft<C> {
    /// What it says.
    pub content: C,
    /// Whoever signs it.
    pub signer: Key,
}

impl<C: Content> DocumentDraft<C> {
    /// Signs it.
    ///
    /// # Errors
    /// When something in it has no JSON.
    pub fn mint(&self) -> Result<Signed<C::Document>, MintError> {
        let body = self.content.json()?;
        let signature = self.signer.sign(&body);
        Ok(Signed::new(body, signature))
    }
}

/// From midnight on, for as long as the platform's documents are valid.
pub(crate) fn window(platform: &Platform, at: UnixTime) -> (UnixTime, UnixTime) {
    let issue_date = midnight(at);
    let days = u64::from(platform.pki.windows.document_days);
    (issue_date, issue_date.saturating_add(days.saturating_mul(DAY)))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, MintError> {
    serde_json::to_vec(value).map_err(|fault| MintError::Json(fault.to_string()))
}

/// A level of a TDX module or a QE, as documents spell it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonIsvLevel<'d> {
    tcb: JsonIsvSvn,
    tcb_date: UnixTime,
    tcb_status: &'d str,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[String]>::is_empty")]
    advisory_ids: &'d [String],
}

#[derive(Serialize)]
struct JsonIsvSvn {
    isvsvn: u16,
}

impl<'d> From<&'d IsvLevel> for JsonIsvLevel<'d> {
    fn from(level: &'d IsvLevel) -> Self {
        Self {
            tcb: JsonIsvSvn { isvsvn: level.isv_svn },
            tcb_date: level.date,
            tcb_status: level.status.name(),
            advisory_ids: &level.advisory_ids,
        }
    }
}

fn isv_levels(levels: &[IsvLevel]) -> Vec<JsonIsvLevel<'_>> {
    levels.iter().map(JsonIsvLevel::from).collect()
}

/// Hexadecimal in upper case, as Intel writes values of enclaves and modules.
fn upper_hex<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&HEXUPPER.encode(bytes.as_ref()))
}
