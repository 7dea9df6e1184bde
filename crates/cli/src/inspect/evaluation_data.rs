//! TCB evaluation data numbers: which sets of TCB info there are.

use serde::Serialize;
use tdattest_verifier::wire::evaluation_data::EvaluationDataNumbers;
use tdattest_verifier::wire::time::UnixTime;

use super::json::Form;
use super::page::{Page, date};
use crate::table::Align;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvaluationDataView {
    form: Form,
    tee: &'static str,
    issue_date: UnixTime,
    next_update: UnixTime,
    numbers: Vec<NumberView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NumberView {
    tcb_evaluation_data_number: u32,
    tcb_recovery_event_date: UnixTime,
    tcb_date: UnixTime,
}

impl EvaluationDataView {
    pub(super) fn new(document: EvaluationDataNumbers, form: Form) -> Self {
        let numbers = document.numbers.iter().map(|number| NumberView {
            tcb_evaluation_data_number: number.tcb_evaluation_data_number,
            tcb_recovery_event_date: number.tcb_recovery_event_date,
            tcb_date: number.tcb_date,
        });
        Self {
            form,
            tee: document.tee.name(),
            issue_date: document.issue_date,
            next_update: document.next_update,
            numbers: numbers.collect(),
        }
    }

    pub(super) fn title(&self) -> String {
        format!("TCB evaluation data numbers for {}", self.tee)
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.heading("document");
        page.pairs(&[
            ("issued", self.issue_date.to_string()),
            ("next update", self.next_update.to_string()),
            self.form.row(),
        ]);
        page.heading("numbers");
        let mut rows =
            vec![["number", "TCB recovery public since", "TCB date"].map(String::from).to_vec()];
        rows.extend(self.numbers.iter().map(|number| {
            vec![
                number.tcb_evaluation_data_number.to_string(),
                date(number.tcb_recovery_event_date),
                date(number.tcb_date),
            ]
        }));
        page.table(&rows, &[Align::Right]);
    }
}
