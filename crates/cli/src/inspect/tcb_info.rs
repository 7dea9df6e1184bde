//! TCB info: the levels of a platform family and of its TDX modules.

use serde::Serialize;
use tdattest_verifier::wire::attributes::SeamAttributes;
use tdattest_verifier::wire::bytes::{Fmspc, Measurement, PceId};
use tdattest_verifier::wire::tcb_info::{
    ComponentName, IsvSvnLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity,
};
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::time::UnixTime;

use super::json::Form;
use super::page::{Page, count, date};
use crate::table::Align;

/// As far to the right as a line with advisories goes, unless one of them is longer.
const LINE_WIDTH: usize = 96;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TcbInfoView {
    form: Form,
    pub(super) tee: &'static str,
    version: u8,
    pub(super) issue_date: UnixTime,
    pub(super) next_update: UnixTime,
    pub(super) fmspc: Fmspc,
    pce_id: PceId,
    pub(super) tcb_evaluation_data_number: u32,
    components: Vec<ComponentView>,
    tdx_module: Option<TdxModuleView>,
    tdx_module_identities: Vec<TdxModuleIdentityView>,
    pub(super) tcb_levels: Vec<TcbLevelView>,
}

/// What a component is; only those that Intel names.
#[derive(Serialize)]
struct ComponentView {
    component: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModuleView {
    mr_signer: Measurement,
    attributes: SeamAttributes,
    attributes_mask: SeamAttributes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TdxModuleIdentityView {
    id: String,
    #[serde(flatten)]
    module: TdxModuleView,
    tcb_levels: Vec<IsvSvnLevelView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TcbLevelView {
    tcb_status: TcbStatus,
    tcb_date: UnixTime,
    pce_svn: u16,
    sgx: [u8; 16],
    tdx: Option<[u8; 16]>,
    advisory_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IsvSvnLevelView {
    tcb_status: Option<TcbStatus>,
    tcb_date: UnixTime,
    isv_svn: u16,
    advisory_ids: Vec<String>,
}

impl TcbInfoView {
    pub(super) fn new(document: TcbInfo, form: Form) -> Self {
        let identities = document.tdx_module_identities.into_iter();
        Self {
            form,
            tee: document.tee.name(),
            version: document.version,
            issue_date: document.issue_date,
            next_update: document.next_update,
            fmspc: document.fmspc,
            pce_id: document.pce_id,
            tcb_evaluation_data_number: document.tcb_evaluation_data_number,
            components: component_views("SGX", &document.sgx_components)
                .chain(component_views("TDX", &document.tdx_components))
                .collect(),
            tdx_module: document.tdx_module.map(TdxModuleView::new),
            tdx_module_identities: identities.map(TdxModuleIdentityView::new).collect(),
            tcb_levels: document.tcb_levels.into_iter().map(TcbLevelView::new).collect(),
        }
    }

    pub(super) fn title(&self) -> String {
        format!("TCB info, version {}, {}", self.version, self.tee)
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.heading("document");
        page.pairs(&[
            ("FMSPC", self.fmspc.to_string()),
            ("PCEID", self.pce_id.to_string()),
            ("issued", self.issue_date.to_string()),
            ("next update", self.next_update.to_string()),
            ("TCB evaluation data number", self.tcb_evaluation_data_number.to_string()),
            self.form.row(),
        ]);
        self.show_components(page);
        self.show_levels(page);
        self.show_modules(page);
    }

    fn show_components(&self, page: &mut Page) {
        if self.components.is_empty() {
            return;
        }
        page.heading("components with a name");
        let rows: Vec<_> = self
            .components
            .iter()
            .map(|it| vec![it.component.clone(), it.category.clone(), it.kind.clone()])
            .collect();
        page.table(&rows, &[]);
    }

    fn show_levels(&self, page: &mut Page) {
        page.heading("TCB levels, highest first");
        let (sgx, tdx) = self.used_components();
        let head =
            |tee: &'static str| move |index: &usize| format!("{tee}{}", index.saturating_add(1));
        let mut rows = vec![["status", "TCB date", "PCESVN"].map(String::from).to_vec()];
        if let Some(first) = rows.first_mut() {
            first.extend(sgx.iter().map(head("S")));
            first.extend(tdx.iter().map(head("T")));
        }
        rows.extend(self.tcb_levels.iter().map(|level| level.row(&sgx, &tdx)));
        let numbers = std::iter::repeat_n(
            Align::Right,
            sgx.len().saturating_add(tdx.len()).saturating_add(1),
        );
        let alignments: Vec<Align> = [Align::Left; 2].into_iter().chain(numbers).collect();
        page.table(&rows, &alignments);
        page.gap();
        page.line(
            "S1 to S16 are the SGX components, T1 to T16 the TDX components; those not shown are 0",
        );
        self.show_advisories(page);
    }

    /// The components that are not zero in every level.
    fn used_components(&self) -> (Vec<usize>, Vec<usize>) {
        let used = |svns: &dyn Fn(&TcbLevelView) -> Option<[u8; 16]>| {
            let is_used = |index: &usize| {
                let svn = |level| svns(level).and_then(|svns| svns.get(*index).copied());
                self.tcb_levels.iter().filter_map(svn).any(|svn| svn != 0)
            };
            (0..16).filter(is_used).collect()
        };
        (used(&|level| Some(level.sgx)), used(&|level| level.tdx))
    }

    fn show_advisories(&self, page: &mut Page) {
        let with_advisories = self.tcb_levels.iter().filter(|level| !level.advisory_ids.is_empty());
        let mut rows = Vec::new();
        for level in with_advisories {
            let mut name = format!("{} of {}", level.tcb_status, date(level.tcb_date));
            for line in wrapped(&level.advisory_ids) {
                rows.push(vec![std::mem::take(&mut name), line]);
            }
        }
        if !rows.is_empty() {
            page.heading("advisories by level");
            page.table(&rows, &[]);
        }
    }

    fn show_modules(&self, page: &mut Page) {
        if let Some(module) = &self.tdx_module {
            page.heading("TDX module without an identity (version 0)");
            page.pairs(&module.rows());
        }
        for identity in &self.tdx_module_identities {
            page.heading(&format!("TDX module {}", identity.id));
            page.pairs(&identity.module.rows());
            page.gap();
            show_isv_svn_levels(&identity.tcb_levels, page);
        }
    }
}

impl TcbLevelView {
    fn new(level: TcbLevel) -> Self {
        let TcbLevel { sgx, pce_svn, tdx, tcb_date, tcb_status, advisory_ids } = level;
        Self { tcb_status, tcb_date, pce_svn, sgx, tdx, advisory_ids }
    }

    fn row(&self, sgx: &[usize], tdx: &[usize]) -> Vec<String> {
        let svn =
            |svns: &[u8; 16], index: usize| svns.get(index).map(u8::to_string).unwrap_or_default();
        let mut row =
            vec![self.tcb_status.to_string(), date(self.tcb_date), self.pce_svn.to_string()];
        row.extend(sgx.iter().map(|index| svn(&self.sgx, *index)));
        row.extend(self.tdx.iter().flat_map(|svns| tdx.iter().map(|index| svn(svns, *index))));
        row
    }
}

impl IsvSvnLevelView {
    pub(super) fn new(level: IsvSvnLevel) -> Self {
        let IsvSvnLevel { isv_svn, tcb_date, tcb_status, advisory_ids } = level;
        Self { tcb_status, tcb_date, isv_svn, advisory_ids }
    }
}

impl TdxModuleView {
    fn new(module: TdxModule) -> Self {
        let TdxModule { mr_signer, attributes, attributes_mask } = module;
        Self { mr_signer, attributes, attributes_mask }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("MRSIGNERSEAM", self.mr_signer.to_string()),
            ("SEAMATTRIBUTES", format!("{} under mask {}", self.attributes, self.attributes_mask)),
        ]
    }
}

impl TdxModuleIdentityView {
    fn new(identity: TdxModuleIdentity) -> Self {
        let TdxModuleIdentity { id, module, tcb_levels } = identity;
        let tcb_levels = tcb_levels.into_iter().map(IsvSvnLevelView::new).collect();
        Self { id, module: TdxModuleView::new(module), tcb_levels }
    }
}

/// Levels that have one SVN.
pub(super) fn show_isv_svn_levels(levels: &[IsvSvnLevelView], page: &mut Page) {
    let mut rows = vec![["status", "TCB date", "ISVSVN", "advisories"].map(String::from).to_vec()];
    rows.extend(levels.iter().map(|level| {
        vec![
            level
                .tcb_status
                .map(|status| status.to_string())
                .unwrap_or("(not one a component has)".into()),
            date(level.tcb_date),
            level.isv_svn.to_string(),
            level.advisory_ids.join(", "),
        ]
    }));
    page.table(&rows, &[Align::Left, Align::Left, Align::Right]);
}

/// What a collateral row says of it.
pub(super) fn summary(view: &TcbInfoView) -> String {
    let levels = count(view.tcb_levels.len(), "level");
    let number = view.tcb_evaluation_data_number;
    format!("{}, FMSPC {}, evaluation data number {number}, {levels}", view.tee, view.fmspc)
}

fn component_views(tee: &str, names: &[ComponentName; 16]) -> impl Iterator<Item = ComponentView> {
    let named = names
        .iter()
        .zip(1..)
        .filter(|(name, _)| !name.category.is_empty() || !name.kind.is_empty());
    let view = move |(name, number): (&ComponentName, u8)| ComponentView {
        component: format!("{tee} component {number}"),
        category: name.category.clone(),
        kind: name.kind.clone(),
    };
    named.map(view)
}

/// The ids in lines of bounded width.
fn wrapped(ids: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for id in ids {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(id.len()) < LINE_WIDTH => {
                line.push_str(", ");
                line.push_str(id);
            }
            _ => lines.push(id.clone()),
        }
    }
    lines
}
