//! What must be accepted: every format, every way to certify the PCK, padding, both PCK CAs, both TCB info versions.

use anyhow::Result;
use tdattest_simulator::{CertificationDraft, Format};
use tdattest_verifier::wire::pcs::PckCa;
use tdattest_verifier::wire::quote::CertificationDataType;

use super::{Bench, Draft, TDX_QUOTING_API, accepted, bundle};

/// Lengths that production quotes are padded by; the last pads to that length.
const PADDINGS: [usize; 2] = [70, 307];
const PADDED_LENGTH: usize = 8_000;

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let mut cases = Vec::new();
    for format in Format::ALL {
        cases.push(bench.case(format)?);
    }
    cases.extend(certifications(bench)?);
    cases.extend(paddings(bench)?);
    cases.push(version_2(bench)?);
    let processor = bench.with(|platform| platform.hardware.ca = PckCa::Processor);
    let why = "The PCK certificate and its CRL are by the processor CA.";
    let source = "PCS API v4, \"Get Revocation List\"".into();
    let case = processor.case(Format::V4_TD_1_0)?.named(accepted("processor-ca"), why);
    cases.push(Draft { source, ..case });
    Ok(cases)
}

fn certifications(bench: &Bench) -> Result<Vec<Draft>> {
    let platform = &bench.platform;
    let ppid = |kind| CertificationDraft::ppid(platform, kind);
    let chain = CertificationDraft::PckChain { chain: platform.pck_chain(), nul: false };
    let leaf = CertificationDraft::PckLeaf(Box::new(platform.pck()));
    let beside = "and the collateral has the PCK chain";
    let forms = [
        ("1-ppid", "the PPID in the clear", ppid(CertificationDataType::PpidCleartext)),
        ("2-ppid-rsa-2048", "an encrypted PPID", ppid(CertificationDataType::PpidRsa2048)),
        ("3-ppid-rsa-3072", "an encrypted PPID", ppid(CertificationDataType::PpidRsa3072)),
        ("4-pck-leaf", "the PCK certificate alone", leaf),
        ("5-without-nul", "the PCK chain without a NUL after it", chain),
    ];
    let base = bench.case(Format::V4_TD_1_0)?;
    let mut cases = Vec::new();
    for (name, what, certification) in forms {
        let mut quote = bench.quote(base.format)?;
        let mut collateral = bench.collateral(base.format.tee())?;
        let carried = matches!(certification, CertificationDraft::PckChain { .. });
        quote.certification = certification;
        collateral.pck_certificate_chain = (!carried).then(|| platform.pck_chain());
        let rest = if carried { String::new() } else { format!(", {beside}") };
        let number = name.chars().next().unwrap_or_default();
        let why = format!("Certification data of type {number}: {what}{rest}.");
        let case = base.clone().named(accepted(format!("certification-data.{name}")), &why);
        cases.push(Draft { quote: quote.mint()?, collateral: bundle(&collateral)?, ..case });
    }
    Ok(cases)
}

fn paddings(bench: &Bench) -> Result<Vec<Draft>> {
    let base = bench.case(Format::V4_TD_1_0)?;
    let padded = |name: &str, length: usize, how: String| -> Result<Draft> {
        let mut quote = bench.quote(base.format)?;
        quote.pad_to(length)?;
        let why = format!("Zero bytes follow the quote, {how}, as in production quotes.");
        let case = base.clone().named(accepted(format!("padding.{name}")), &why);
        Ok(Draft { quote: quote.mint()?, source: TDX_QUOTING_API.into(), ..case })
    };
    let mut cases = Vec::new();
    for padding in PADDINGS {
        let length = base.quote.len().saturating_add(padding);
        cases.push(padded(&padding.to_string(), length, format!("{padding} of them"))?);
    }
    let how = format!("up to a length of {PADDED_LENGTH}");
    cases.push(padded(&format!("to-{PADDED_LENGTH}"), PADDED_LENGTH, how)?);
    Ok(cases)
}

/// What PCS API v3 serves for SGX.
fn version_2(bench: &Bench) -> Result<Draft> {
    let base = bench.case(Format::V3_SGX)?;
    let mut collateral = bench.collateral(base.format.tee())?;
    collateral.tcb_info.content.version = 2;
    let why = "The TCB info is of version 2, which names every component.";
    let case = base.named(accepted("tcb-info.version-2"), why);
    let source = "PCS API v3, \"Get TCB Info\"".into();
    Ok(Draft { collateral: bundle(&collateral)?, source, ..case })
}
