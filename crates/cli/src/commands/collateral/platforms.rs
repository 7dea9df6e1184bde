//! Which platforms' documents: those of a quote's platform, or of families that are named.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PckCa, PcsRequests};
use tdattest_verifier::wire::quote::{Quote, TeeType};

use crate::input;
use crate::output::Hinted;

/// The CA of a platform's PCK certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Ca {
    /// Platforms with one package
    Processor,
    /// Platforms with several packages
    Platform,
}

/// What the quotes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Tee {
    /// Enclaves
    Sgx,
    /// TDs
    Tdx,
}

impl From<Ca> for PckCa {
    fn from(ca: Ca) -> Self {
        match ca {
            Ca::Processor => Self::Processor,
            Ca::Platform => Self::Platform,
        }
    }
}

impl From<Tee> for TeeType {
    fn from(tee: Tee) -> Self {
        match tee {
            Tee::Sgx => Self::Sgx,
            Tee::Tdx => Self::Tdx,
        }
    }
}

/// The requests for a quote's collateral.
///
/// # Errors
/// When the quote cannot be read, or does not say which platform it is of.
pub(super) fn of_quote(path: &Path, set: EvaluationDataSet) -> Result<PcsRequests> {
    let bytes = input::quote(path).map_err(|problem| anyhow!(problem))?;
    let quote = Quote::parse(&bytes).map_err(|fault| anyhow!("{}: {fault}", input::shown(path)))?;
    PcsRequests::for_quote(&quote, set).map_err(|fault| {
        let text = format!("{}: {fault}", input::shown(path));
        Hinted::error(text, "name the platform: --fmspc, --ca and --tee")
    })
}
