//! A judgement for people: the answer first, then why, then what to do.

use anyhow::Result;
use tdattest_verifier::result::{Judgement, Verdict};
use tdattest_verifier::verified::{SvnNeed, TcbEvaluation};
use tdattest_verifier::wire::quote::Body;
use tdattest_verifier::{Facts, Policy};

use crate::hint;
use crate::output::{self, GOOD, printable};
use crate::table::{Align, aligned, pairs};

/// A judgement, and what to do about it where whoever made it knows more than the judgement says.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    pub(crate) remedy: Option<String>,
}

impl From<Judgement> for Judged {
    fn from(judgement: Judgement) -> Self {
        Self { judgement, remedy: None }
    }
}

/// A judgement in words.
pub(crate) struct Report {
    /// What goes beside the answer: warnings, or why the answer is no.
    notes: Vec<String>,
    /// What was found out, if the quote is accepted.
    answer: String,
}

impl Report {
    /// Words a judgement.
    pub(crate) fn new(judged: &Judged) -> Self {
        let Judged { judgement, remedy } = judged;
        match judgement.facts() {
            Some(facts) if judgement.verdict() == Verdict::Accepted => {
                accepted(facts, judgement.policy())
            }
            _ => Self { notes: refused(judgement, remedy.as_deref()), answer: String::new() },
        }
    }

    /// Shows it: accepted on standard output, anything else on standard error.
    pub(crate) fn show(&self) -> Result<()> {
        self.notes.iter().for_each(|line| output::note(line));
        output::data(self.answer.as_bytes())
    }

    /// All of it in one text.
    pub(crate) fn whole(&self) -> String {
        let notes = self.notes.iter().map(|line| format!("{line}\n"));
        notes.chain([self.answer.clone()]).collect()
    }
}

/// The facts, what they do not say, and last, where the eye is, the answer.
fn accepted(facts: &Facts, policy: Option<&Policy>) -> Report {
    let mut notes = Vec::new();
    if debug(&facts.quote.body) {
        notes.push(output::warning("it runs in debug mode: its host can read and change it"));
    }
    notes.extend(custom_anchor(facts));
    let report_data_is_judged = policy.is_some_and(|policy| policy.report_data().is_some());
    let left = if report_data_is_judged {
        "the measurements"
    } else {
        "the measurements and the report data"
    };
    let mut answer = pairs(&rows(facts), "  ");
    let platform = match facts.trust_anchor.is_intel() {
        true => "a genuine, up-to-date platform",
        false => "an up-to-date platform under this root",
    };
    answer +=
        &format!("\nThis says that {platform} made the quote, not which TD or enclave it is:\n");
    answer += &format!("compare {left} above with the values you expect.\n\n");
    answer += &format!("{GOOD}Verification completed successfully.{GOOD:#}\n");
    Report { notes, answer }
}

/// Said of every result under a root that is not Intel's: such a result is worth what its root is worth.
fn custom_anchor(facts: &Facts) -> Option<String> {
    let anchor = &facts.trust_anchor;
    let (subject, key) = (anchor.subject(), anchor.fingerprint());
    let text = format!("trust anchor: custom, not Intel's: {subject} (key {key})");
    (!anchor.is_intel()).then(|| output::warning(&text))
}

fn refused(judgement: &Judgement, remedy: Option<&str>) -> Vec<String> {
    let errors = judgement.errors();
    let undecided = judgement.verdict() == Verdict::Undecided;
    let mut lines = Vec::new();
    for (index, error) in errors.iter().enumerate() {
        let prefix = match (index, undecided) {
            (0, true) => "undecided: ",
            (0, false) => "",
            _ => "also: ",
        };
        lines.push(output::problem(&format!("{prefix}{} [{}]", error.message, error.code)));
    }
    if let Some(facts) = judgement.facts() {
        let tcb_is_the_cause = errors
            .iter()
            .any(|error| error.code == "policy.tcb-status" || error.code.starts_with("tcb."));
        if tcb_is_the_cause {
            lines.extend(tcb(facts));
        }
        lines.extend(custom_anchor(facts));
    }
    let remedy = remedy.map(str::to_owned).or_else(|| hint::of(judgement));
    lines.extend(remedy.map(|remedy| output::hint(&remedy)));
    lines
}

/// The SVNs that fall short, beside what they need to be.
fn tcb(facts: &Facts) -> Option<String> {
    let tcb = facts.tcb.as_ref()?;
    let needs: Vec<SvnNeed> = tcb.needs().into_iter().filter(|need| need.falls_short()).collect();
    let mut text = String::new();
    if !needs.is_empty() {
        let mut rows = vec![["component", "what it is", "have", "need"].map(String::from).to_vec()];
        rows.extend(needs.iter().map(need_row));
        text += &aligned(&rows, &[Align::Left, Align::Left, Align::Right, Align::Right], "  ");
    }
    let mut rows = Vec::new();
    if let Some(evaluation) = &tcb.evaluation {
        rows.push(("status", statuses(evaluation)));
        rows.push(("TCB date", evaluation.date.to_string()));
        if !evaluation.advisory_ids.is_empty() {
            rows.push(("advisories", evaluation.advisory_ids.join(", ")));
        }
    }
    rows.push((
        "judged by",
        format!("TCB evaluation data number {}", tcb.evaluation_data_number()),
    ));
    text += &pairs(&rows, "  ");
    Some(text.trim_end().to_owned())
}

fn need_row(need: &SvnNeed) -> Vec<String> {
    let what = [need.category.as_str(), need.kind.as_str()];
    let what: Vec<&str> = what.into_iter().filter(|text| !text.is_empty()).collect();
    vec![
        need.component.to_string(),
        what.join(", "),
        need.have.to_string(),
        need.need.map(|svn| svn.to_string()).unwrap_or_default(),
    ]
}

fn statuses(evaluation: &TcbEvaluation) -> String {
    let mut parts = vec![format!("platform {}", evaluation.platform)];
    parts.extend(evaluation.tdx_module.map(|status| format!("TDX module {status}")));
    parts.push(format!("QE {}", evaluation.qe));
    parts.extend(evaluation.current.map(|status| format!("now {status}")));
    format!("{} ({})", evaluation.status, parts.join(", "))
}

/// What a relying party wants to see first.
fn rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let quote = &facts.quote;
    let version = quote.header.version.number();
    let mut rows = vec![(
        "quote",
        format!("{} v{version}, {}", quote.header.tee_type, quote.body.kind().name()),
    )];
    if let (Some(tcb), Some(evaluation)) = (&facts.tcb, facts.evaluation()) {
        rows.push(("TCB status", statuses(evaluation)));
        let number = tcb.evaluation_data_number();
        rows.push(("TCB date", format!("{}, evaluation data number {number}", evaluation.date)));
        if !evaluation.advisory_ids.is_empty() {
            rows.push(("advisories", evaluation.advisory_ids.join(", ")));
        }
    }
    if let Some(pck) = &facts.pck {
        let platform = format!("FMSPC {}, {}", pck.extension.fmspc, pck.issuer);
        rows.push(("platform", printable(&platform).into_owned()));
        rows.push(("PPID", pck.extension.ppid.to_string()));
    }
    body_rows(&quote.body, &mut rows);
    if quote.trailing_bytes > 0 {
        rows.push(("padding", format!("{} bytes follow the quote", quote.trailing_bytes)));
    }
    if let Some(until) = facts.valid_until() {
        rows.push(("valid until", format!("{until} (verified for {})", facts.now)));
    }
    rows.push(("trust anchor", trust_anchor(facts)));
    rows
}

fn trust_anchor(facts: &Facts) -> String {
    let anchor = &facts.trust_anchor;
    match anchor.is_intel() {
        true => anchor.name().into(),
        false => format!("custom: {}", anchor.subject()),
    }
}

fn body_rows(body: &Body, rows: &mut Vec<(&'static str, String)>) {
    if let Some(td) = body.td() {
        rows.push(("MRTD", td.mr_td.to_string()));
        let rtmrs = [
            ("RTMR0", td.rtmr_0),
            ("RTMR1", td.rtmr_1),
            ("RTMR2", td.rtmr_2),
            ("RTMR3", td.rtmr_3),
        ];
        rows.extend(rtmrs.map(|(name, rtmr)| (name, rtmr.to_string())));
        rows.push(("attributes", td.td_attributes.named().to_string()));
    }
    if let Some(enclave) = body.enclave() {
        rows.push(("MRENCLAVE", enclave.mr_enclave.to_string()));
        rows.push(("MRSIGNER", enclave.mr_signer.to_string()));
        rows.push(("ISVPRODID", enclave.isv_prod_id.to_string()));
        rows.push(("ISVSVN", enclave.isv_svn.to_string()));
        rows.push(("attributes", enclave.attributes.named().to_string()));
    }
    rows.push(("report data", body.report_data().to_string()));
}

fn debug(body: &Body) -> bool {
    body.td().is_some_and(|td| td.td_attributes.debug())
        || body.enclave().is_some_and(|enclave| enclave.attributes.debug())
}
