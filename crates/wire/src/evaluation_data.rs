//! TCB evaluation data numbers: which sets of TCB info Intel serves, and when each TCB recovery became public.
//!
//! Source: PCS API v4, "Retrieve TCB Evaluation Data Numbers". Intel's text calls the list `tcbNumbers`; its answers
//! call it `tcbEvalNumbers`. Both are read.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer};

use crate::error::ParseError;
use crate::json;
use crate::limits;
use crate::quote::TeeType;
use crate::signed::Document;
use crate::time::UnixTime;

/// The evaluation data numbers of one TEE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationDataNumbers {
    /// SGX or TDX.
    pub tee: TeeType,
    /// When Intel made the list.
    pub issue_date: UnixTime,
    /// When a newer one is due.
    pub next_update: UnixTime,
    /// The numbers, in the order of the text.
    pub numbers: Vec<EvaluationDataNumber>,
}

/// One evaluation data number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationDataNumber {
    /// The number that TCB info and identities of this set carry.
    pub tcb_evaluation_data_number: u32,
    /// When the TCB recovery that made it became public.
    pub tcb_recovery_event_date: UnixTime,
    /// The date that its up-to-date levels carry.
    pub tcb_date: UnixTime,
}

impl Document for EvaluationDataNumbers {
    const MEMBER: &'static str = "tcbEvaluationDataNumbers";
    const NAME: &'static str = "TCB evaluation data numbers";

    fn parse_untrusted(text: &[u8]) -> Result<Self, ParseError> {
        let raw: Raw = json::parse(text, Self::NAME)?;
        let tee = match raw.id.as_str() {
            "SGX" => TeeType::Sgx,
            "TDX" => TeeType::Tdx,
            id => {
                let text = alloc::format!("id is `{id}`, expected SGX or TDX");
                return Err(ParseError::invalid(Self::NAME, text));
            }
        };
        if raw.version != 1 {
            let text = alloc::format!("version is {}, expected 1", raw.version);
            return Err(ParseError::invalid(Self::NAME, text));
        }
        let Raw { issue_date, next_update, numbers, .. } = raw;
        Ok(Self { tee, issue_date, next_update, numbers })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    id: String,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    #[serde(rename = "tcbEvalNumbers", alias = "tcbNumbers", deserialize_with = "numbers")]
    numbers: Vec<EvaluationDataNumber>,
}

fn numbers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<EvaluationDataNumber>, D::Error> {
    json::bounded_vec(deserializer, limits::TCB_LEVELS, "evaluation data numbers")
}
