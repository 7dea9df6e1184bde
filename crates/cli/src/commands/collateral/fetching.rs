//! What every command that may fetch documents takes, and what that comes to.

use std::path::PathBuf;

use anyhow::Result;
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::{now, parse_time};
use crate::sources::keeper::Keeper;
use crate::sources::{SourceArgs, Sources, trust_anchor};

#[derive(clap::Args)]
pub(super) struct FetchingArgs {
    /// As of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    #[command(flatten)]
    sources: SourceArgs,
}

/// Where documents come from, under which root, and as of when.
pub(super) struct Fetching {
    pub(super) sources: Sources,
    pub(super) anchor: TrustAnchor,
    pub(super) now: UnixTime,
}

impl FetchingArgs {
    /// What the command line and the configuration come to.
    ///
    /// # Errors
    /// When the configuration or a file that is named cannot be used.
    pub(super) fn resolve(&self) -> Result<Fetching> {
        let config = self.sources.configuration()?;
        let anchor = trust_anchor(self.root.as_deref().or(config.root.as_deref()))?;
        let sources = self.sources.resolve()?;
        Ok(Fetching { sources, anchor, now: self.at.map_or_else(now, Ok)? })
    }

    /// Which set is asked for by name.
    pub(super) fn set(&self) -> Option<EvaluationDataSet> {
        self.sources.set()
    }
}

impl Fetching {
    /// Opens the sources.
    ///
    /// # Errors
    /// When one cannot be used as it is configured.
    pub(super) fn keeper(self) -> Result<Keeper> {
        Keeper::open(self.sources, self.anchor, self.now)
    }
}
