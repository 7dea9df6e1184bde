//! The list of TCB evaluation data numbers.

use serde::Serialize;
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use super::{Content, to_json, window};
use crate::error::MintError;
use crate::platform::{EvaluationSet, Platform};

/// A list of evaluation data numbers to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationDataDraft {
    /// SGX or TDX.
    pub tee: TeeType,
    /// When it is issued.
    pub issue_date: UnixTime,
    /// When the next is due.
    pub next_update: UnixTime,
    /// The sets, the newest first.
    pub sets: Vec<EvaluationSet>,
}

impl EvaluationDataDraft {
    /// The list of a platform's sets.
    pub fn new(platform: &Platform, tee: TeeType, at: UnixTime) -> Self {
        let (issue_date, next_update) = window(platform, at);
        let sets = vec![platform.early.clone(), platform.standard.clone()];
        Self { tee, issue_date, next_update, sets }
    }
}

impl Content for EvaluationDataDraft {
    type Document = EvaluationDataNumbers;

    fn json(&self) -> Result<Vec<u8>, MintError> {
        let number = |set: &EvaluationSet| JsonNumber {
            tcb_evaluation_data_number: set.tcb_evaluation_data_number,
            tcb_recovery_event_date: set.tcb_recovery_event_date,
            tcb_date: set.tcb_date,
        };
        to_json(&Json {
            id: self.tee.name(),
            version: 1,
            issue_date: self.issue_date,
            next_update: self.next_update,
            tcb_eval_numbers: self.sets.iter().map(number).collect(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    id: &'static str,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    tcb_eval_numbers: Vec<JsonNumber>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonNumber {
    tcb_evaluation_data_number: u32,
    tcb_recovery_event_date: UnixTime,
    tcb_date: UnixTime,
}
