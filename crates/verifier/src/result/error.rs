//! Errors and findings in one shape: code, Intel's status, message.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use tdattest_wire::collateral::CollateralError;

use super::Judgement;
use crate::appraise::Finding;
use crate::error::VerifyError;

/// A reason for not accepting a quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorView {
    /// The stable code.
    pub code: &'static str,
    /// The name of the status that Intel's QVL has for it.
    pub qvl_status: Option<&'static str>,
    /// What was expected and found, in words.
    pub message: String,
}

pub(super) fn views(judgement: &Judgement) -> Vec<ErrorView> {
    match judgement {
        Judgement::Accepted(_) => Vec::new(),
        Judgement::Rejected(rejection) => rejection.findings().iter().map(of_finding).collect(),
        Judgement::Failed { failure, findings, .. } => {
            let errors = core::iter::once(failure.error()).chain(failure.others());
            errors.map(of_error).chain(findings.iter().map(of_finding)).collect()
        }
        Judgement::UnreadableQuote(fault) => alloc::vec![ErrorView {
            code: "quote.malformed",
            qvl_status: Some("UNSUPPORTED_QUOTE_FORMAT"),
            message: fault.to_string(),
        }],
        Judgement::Collateral(error) => alloc::vec![of_collateral(error)],
        Judgement::NoCollateral => alloc::vec![ErrorView {
            code: "collateral.missing",
            qvl_status: Some("MISSING_PARAMETERS"),
            message: "no collateral to verify the quote with".into(),
        }],
        Judgement::CollateralUnavailable(message) => alloc::vec![ErrorView {
            code: "collateral.missing",
            qvl_status: Some("MISSING_PARAMETERS"),
            message: message.clone(),
        }],
        Judgement::Input(message) => alloc::vec![ErrorView {
            code: "input.unreadable",
            qvl_status: None,
            message: message.clone(),
        }],
    }
}

fn of_error(error: &VerifyError) -> ErrorView {
    ErrorView {
        code: error.code(),
        qvl_status: Some(error.qvl_status()),
        message: error.to_string(),
    }
}

fn of_finding(finding: &Finding) -> ErrorView {
    ErrorView {
        code: finding.code(),
        qvl_status: finding.qvl_status(),
        message: finding.to_string(),
    }
}

fn of_collateral(error: &CollateralError) -> ErrorView {
    let missing = matches!(error, CollateralError::Missing(_));
    ErrorView {
        code: if missing { "collateral.missing" } else { "collateral.malformed" },
        qvl_status: missing.then_some("MISSING_PARAMETERS"),
        message: error.to_string(),
    }
}
