//! Is it acceptable? A verified quote against a policy, every reason said.
//!
//! Source: RFC 9334, "Appraisal Policy for Evidence".
//! Must stay true: all findings are gathered, not the first alone, and one is enough to refuse.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::quote::Body;
use tdattest_wire::tcb_status::TcbStatus;

use crate::policy::Policy;
use crate::verified::VerifiedQuote;

/// A quote that a policy accepts. Only [`appraise`] can build one.
#[derive(Clone, Debug, PartialEq)]
pub struct AttestationResult {
    verified: VerifiedQuote,
    policy: Box<Policy>,
}

impl AttestationResult {
    /// The verified quote.
    pub fn verified(&self) -> &VerifiedQuote {
        &self.verified
    }

    /// The policy that accepts it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// A quote that a policy refuses, with every reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    findings: Vec<Finding>,
    verified: VerifiedQuote,
    policy: Box<Policy>,
}

impl Rejection {
    /// Every reason, at least one, the weightiest first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The quote, which is genuine all the same.
    pub fn verified(&self) -> &VerifiedQuote {
        &self.verified
    }

    /// The policy that refuses it.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.findings.iter().try_for_each(|finding| {
            write!(f, "{separator}{finding}")?;
            separator = "; ";
            Ok(())
        })
    }
}

impl core::error::Error for Rejection {}

/// A reason to refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// DEBUG is set: the host can read and change the TD or enclave.
    #[error("the {0} runs in debug mode: its host can read and change it")]
    Debug(&'static str),
    /// Another bit of the TD-under-debug group is set.
    #[error(
        "the TD runs under profiling: attribute bits {0:#04x} of the under-debug group are set"
    )]
    UnderDebug(u8),
    /// Attribute bits are set that this software does not know.
    #[error("bits of {field} are set that this version does not know: {bits:?}")]
    UnknownAttributes {
        /// Which attributes.
        field: &'static str,
        /// The numbers of the bits.
        bits: Vec<u8>,
    },
    /// The report data is not the expected one.
    #[error("report data is {found}, expected {expected}")]
    ReportData {
        /// What the policy demands.
        expected: ReportData,
        /// What the quote says.
        found: ReportData,
    },
    /// The TCB status is none that the policy accepts.
    #[error("TCB status is {0}, which the policy does not accept")]
    TcbStatus(TcbStatus),
}

impl Finding {
    /// The stable code: `policy.debug`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Debug(_) => "policy.debug",
            Self::UnderDebug(_) => "policy.under-debug",
            Self::UnknownAttributes { .. } => "policy.unknown-attributes",
            Self::ReportData { .. } => "policy.report-data",
            Self::TcbStatus(_) => "policy.tcb-status",
        }
    }

    /// Intel's QVL status for it; Intel's library judges TCB statuses alone.
    pub fn qvl_status(&self) -> Option<&'static str> {
        let Self::TcbStatus(status) = self else { return None };
        match status {
            TcbStatus::UpToDate => None,
            TcbStatus::SwHardeningNeeded => Some("TCB_SW_HARDENING_NEEDED"),
            TcbStatus::ConfigurationNeeded => Some("TCB_CONFIGURATION_NEEDED"),
            TcbStatus::ConfigurationAndSwHardeningNeeded => {
                Some("TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED")
            }
            TcbStatus::OutOfDate => Some("TCB_OUT_OF_DATE"),
            TcbStatus::OutOfDateConfigurationNeeded => Some("TCB_OUT_OF_DATE_CONFIGURATION_NEEDED"),
            TcbStatus::Revoked => Some("TCB_REVOKED"),
            TcbStatus::TdRelaunchAdvised => Some("TCB_TD_RELAUNCH_ADVISED"),
            TcbStatus::TdRelaunchAdvisedConfigurationNeeded => {
                Some("TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED")
            }
        }
    }
}

/// Appraises a verified quote.
///
/// # Errors
/// A [`Rejection`] with every finding.
pub fn appraise(verified: VerifiedQuote, policy: &Policy) -> Result<AttestationResult, Rejection> {
    let findings = findings(verified.body(), verified.tcb().status, policy);
    let policy = Box::new(policy.clone());
    if findings.is_empty() {
        Ok(AttestationResult { verified, policy })
    } else {
        Err(Rejection { findings, verified, policy })
    }
}

/// Everything that the policy has against a body and a status.
pub(crate) fn findings(body: &Body, status: TcbStatus, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    attribute_findings(body, policy, &mut findings);
    if let Some(expected) = policy.report_data {
        let found = *body.report_data();
        if !bool::from(expected.0.ct_eq(&found.0)) {
            findings.push(Finding::ReportData { expected, found });
        }
    }
    // No list makes a compromised platform acceptable.
    if status == TcbStatus::Revoked || !policy.accepted_tcb.contains(&status) {
        findings.push(Finding::TcbStatus(status));
    }
    findings
}

fn attribute_findings(body: &Body, policy: &Policy, findings: &mut Vec<Finding>) {
    if let Some(td) = body.td() {
        if td.td_attributes.debug() && !policy.allow_debug {
            findings.push(Finding::Debug("TD"));
        }
        // Allowing DEBUG allows bit 0 alone, never the rest of its group.
        let others = td.td_attributes.under_debug() & !1;
        if others != 0 {
            findings.push(Finding::UnderDebug(others));
        }
        // That group, bits 0 to 7, is reported above.
        let unknown = td.td_attributes.named().unknown();
        push_unknown("TDATTRIBUTES", unknown.into_iter().filter(|bit| *bit > 7), findings);
        push_unknown("XFAM", td.xfam.named().unknown().into_iter(), findings);
    }
    if let Some(enclave) = body.enclave() {
        if enclave.attributes.debug() && !policy.allow_debug {
            findings.push(Finding::Debug("enclave"));
        }
        push_unknown("ATTRIBUTES", enclave.attributes.named().unknown().into_iter(), findings);
    }
}

fn push_unknown(field: &'static str, bits: impl Iterator<Item = u8>, findings: &mut Vec<Finding>) {
    let bits: Vec<u8> = bits.collect();
    if !bits.is_empty() {
        findings.push(Finding::UnknownAttributes { field, bits });
    }
}
