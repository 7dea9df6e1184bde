//! One file that was made to fail: it must be refused, whatever is put beside it. Of a PKI without quotes, it is only
//! shown that reading it does no harm.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use tdattest_verifier::wire::certificate::Certificate;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::signed::Signed;
use tdattest_verifier::wire::tcb_info::TcbInfo;
use tdattest_verifier::wire::{crl::Crl, pem};
use tdattest_verifier::{Verifier, crypto};

use super::case::{self, read};
use super::manifest::{Case, Manifest, Negative};

pub(super) fn check(folder: &Path, manifest: &Manifest, negative: &Negative) -> Result<()> {
    let kind = negative.kind.as_str();
    if kind.starts_with("Intel QVL integration-test PKI case") {
        return readable_or_refused(folder, &negative.file);
    }
    let bytes = read(folder, &negative.file)?;
    match kind {
        "tcbInfo JSON meant to fail to parse or verify" => refused_tcb_info(&bytes),
        "quote-trunc" | "quote-badsig" => {
            ensure!(Quote::parse(&bytes).is_err(), "parsed as a quote");
            Ok(())
        }
        "quote meant to fail (crypto)" => refused_everywhere(folder, manifest, &bytes),
        other => bail!("kind `{other}` is not known"),
    }
}

/// Whoever signed it, it is no TCB info.
fn refused_tcb_info(bytes: &[u8]) -> Result<()> {
    let Ok(document) = Signed::<TcbInfo>::from_outer(bytes) else { return Ok(()) };
    ensure!(document.open_untrusted().is_err(), "read as TCB info");
    Ok(())
}

/// Refused with every collateral of the manifest, each at its own time.
fn refused_everywhere(folder: &Path, manifest: &Manifest, bytes: &[u8]) -> Result<()> {
    let Ok(quote) = Quote::parse(bytes) else { return Ok(()) };
    for Case { collateral: files, time, id, .. } in &manifest.cases {
        let collateral = case::collateral(folder, files)?;
        let verifier = Verifier::new(case::anchor(folder, files)?, crypto::aws_lc());
        let outcome = verifier.verify(&quote, &collateral, case::time(*time)?);
        ensure!(outcome.is_err(), "accepted with the collateral of {id}");
    }
    Ok(())
}

/// Certificates and CRLs under a test root of 2018: reading them must not panic.
fn readable_or_refused(folder: &Path, case: &str) -> Result<()> {
    for entry in std::fs::read_dir(folder.join(case))? {
        let bytes = std::fs::read(entry?.path())?;
        if let Ok(der) = pem::crl(&bytes) {
            let _ = Crl::parse(&der);
        }
        for der in pem::certificates(&bytes).unwrap_or_default() {
            let _ = Certificate::parse(&der);
        }
    }
    Ok(())
}
