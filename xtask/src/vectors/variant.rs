//! One mutated case: refused wherever Intel's library refuses, accepted where both it and `dcap-qvl` accept.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER_PERMISSIVE;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::signed::{Document, Signed};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

use super::case;
use super::manifest::{Case, Group, Manifest, Mutation, Variant};

pub(super) fn check(
    folder: &Path,
    manifest: &Manifest,
    group: &Group,
    variant: &Variant,
) -> Result<()> {
    let mut quote = case::read(folder, &group.quote)?;
    let mut collateral = case::collateral(folder, &group.collateral)?;
    let anchor = case::anchor(folder, &group.collateral)?;
    match variant.layer.as_str() {
        "control" | "time" => {}
        "quote" => mutate_quote(&mut quote, &variant.mutation)?,
        "collateral" => mutate_collateral(&mut collateral, &variant.mutation.name)?,
        "mismatch" => swap(folder, manifest, &mut collateral, &variant.mutation.name)?,
        other => bail!("layer `{other}` is not known"),
    }
    let outcome = judge(&quote, &collateral, anchor, variant.time);
    if variant.rejected_by_intel_qvl {
        ensure!(outcome.is_err(), "accepted, but Intel's library refuses it");
    } else if !variant.rejected_by_dcap_qvl {
        outcome.context("refused, but both Intel's library and dcap-qvl accept it")?;
    }
    Ok(())
}

fn judge(quote: &[u8], collateral: &Collateral, anchor: TrustAnchor, at: u64) -> Result<()> {
    let quote = Quote::parse(quote)?;
    let verifier = Verifier::new(anchor, crypto::aws_lc());
    verifier.verify(&quote, collateral, case::time(at)?)?;
    Ok(())
}

fn mutate_quote(quote: &mut Vec<u8>, mutation: &Mutation) -> Result<()> {
    let decode = |hex: &str| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).context("hexadecimal");
    match mutation.op.as_deref() {
        Some("truncate") => quote.truncate(mutation.length),
        Some("append") => quote.extend(decode(&mutation.hex)?),
        Some("xor") => {
            let target = quote.iter_mut().skip(mutation.offset);
            target.zip(decode(&mutation.mask)?).for_each(|(byte, mask)| *byte ^= mask);
        }
        other => bail!("operation {other:?} is not known"),
    }
    Ok(())
}

fn mutate_collateral(collateral: &mut Collateral, name: &str) -> Result<()> {
    match name {
        "tcbInfo signature bit flipped" => flip_signature(&mut collateral.tcb_info),
        "identity signature bit flipped" => flip_signature(&mut collateral.qe_identity),
        "tcbInfo level status forged to UpToDate" => forge_status(&mut collateral.tcb_info)?,
        "PCK CRL signature byte flipped" => flip_last(&mut collateral.pck_crl)?,
        "root CRL signature byte flipped" => flip_last(&mut collateral.root_ca_crl)?,
        other => bail!("mutation `{other}` is not known"),
    }
    Ok(())
}

fn flip_signature<T: Document>(document: &mut Signed<T>) {
    let mut signature = *document.signature();
    if let Some(byte) = signature.0.last_mut() {
        *byte ^= 1;
    }
    *document = Signed::new(document.signed_bytes().to_vec(), signature);
}

fn forge_status<T: Document>(document: &mut Signed<T>) -> Result<()> {
    let text = String::from_utf8(document.signed_bytes().to_vec())?;
    let forged = text.replacen("\"OutOfDate\"", "\"UpToDate\"", 1);
    ensure!(forged != text, "no OutOfDate level to forge");
    *document = Signed::new(forged.into_bytes(), *document.signature());
    Ok(())
}

fn flip_last(bytes: &mut [u8]) -> Result<()> {
    *bytes.last_mut().context("empty CRL")? ^= 1;
    Ok(())
}

/// Takes parts from the first case that differs in the way the mutation's name says.
fn swap(folder: &Path, manifest: &Manifest, collateral: &mut Collateral, name: &str) -> Result<()> {
    let own = collateral.tcb_info.open_untrusted()?;
    for Case { collateral: files, .. } in &manifest.cases {
        let other = case::collateral(folder, files)?;
        let info = other.tcb_info.open_untrusted()?;
        match name {
            "tcbInfo of another FMSPC" if info.tee == own.tee && info.fmspc != own.fmspc => {
                collateral.tcb_info = other.tcb_info;
            }
            "tcbInfo+identity of the other TEE" if info.tee != own.tee => {
                collateral.tcb_info = other.tcb_info;
                collateral.qe_identity = other.qe_identity;
            }
            "PCK CRL of the other CA" if other.pck_crl.len() + 1000 < collateral.pck_crl.len() => {
                // The Processor CA revokes far fewer certificates than the Platform CA.
                collateral.pck_crl = other.pck_crl;
            }
            _ => continue,
        }
        return Ok(());
    }
    bail!("no case to take `{name}` from")
}
