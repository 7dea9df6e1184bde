//! The production quotes that the `dcap-qvl` crate ships, read by both verifiers' own readers.

use std::fs;

use anyhow::{Context, Result, anyhow};
use cargo_metadata::MetadataCommand;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::time::UnixTime;

/// A quote with its collateral, and a moment at which both verifiers accept it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) quote: Vec<u8>,
    pub(crate) bundle: Vec<u8>,
    pub(crate) ours: Collateral,
    pub(crate) theirs: dcap_qvl::QuoteCollateralV3,
    pub(crate) now: UnixTime,
}

/// Name, and a moment inside all windows.
const SAMPLES: [(&str, &str); 4] = [
    ("tdx_quote", "2025-06-25T00:00:00Z"),
    ("tdx_quote_outdated", "2026-03-01T00:00:00Z"),
    ("tdx_quote_td15ex", "2026-10-15T00:00:00Z"),
    ("sgx_quote", "2025-06-25T00:00:00Z"),
];

/// Reads all of them.
pub(crate) fn all() -> Result<Vec<Sample>> {
    let metadata = MetadataCommand::new()
        // Unfiltered, Cargo would download the crates of every other platform as well.
        .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
        .exec()
        .context("asking Cargo where dcap-qvl lies")?;
    let peer = metadata.packages.iter().find(|package| package.name.as_str() == "dcap-qvl");
    let folder = peer.and_then(|package| package.manifest_path.parent());
    let folder = folder.ok_or_else(|| anyhow!("dcap-qvl is no dependency"))?.join("sample");
    SAMPLES
        .iter()
        .map(|(name, now)| {
            let quote = fs::read(folder.join(name))?;
            let bundle = fs::read(folder.join(format!("{name}_collateral.json")))?;
            let (ours, theirs) =
                (Collateral::from_bundle(&bundle)?, serde_json::from_slice(&bundle)?);
            Ok(Sample { name, quote, bundle, ours, theirs, now: now.parse()? })
        })
        .collect::<Result<_>>()
        .context("reading the samples of dcap-qvl")
}
