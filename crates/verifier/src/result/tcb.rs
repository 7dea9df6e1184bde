//! The TCB in the JSON form: statuses, dates, and every SVN beside the one that is needed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use crate::verified::{Facts, SvnNeed, TcbFacts};

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TcbView<'a> {
    status: Option<TcbStatus>,
    platform: Option<TcbStatus>,
    tdx_module: Option<TcbStatus>,
    qe: Option<TcbStatus>,
    current: Option<TcbStatus>,
    date: Option<UnixTime>,
    evaluation_data_number: Option<u32>,
    advisory_ids: &'a [String],
    components: Vec<ComponentView>,
}

impl<'a> TcbView<'a> {
    pub(super) fn new(facts: Option<&'a Facts>) -> Self {
        let Some(tcb) = facts.and_then(|facts| facts.tcb.as_ref()) else { return Self::default() };
        let evaluation = tcb.evaluation.as_ref();
        Self {
            status: evaluation.map(|it| it.status),
            platform: evaluation.map(|it| it.platform),
            tdx_module: evaluation.and_then(|it| it.tdx_module),
            qe: evaluation.map(|it| it.qe),
            current: evaluation.and_then(|it| it.current),
            date: evaluation.map(|it| it.date),
            evaluation_data_number: Some(tcb.evaluation_data_number()),
            advisory_ids: evaluation.map(|it| &*it.advisory_ids).unwrap_or_default(),
            components: component_views(tcb),
        }
    }
}

#[derive(Serialize)]
struct ComponentView {
    component: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
    have: u16,
    need: Option<u16>,
    met: Option<bool>,
}

fn component_views(tcb: &TcbFacts) -> Vec<ComponentView> {
    let view = |need: SvnNeed| ComponentView {
        met: need.is_met(),
        component: need.component.to_string(),
        category: need.category,
        kind: need.kind,
        have: need.have,
        need: need.need,
    };
    tcb.needs().into_iter().map(view).collect()
}
