//! What changes from one set of documents to another, in words and as JSON.

use serde::Serialize;
use tdattest_collateral::diff::{DocumentChange, LevelChange, Standing};
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::time::UnixTime;

use crate::output;

/// For people.
pub(super) fn words(changes: &[DocumentChange]) -> String {
    if changes.is_empty() {
        return "no change\n".into();
    }
    changes.iter().map(document_words).collect::<Vec<_>>().join("\n")
}

fn document_words(change: &DocumentChange) -> String {
    let numbers = match change.numbers {
        (Some(before), Some(after)) if before == after => format!("number {after}"),
        (Some(before), Some(after)) => format!("number {before} -> {after}"),
        (None, Some(after)) => format!("only after, number {after}"),
        (Some(before), None) => format!("only before, number {before}"),
        (None, None) => String::new(),
    };
    let levels = change.levels.iter().map(level_words).collect::<String>();
    let set = change.set.and_then(set_name).map(|set| format!(", {set} set")).unwrap_or_default();
    format!("{}{set}: {numbers}\n{levels}", change.subject)
}

fn set_name(set: EvaluationDataSet) -> Option<&'static str> {
    match set {
        EvaluationDataSet::Standard => Some("standard"),
        EvaluationDataSet::Early => Some("early"),
        EvaluationDataSet::Number(_) => None,
    }
}

fn level_words(change: &LevelChange) -> String {
    let LevelChange { level, before, after } = change;
    let text = match (before, after) {
        (Some(before), Some(after)) => changed(before, after),
        (None, Some(after)) => format!("    new: {}\n", standing(after)),
        (Some(before), None) => format!("    gone: {}\n", standing(before)),
        (None, None) => String::new(),
    };
    format!("  {}\n{text}", output::printable(level))
}

fn changed(before: &Standing, after: &Standing) -> String {
    let mut text = String::new();
    if before.status != after.status {
        text.push_str(&format!("    status: {} -> {}\n", status(before), status(after)));
    }
    if before.tcb_date != after.tcb_date {
        text.push_str(&format!("    date: {} -> {}\n", before.tcb_date, after.tcb_date));
    }
    for (name, from, to) in [("new", before, after), ("gone", after, before)] {
        let ids: Vec<&str> =
            to.advisory_ids.difference(&from.advisory_ids).map(String::as_str).collect();
        if !ids.is_empty() {
            text.push_str(&format!(
                "    {name} advisories: {}\n",
                output::printable(&ids.join(", "))
            ));
        }
    }
    text
}

/// `UpToDate, 2025-05-14T00:00:00Z, INTEL-SA-01036`
fn standing(standing: &Standing) -> String {
    let advisories = standing.advisory_ids.iter().map(|id| format!(", {id}")).collect::<String>();
    format!("{}, {}{}", status(standing), standing.tcb_date, output::printable(&advisories))
}

fn status(standing: &Standing) -> &'static str {
    standing.status.map_or("a status that is not known", |status| status.name())
}

/// The JSON form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    schema: &'static str,
    documents: Vec<DocumentView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentView {
    document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'static str>,
    number_before: Option<u32>,
    number_after: Option<u32>,
    levels: Vec<LevelView>,
}

#[derive(Serialize)]
struct LevelView {
    level: String,
    before: Option<StandingView>,
    after: Option<StandingView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingView {
    tcb_status: Option<&'static str>,
    tcb_date: UnixTime,
    #[serde(rename = "advisoryIDs")]
    advisory_ids: Vec<String>,
}

impl View {
    pub(super) fn of(changes: &[DocumentChange]) -> Self {
        let level = |change: &LevelChange| LevelView {
            level: change.level.clone(),
            before: change.before.as_ref().map(StandingView::of),
            after: change.after.as_ref().map(StandingView::of),
        };
        let document = |change: &DocumentChange| DocumentView {
            document: change.subject.to_string(),
            set: change.set.and_then(set_name),
            number_before: change.numbers.0,
            number_after: change.numbers.1,
            levels: change.levels.iter().map(level).collect(),
        };
        let schema = "tdattest.collateral-diff/1";
        Self { schema, documents: changes.iter().map(document).collect() }
    }
}

impl StandingView {
    fn of(standing: &Standing) -> Self {
        Self {
            tcb_status: standing.status.map(|status| status.name()),
            tcb_date: standing.tcb_date,
            advisory_ids: standing.advisory_ids.iter().cloned().collect(),
        }
    }
}
