//! One production quote: the same status, advisories and dates as Intel's library.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use tdattest_verifier::wire::collateral::{Collateral, Part};
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::{pem, time::UnixTime};
use tdattest_verifier::{Facts, TrustAnchor, Verifier, crypto};

use super::manifest::{Case, Expected, Files};

/// Checks every provider: they must agree.
pub(super) fn check(folder: &Path, case: &Case) -> Result<()> {
    let bytes = read(folder, &case.quote)?;
    let quote = Quote::parse(&bytes)?;
    ensure!(bytes.starts_with(&quote.write()), "writing the parsed quote gives other bytes");
    let collateral = collateral(folder, &case.collateral)?;
    for provider in [crypto::aws_lc(), crypto::rust_crypto()] {
        let verifier = Verifier::new(anchor(folder, &case.collateral)?, provider);
        let now = time(case.time)?;
        match verifier.verify(&quote, &collateral, now) {
            Ok(verified) => compare(&case.expected, verified.facts())?,
            Err(failure) => {
                let reason = case.expected.reject_reason.as_deref();
                ensure!(
                    reason == Some(failure.error().qvl_status()),
                    "refused with {} ({failure}), expected {} {}",
                    failure.error().code(),
                    case.expected.verdict,
                    reason.unwrap_or_default(),
                );
            }
        }
    }
    Ok(())
}

fn compare(expected: &Expected, facts: &Facts) -> Result<()> {
    let tcb = facts.evaluation().context("verified without an evaluation")?;
    let name = |status: Option<TcbStatus>| status.map(TcbStatus::name);
    same("status", Some(expected.verdict.as_str()), Some(manifest_name(tcb.status)))?;
    same("platform status", expected.platform_tcb_status.as_deref(), name(Some(tcb.platform)))?;
    same("TDX module status", expected.tdx_module_status.as_deref(), name(tcb.tdx_module))?;
    same("QE status", expected.qe_status.as_deref(), name(Some(tcb.qe)))?;
    same("TCB date", expected.tcb_date.clone(), Some(tcb.date.to_string()))?;
    same("advisory ids", expected.advisory_ids.clone(), Some(tcb.advisory_ids.clone()))?;
    let number = facts.tcb.as_ref().map(|tcb| tcb.tcb_info.tcb_evaluation_data_number);
    same("TCB evaluation data number", expected.tcb_evaluation_data_number, number)
}

/// The manifest shortens the relaunch statuses.
fn manifest_name(status: TcbStatus) -> &'static str {
    let name = status.name();
    name.strip_prefix("TD").filter(|short| short.starts_with("Relaunch")).unwrap_or(name)
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: Option<T>,
    found: Option<T>,
) -> Result<()> {
    ensure!(expected == found, "{what} is {found:?}, expected {expected:?}");
    Ok(())
}

pub(super) fn read(folder: &Path, file: &str) -> Result<Vec<u8>> {
    fs::read(folder.join(file)).with_context(|| format!("reading {file}"))
}

pub(super) fn time(seconds: u64) -> Result<UnixTime> {
    UnixTime::from_secs(seconds).with_context(|| format!("time {seconds} is after the year 9999"))
}

/// The files of a case under the names of our parts: one signing chain serves both documents.
pub(super) fn collateral(folder: &Path, files: &Files) -> Result<Collateral> {
    let parts = Part::ALL.iter().map(|part| {
        let key = match part {
            Part::TcbInfoIssuerChain | Part::QeIdentityIssuerChain => "tcb_signing_chain",
            other => other.name(),
        };
        files.get(key).map(|file| read(folder, file)).transpose()
    });
    let parts: Vec<Option<Vec<u8>>> = parts.collect::<Result<_>>()?;
    let part = |which: Part| {
        let index = Part::ALL.iter().position(|part| *part == which)?;
        parts.get(index).cloned().flatten()
    };
    Ok(Collateral::from_parts(part)?)
}

pub(super) fn anchor(folder: &Path, files: &Files) -> Result<TrustAnchor> {
    let file = files.get("trusted_root").context("the case names no trusted_root")?;
    let certificates = pem::certificates(&read(folder, file)?)?;
    let root = certificates.first().ok_or_else(|| anyhow!("{file} is empty"))?;
    Ok(TrustAnchor::from_der(root)?)
}
