//! One minted case: what `case.toml` says.
//!
//! Source: `schema/vector-case.json`, `vectors/README.md`. Members are written in the order in which they stand here.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tdattest_verifier::result::{Judgement, Verdict};
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::time::UnixTime;

/// The name of the form.
pub(super) const SCHEMA: &str = "tdattest.vector/1";

/// The file of a case.
pub(super) const FILE: &str = "case.toml";

/// What to verify, how, and what must come of it. Paths are relative to the case's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) schema: String,
    pub(super) why: String,
    pub(super) source: String,
    pub(super) tee: String,
    pub(super) format: String,
    pub(super) quote: String,
    pub(super) collateral: String,
    pub(super) root: String,
    pub(super) at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<String>,
    pub(super) policy: Demands,
    pub(super) expect: Expectation,
}

/// The appraisal policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Demands {
    pub(super) accept_tcb: Vec<String>,
    pub(super) dangerous_allow_debug: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report_data: Option<String>,
}

impl Demands {
    /// Nothing but what a policy demands that loosens nothing.
    pub(super) fn strict() -> Self {
        let accept_tcb = vec![TcbStatus::UpToDate.name().to_owned()];
        Self { accept_tcb, dangerous_allow_debug: false, report_data: None }
    }

    /// Also accepts this status.
    pub(super) fn accepting(status: TcbStatus) -> Self {
        let accept_tcb = [TcbStatus::UpToDate, status].map(|status| status.name().to_owned());
        Self { accept_tcb: accept_tcb.to_vec(), ..Self::strict() }
    }
}

/// What must come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    pub(super) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) intel_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcb: Option<Tcb>,
}

/// The TCB evaluation, where the verification gets that far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tcb {
    pub(super) status: String,
    pub(super) platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tdx_module: Option<String>,
    pub(super) qe: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<String>,
    pub(super) date: String,
    pub(super) advisory_ids: Vec<String>,
}

impl Vector {
    /// Reads the case of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let reading = || format!("reading {}", path.display());
        let vector: Self = toml::from_str(&fs::read_to_string(&path).with_context(reading)?)
            .with_context(reading)?;
        let schema = &vector.schema;
        ensure!(schema == SCHEMA, "{} is of form {schema}, expected {SCHEMA}", path.display());
        Ok(vector)
    }

    /// The text of its file.
    pub(super) fn to_toml(&self) -> Result<String> {
        let text = toml::to_string(self).with_context(|| format!("writing {}", self.why))?;
        Ok(format!("# Minted by `cargo xtask vectors --mint`; not to be edited.\n{text}"))
    }

    /// The time of the verification.
    pub(super) fn time(&self) -> Result<UnixTime> {
        self.at.parse().with_context(|| format!("`at` is {}, expected an RFC 3339 time", self.at))
    }
}

impl Expectation {
    /// What came of a judgement, in the words of a case.
    pub(super) fn of(judgement: &Judgement) -> Result<Self> {
        let errors = judgement.errors();
        let codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
        ensure!(codes.len() < 2, "refused for {}, expected one reason", codes.join(" and "));
        let error = errors.first();
        let verdict = match judgement.verdict() {
            Verdict::Accepted => "accepted",
            Verdict::Refused => "refused",
            Verdict::Undecided => "undecided",
        };
        Ok(Self {
            verdict: verdict.into(),
            code: error.map(|error| error.code.into()),
            intel_status: error.and_then(|error| error.qvl_status).map(str::to_owned),
            tcb: judgement.facts().and_then(|facts| facts.evaluation()).map(|tcb| Tcb {
                status: tcb.status.to_string(),
                platform: tcb.platform.to_string(),
                tdx_module: tcb.tdx_module.map(|status| status.to_string()),
                qe: tcb.qe.to_string(),
                current: tcb.current.map(|status| status.to_string()),
                date: tcb.date.to_string(),
                advisory_ids: tcb.advisory_ids.clone(),
            }),
        })
    }
}
