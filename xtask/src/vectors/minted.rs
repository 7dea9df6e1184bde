//! Runs minted cases: each folder with a `case.toml`, judged with every cryptography provider.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tdattest_verifier::crypto::{self, Crypto};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::{Policy, TrustAnchor, Verifier};

use super::case::read;
use super::vector::{Demands, Expectation, FILE, Vector};

/// The folders of cases.
pub(super) const GROUPS: [&str; 2] = ["accepted", "refused"];

/// Whether a folder holds minted cases.
pub(super) fn is_here(folder: &Path) -> bool {
    GROUPS.iter().all(|group| folder.join(group).is_dir())
}

/// The folders of all cases of a group, in the order of their names.
pub(super) fn cases(folder: &Path, group: &str) -> Result<Vec<PathBuf>> {
    let group = folder.join(group);
    let mut found = Vec::new();
    for entry in fs::read_dir(&group).with_context(|| format!("reading {}", group.display()))? {
        let case = entry?.path();
        if case.is_dir() {
            found.push(case);
        }
    }
    found.sort();
    Ok(found)
}

/// Checks one case.
pub(super) fn check(folder: &Path) -> Result<()> {
    let vector = Vector::read(folder)?;
    for provider in [crypto::aws_lc(), crypto::rust_crypto()] {
        let found = Expectation::of(&judge(folder, &vector, provider)?)?;
        let expected = &vector.expect;
        ensure!(found == *expected, "{FILE} expects {expected:?}, found {found:?}");
    }
    Ok(())
}

fn judge(folder: &Path, vector: &Vector, provider: &'static dyn Crypto) -> Result<Judgement> {
    let (quote, collateral) = (read(folder, &vector.quote)?, read(folder, &vector.collateral)?);
    let root = pem::certificates(&read(folder, &vector.root)?)?;
    let root = root.first().with_context(|| format!("{} holds no certificate", vector.root))?;
    let verifier = Verifier::new(TrustAnchor::from_der(root)?, provider);
    let quote = match Quote::parse(&quote) {
        Ok(quote) => quote,
        Err(fault) => return Ok(Judgement::UnreadableQuote(fault)),
    };
    let collateral = match Collateral::from_bundle(&collateral) {
        Ok(collateral) => collateral,
        Err(fault) => return Ok(Judgement::Collateral(fault)),
    };
    let verified = verifier.verify(&quote, &collateral, vector.time()?);
    Ok(Judgement::appraise(verified, &policy(&vector.policy)?))
}

fn policy(demands: &Demands) -> Result<Policy> {
    let mut policy = Policy::genuine_platform();
    for name in &demands.accept_tcb {
        let status = TcbStatus::from_name(name);
        policy = policy.accept_tcb(status.with_context(|| format!("no TCB status `{name}`"))?);
    }
    if demands.dangerous_allow_debug {
        policy = policy.dangerous_allow_debug();
    }
    match &demands.report_data {
        Some(report_data) => Ok(policy.expect_report_data(report_data.parse()?)),
        None => Ok(policy),
    }
}
