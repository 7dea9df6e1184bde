//! Every fault of the simulator: a case for each code of a verification error.

use anyhow::Result;
use tdattest_simulator::{Broken, Fault, Format, MintError};
use tdattest_verifier::error::Artefact;

use super::{Bench, Draft, SGX_QUOTING_API, TDX_QUOTING_API, bundle, refused, slug};

/// The format of a fault's case: the usual one, or the one that has what the fault breaks.
const USUAL: Format = Format::V4_TD_1_0;
const WITH_SVNS_OF_NOW: Format = Format::V5_TD_1_5;

/// Faults that have a second case, in another format, and where that is specified.
const AGAIN: [(Fault, Format, &str); 9] = [
    (Fault::TcbInfoOfOtherTee, Format::V3_SGX, "PCS API v4, \"Get SGX TCB Info\""),
    (Fault::Fmspc, Format::V3_SGX, "PCS API v4, \"Get SGX TCB Info\""),
    (Fault::QeReportSignature, Format::V3_SGX, SGX_QUOTING_API),
    (Fault::QeIdentityOfOtherEnclave, Format::V3_SGX, "PCS API v4, \"Get SGX QE Identity\""),
    (Fault::QeMrSigner, Format::V3_SGX, "PCS API v4, \"Get SGX QE Identity\""),
    (Fault::QuoteSignature, Format::V3_SGX, SGX_QUOTING_API),
    (Fault::QuoteSignature, Format::V5_TD_1_5, TDX_QUOTING_API),
    (Fault::PlatformTcb, Format::V3_SGX, "PCS API v4, \"Get SGX TCB Info\""),
    (Fault::QeTcb, Format::V3_SGX, "PCS API v4, \"Get SGX QE Identity\""),
];

/// Codes of dates and revocation end so: the verification goes on and evaluates the TCB all the same.
const EVALUATED: [&str; 4] = ["revoked", "not-yet-valid", "not-yet-issued", "expired"];

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let (usual, with_svns_of_now) = (bench.case(USUAL)?, bench.case(WITH_SVNS_OF_NOW)?);
    let mut cases = Vec::new();
    for fault in Fault::all() {
        let name = fault.name();
        let case = match case(bench, fault, &usual, &name) {
            Err(error) if needs_other_quote(&error) => {
                case(bench, fault, &with_svns_of_now, &name)?
            }
            other => other?,
        };
        cases.push(case);
    }
    for (fault, format, source) in AGAIN {
        let name = format!("{fault}.{}", slug(format));
        let case = case(bench, fault, &bench.case(format)?, &name)?;
        cases.push(Draft { source: source.into(), ..case });
    }
    Ok(cases)
}

fn needs_other_quote(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(MintError::NeedsOtherQuote { .. }))
}

fn case(bench: &Bench, fault: Fault, twin: &Draft, name: &str) -> Result<Draft> {
    let mut case = twin.clone().named(refused(name), &why(fault));
    case.source = fault.source().into();
    match fault.breaks() {
        Broken::Quote => {
            let mut quote = bench.quote(twin.format)?;
            quote.break_with(fault)?;
            case.quote = quote.mint()?;
        }
        Broken::Collateral => {
            let mut collateral = bench.collateral(twin.format.tee())?;
            collateral.break_with(fault)?;
            case.collateral = bundle(&collateral)?;
        }
    }
    let code = fault.name();
    let mut case = case.refused(&code, Some(fault.intel_status()), twin);
    if fault == Fault::PckChainMissing {
        case.expect.verdict = "undecided".into();
    }
    let evaluated = EVALUATED.iter().any(|ending| code.ends_with(ending));
    Ok(if evaluated { case } else { case.unevaluated() })
}

/// What is wrong, and in which of the four chains, two of which end in the same certificates.
fn why(fault: Fault) -> String {
    let about = fault.about();
    let chain = match fault {
        Fault::PckCrlIssuerChain(_) => Artefact::PckCrlIssuerChain,
        Fault::TcbInfoIssuerChain(_) => Artefact::TcbInfoIssuerChain,
        Fault::QeIdentityIssuerChain(_) => Artefact::QeIdentityIssuerChain,
        Fault::PckChain(_) => Artefact::PckChain,
        _ => return sentence(&about),
    };
    format!("{chain}: {about}.")
}

/// A clause with a capital and a full stop.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}
