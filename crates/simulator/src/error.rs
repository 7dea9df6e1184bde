//! Why something could not be minted.

use tdattest_wire::pcs::EvaluationDataSet;

use crate::cpu::ForgedReport;
use crate::fault::{Broken, Fault};

/// Why something could not be minted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A field cannot be written in DER: a date beyond the year 9999, a text of other characters.
    #[error("cannot be written in DER: {0}")]
    Der(#[from] der::Error),
    /// An object identifier has too many arcs.
    #[error("cannot be written in DER: {0}")]
    Oid(#[from] der::oid::Error),
    /// A signature could not be made.
    #[error("cannot be signed")]
    Signature,
    /// A document cannot be written as JSON.
    #[error("cannot be written as JSON: {0}")]
    Json(String),
    /// Padding or authentication data is longer than a quote can be.
    #[error("padding or QE authentication data is longer than a quote can be")]
    TooLong,
    /// A TDREPORT that this platform's CPU did not make.
    #[error(transparent)]
    ForgedReport(#[from] ForgedReport),
    /// The TD quoting enclave knows no quote for a TDREPORT of this kind.
    #[error("no quote for a TDREPORT of version {version} with VALID {valid:#x}")]
    UnsupportedReport {
        /// REPORTTYPE.VERSION.
        version: u8,
        /// TEE_TCB_INFO.VALID.
        valid: u64,
    },
    /// The platform has no such set of TCB info.
    #[error("the platform has no TCB info for {0:?}")]
    UnknownSet(EvaluationDataSet),
    /// The fault breaks the other artefact.
    #[error("fault `{fault}` breaks the {}, not the {asked}", fault.breaks())]
    OtherArtefact {
        /// The fault.
        fault: Fault,
        /// What it was to break.
        asked: Broken,
    },
    /// The fault changes nothing here.
    #[error("fault `{0}` changes nothing here: it is so already")]
    NoEffect(Fault),
    /// The fault needs a quote of another kind.
    #[error("fault `{fault}` needs {needs}")]
    NeedsOtherQuote {
        /// The fault.
        fault: Fault,
        /// What it needs.
        needs: &'static str,
    },
}
