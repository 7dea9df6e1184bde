//! The part of `manifest.json` that is run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Which file is which part of the collateral.
pub(super) type Files = BTreeMap<String, String>;

#[derive(Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) cases: Vec<Case>,
    #[serde(default)]
    pub(super) derived_negatives: Vec<Group>,
    #[serde(default)]
    pub(super) negatives: Vec<Negative>,
}

/// A quote with collateral, a time, and the verdict at that time.
#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) quote: String,
    pub(super) collateral: Files,
    pub(super) time: u64,
    pub(super) expected: Expected,
}

#[derive(Deserialize)]
pub(super) struct Expected {
    /// A TCB status, or `REJECT`.
    pub(super) verdict: String,
    pub(super) reject_reason: Option<String>,
    pub(super) platform_tcb_status: Option<String>,
    pub(super) tdx_module_status: Option<String>,
    pub(super) qe_status: Option<String>,
    pub(super) tcb_date: Option<String>,
    pub(super) advisory_ids: Option<Vec<String>>,
    pub(super) tcb_evaluation_data_number: Option<u32>,
}

/// Mutations of one case.
#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) base_case: String,
    pub(super) quote: String,
    pub(super) collateral: Files,
    pub(super) variants: Vec<Variant>,
}

#[derive(Deserialize)]
pub(super) struct Variant {
    pub(super) layer: String,
    pub(super) mutation: Mutation,
    pub(super) time: u64,
    pub(super) rejected_by_intel_qvl: bool,
    pub(super) rejected_by_dcap_qvl: bool,
}

#[derive(Deserialize)]
pub(super) struct Mutation {
    pub(super) name: String,
    pub(super) op: Option<String>,
    #[serde(default)]
    pub(super) offset: usize,
    #[serde(default)]
    pub(super) mask: String,
    #[serde(default)]
    pub(super) length: usize,
    #[serde(default)]
    pub(super) hex: String,
}

/// A file that must be refused.
#[derive(Deserialize)]
pub(super) struct Negative {
    pub(super) file: String,
    pub(super) kind: String,
}

impl Manifest {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("manifest.json");
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
    }
}
