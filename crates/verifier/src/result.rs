//! The one result of a judgement, accepted or not, and its documented JSON form.
//!
//! The form is `tdattest.verification/1`: `schema/verification-result.json` describes it. Fields may be added under the
//! same name; none changes its meaning or goes away.
//! Must stay true: a result is accepted only when [`appraise`](crate::appraise()) accepted it.

mod error;
mod quote;
mod tcb;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Serialize, Serializer};
use tdattest_wire::bytes::{Hex, ReportData};
use tdattest_wire::collateral::CollateralError;
use tdattest_wire::error::ParseError;
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use crate::appraise::{AttestationResult, Finding, Rejection, appraise, findings};
use crate::error::{ChainFault, CrlFault, Failure, VerifyError};
use crate::policy::Policy;
use crate::verified::{Facts, PckFacts, VerifiedQuote, Window};

pub use error::ErrorView;
use quote::QuoteView;
use tcb::TcbView;

/// The name of the JSON form.
pub const SCHEMA: &str = "tdattest.verification/1";

/// What came of judging a quote.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Judgement {
    /// Genuine, and acceptable to the policy.
    Accepted(AttestationResult),
    /// Genuine, but the policy refuses it.
    Rejected(Rejection),
    /// Not verified.
    Failed {
        /// Why.
        failure: Failure,
        /// What the policy has against it besides, if the TCB evaluation was reached.
        findings: Vec<Finding>,
        /// The policy.
        policy: Box<Policy>,
    },
    /// The quote cannot be read.
    UnreadableQuote(ParseError),
    /// The collateral cannot be read, or a part of it is missing.
    Collateral(CollateralError),
    /// There is no collateral at all.
    NoCollateral,
    /// Collateral was asked for, and could not be had. The text says of whom, and why.
    CollateralUnavailable(String),
    /// An input could not be had: no such file, no permission. The text says what and why.
    Input(String),
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Rely on it.
    Accepted,
    /// Do not rely on it.
    Refused,
    /// Something needed for an answer is missing: do not rely on it, but ask again.
    Undecided,
}

impl Judgement {
    /// Appraises what a verification gave.
    pub fn appraise(verified: Result<VerifiedQuote, Failure>, policy: &Policy) -> Self {
        match verified.map(|verified| appraise(verified, policy)) {
            Ok(Ok(result)) => Self::Accepted(result),
            Ok(Err(rejection)) => Self::Rejected(rejection),
            Err(failure) => {
                let facts = failure.facts();
                let against = |status| findings(&facts.quote.body, status, policy);
                let findings = facts.tcb_status().map(against).unwrap_or_default();
                Self::Failed { failure, findings, policy: Box::new(policy.clone()) }
            }
        }
    }

    /// The answer in one word.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Accepted(_) => Verdict::Accepted,
            Self::Failed { failure, .. }
                if matches!(failure.error(), VerifyError::PckChainMissing { .. }) =>
            {
                Verdict::Undecided
            }
            Self::Collateral(CollateralError::Missing(_))
            | Self::NoCollateral
            | Self::CollateralUnavailable(_) => Verdict::Undecided,
            Self::Rejected(_)
            | Self::Failed { .. }
            | Self::UnreadableQuote(_)
            | Self::Collateral(_)
            | Self::Input(_) => Verdict::Refused,
        }
    }

    /// Whether an input could not be read at all, which is not the same as refusing what it says.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::UnreadableQuote(_) | Self::Input(_) => true,
            Self::Collateral(error) => !matches!(error, CollateralError::Missing(_)),
            Self::Failed { failure, .. } => matches!(
                failure.error(),
                VerifyError::Chain { fault: ChainFault::Malformed(_), .. }
                    | VerifyError::Crl { fault: CrlFault::Malformed(_), .. }
            ),
            _ => false,
        }
    }

    /// What was established, if verification got that far.
    pub fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Accepted(result) => Some(result.verified().facts()),
            Self::Rejected(rejection) => Some(rejection.verified().facts()),
            Self::Failed { failure, .. } => Some(failure.facts()),
            Self::UnreadableQuote(_)
            | Self::Collateral(_)
            | Self::NoCollateral
            | Self::CollateralUnavailable(_)
            | Self::Input(_) => None,
        }
    }

    /// The policy that was applied.
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Accepted(result) => Some(result.policy()),
            Self::Rejected(rejection) => Some(rejection.policy()),
            Self::Failed { policy, .. } => Some(policy),
            _ => None,
        }
    }

    /// Every reason for not accepting, the one that decides first.
    pub fn errors(&self) -> Vec<ErrorView> {
        error::views(self)
    }

    /// The JSON form.
    pub fn to_json(&self) -> String {
        let facts = self.facts();
        let errors = self.errors();
        let view = View {
            schema: SCHEMA,
            verdict: self.verdict(),
            error: errors.first(),
            errors: &errors,
            policy: self.policy().map(PolicyView::new),
            tcb: TcbView::new(facts),
            at: facts.map(|facts| facts.now),
            valid_until: facts.and_then(Facts::valid_until),
            trust_anchor: facts.map(AnchorView::new),
            quote: facts.map(|facts| QuoteView::new(&facts.quote)),
            pck: facts.and_then(|facts| facts.pck.as_ref()).map(PckView::new),
            collateral: facts.map(CollateralView::new),
            windows: facts.map(window_views).unwrap_or_default(),
            checks: facts.map(check_views).unwrap_or_default(),
        };
        // No map with keys that are not strings and no failing serializer is in it.
        serde_json::to_string_pretty(&view).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    schema: &'static str,
    verdict: Verdict,
    error: Option<&'a ErrorView>,
    errors: &'a [ErrorView],
    policy: Option<PolicyView<'a>>,
    tcb: TcbView<'a>,
    at: Option<UnixTime>,
    valid_until: Option<UnixTime>,
    trust_anchor: Option<AnchorView<'a>>,
    quote: Option<QuoteView<'a>>,
    pck: Option<PckView<'a>>,
    collateral: Option<CollateralView<'a>>,
    windows: Vec<WindowView>,
    checks: Vec<CheckView>,
}

/// What was demanded: without it, nobody could tell an answer to a nonce from an answer to nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyView<'a> {
    accepted_tcb: &'a [TcbStatus],
    debug_allowed: bool,
    report_data: Option<&'a ReportData>,
}

impl<'a> PolicyView<'a> {
    fn new(policy: &'a Policy) -> Self {
        Self {
            accepted_tcb: policy.accepted_tcb(),
            debug_allowed: policy.allows_debug(),
            report_data: policy.report_data(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnchorView<'a> {
    kind: &'static str,
    name: &'a str,
    subject: &'a str,
    is_intel: bool,
    public_key_sha256: String,
}

impl<'a> AnchorView<'a> {
    fn new(facts: &'a Facts) -> Self {
        let anchor = &facts.trust_anchor;
        Self {
            kind: if anchor.is_intel() { "intel" } else { "custom" },
            name: anchor.name(),
            subject: anchor.subject(),
            is_intel: anchor.is_intel(),
            public_key_sha256: anchor.fingerprint(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PckView<'a> {
    serial: String,
    issuer: &'a str,
    ppid: String,
    fmspc: String,
    pce_id: String,
    pce_svn: u16,
    cpu_svn: String,
    component_svns: [u8; 16],
    sgx_type: &'static str,
    platform_instance_id: Option<String>,
    dynamic_platform: Option<bool>,
    cached_keys: Option<bool>,
    smt_enabled: Option<bool>,
}

impl<'a> PckView<'a> {
    fn new(pck: &'a PckFacts) -> Self {
        use alloc::string::ToString;
        let extension = &pck.extension;
        let configuration = extension.configuration.clone().unwrap_or_default();
        Self {
            serial: pck.serial.to_string(),
            issuer: &pck.issuer,
            ppid: extension.ppid.to_string(),
            fmspc: extension.fmspc.to_string(),
            pce_id: extension.pce_id.to_string(),
            pce_svn: extension.tcb.pce_svn,
            cpu_svn: extension.tcb.cpu_svn.to_string(),
            component_svns: extension.tcb.components,
            sgx_type: extension.sgx_type.name(),
            platform_instance_id: extension.platform_instance_id.map(|id| id.to_string()),
            dynamic_platform: configuration.dynamic_platform,
            cached_keys: configuration.cached_keys,
            smt_enabled: configuration.smt_enabled,
        }
    }
}

/// The object that the JSON form has under `pck`.
impl Serialize for PckFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PckView::new(self).serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CollateralView<'a> {
    tcb_info: Option<TcbInfoView>,
    qe_identity: Option<QeIdentityView>,
    crls: Vec<CrlView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TcbInfoView {
    tee: String,
    version: u8,
    fmspc: String,
    pce_id: String,
    issue_date: UnixTime,
    next_update: UnixTime,
    tcb_evaluation_data_number: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QeIdentityView {
    id: &'static str,
    issue_date: UnixTime,
    next_update: UnixTime,
    tcb_evaluation_data_number: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CrlView<'a> {
    artefact: &'static str,
    issuer: &'a str,
    number: String,
    revoked: usize,
}

impl<'a> CollateralView<'a> {
    fn new(facts: &'a Facts) -> Self {
        use alloc::string::ToString;
        let tcb = facts.tcb.as_ref();
        let crls = facts.crls.iter().map(|crl| CrlView {
            artefact: crl.artefact.name(),
            issuer: &crl.issuer,
            number: Hex(&crl.number).to_string(),
            revoked: crl.revoked,
        });
        Self {
            tcb_info: tcb.map(|tcb| TcbInfoView {
                tee: tcb.tcb_info.tee.to_string(),
                version: tcb.tcb_info.version,
                fmspc: tcb.tcb_info.fmspc.to_string(),
                pce_id: tcb.tcb_info.pce_id.to_string(),
                issue_date: tcb.tcb_info.issue_date,
                next_update: tcb.tcb_info.next_update,
                tcb_evaluation_data_number: tcb.tcb_info.tcb_evaluation_data_number,
            }),
            qe_identity: tcb.map(|tcb| QeIdentityView {
                id: tcb.qe_identity.id.name(),
                issue_date: tcb.qe_identity.issue_date,
                next_update: tcb.qe_identity.next_update,
                tcb_evaluation_data_number: tcb.qe_identity.tcb_evaluation_data_number,
            }),
            crls: crls.collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WindowView {
    artefact: &'static str,
    item: &'static str,
    not_before: UnixTime,
    not_after: UnixTime,
}

fn window_views(facts: &Facts) -> Vec<WindowView> {
    let view = |window: &Window| WindowView {
        artefact: window.artefact.name(),
        item: window.item,
        not_before: window.not_before,
        not_after: window.not_after,
    };
    facts.windows.iter().map(view).collect()
}

#[derive(Serialize)]
struct CheckView {
    code: &'static str,
    subject: &'static str,
    passed: bool,
    expected: String,
    found: String,
}

fn check_views(facts: &Facts) -> Vec<CheckView> {
    use alloc::string::ToString;
    let checks = facts.checks.iter().map(|check| CheckView {
        code: check.code,
        subject: check.subject,
        passed: check.passed,
        expected: check.expected.to_string(),
        found: check.found.to_string(),
    });
    checks.collect()
}
