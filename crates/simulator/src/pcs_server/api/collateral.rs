//! The documents that a verification takes: CRLs, TCB info, identities.
//!
//! Source: PCS API v4, "Get Revocation List", "Get SGX TCB Info", "Get TDX TCB Info", "Get SGX QE Identity",
//! "Get TDX QE Identity", "Get SGX QVE Identity".

use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa};
use tdattest_wire::quote::TeeType;

use super::Context;
use crate::collateral::CollateralDraft;
use crate::documents::{DocumentDraft, EnclaveIdentityDraft};
use crate::error::MintError;
use crate::pcs_server::answer::{Answer, Refusal, percent_encoded};
use crate::pcs_server::request::Parameters;
use crate::pki::{ChainDraft, pem};

/// The CRL of a PCK CA, and its issuer's chain.
pub(super) fn pck_crl(context: &Context<'_>) -> Result<Answer, Refusal> {
    let parameters = Parameters::of(&context.request.query);
    let ca = ca(parameters.required("ca")?)?;
    let in_pem = in_pem(parameters.optional("encoding")?)?;
    let platform = context.platform;
    let (crl, chain) = if ca == platform.hardware.ca {
        let draft = draft(context, TeeType::Tdx, EvaluationDataSet::Standard)?;
        (draft.pck_crl, draft.pck_crl_issuer_chain)
    } else {
        let chain = ChainDraft::new(vec![platform.pck_ca(ca), platform.root_ca()]);
        (platform.pck_crl(ca, context.now), chain)
    };
    let der = crl.der()?;
    let answer = if in_pem {
        Answer::new("application/x-pem-file", pem("X509 CRL", &der).into_bytes())
    } else {
        Answer::new("application/pkix-crl", der)
    };
    Ok(answer.with("SGX-PCK-CRL-Issuer-Chain", percent_encoded(&chain.pem()?)))
}

/// TCB info of the platform's family.
pub(super) fn tcb_info(context: &Context<'_>, tee: TeeType) -> Result<Answer, Refusal> {
    let parameters = Parameters::of(&context.request.query);
    let fmspc = parameters.required("fmspc")?;
    let asked: Fmspc = fmspc.parse().map_err(|_| {
        Refusal::bad_request(format!("`fmspc` is `{fmspc}`, expected 12 hexadecimal digits"))
    })?;
    let set = set(&parameters)?;
    if asked != context.platform.hardware.fmspc {
        return Err(Refusal::not_found(format!("there is no platform of FMSPC {asked}")));
    }
    let draft = draft(context, tee, served(context, set)?)?;
    let chain = percent_encoded(&draft.tcb_info_issuer_chain.pem()?);
    Ok(json(draft.tcb_info.mint()?.write()).with("TCB-Info-Issuer-Chain", chain))
}

/// The identity of the QE of a TEE.
pub(super) fn qe_identity(context: &Context<'_>, tee: TeeType) -> Result<Answer, Refusal> {
    let set = served(context, set(&Parameters::of(&context.request.query))?)?;
    let draft = draft(context, tee, set)?;
    let chain = percent_encoded(&draft.qe_identity_issuer_chain.pem()?);
    let document = draft.qe_identity.mint()?.write();
    Ok(json(document).with("SGX-Enclave-Identity-Issuer-Chain", chain))
}

/// The identity of the quote verification enclave, which no fault is about.
pub(super) fn qve_identity(context: &Context<'_>) -> Result<Answer, Refusal> {
    let set = served(context, set(&Parameters::of(&context.request.query))?)?;
    let platform = context.platform;
    let set = platform.set(set).ok_or(MintError::UnknownSet(set))?;
    let content = EnclaveIdentityDraft::of_qve(platform, set, context.now);
    let document = DocumentDraft { content, signer: platform.tcb_signing().key }.mint()?.write();
    Ok(json(document).with("SGX-Enclave-Identity-Issuer-Chain", tcb_signing_chain(context)?))
}

/// The root CA's CRL, from the host of certificates.
pub(super) fn root_ca_crl(context: &Context<'_>) -> Result<Answer, Refusal> {
    let draft = draft(context, TeeType::Tdx, EvaluationDataSet::Standard)?;
    Ok(Answer::new("application/pkix-crl", draft.root_ca_crl.der()?))
}

/// The chain of whoever signs documents, as its header carries it.
pub(super) fn tcb_signing_chain(context: &Context<'_>) -> Result<String, Refusal> {
    let platform = context.platform;
    let chain = ChainDraft::new(vec![platform.tcb_signing(), platform.root_ca()]);
    Ok(percent_encoded(&chain.pem()?))
}

pub(super) fn json(body: Vec<u8>) -> Answer {
    Answer::new("application/json", body)
}

/// The collateral that the parts come from, broken if it is to be.
fn draft(
    context: &Context<'_>,
    tee: TeeType,
    set: EvaluationDataSet,
) -> Result<CollateralDraft, Refusal> {
    let mut draft = CollateralDraft::new(context.platform, tee, set, context.now)?;
    match context.lie.map(|fault| draft.break_with(fault)) {
        // A lie about TDX cannot be told in the documents of SGX.
        None | Some(Ok(()) | Err(MintError::NeedsOtherQuote { .. })) => Ok(draft),
        Some(Err(fault)) => Err(fault.into()),
    }
}

fn ca(name: &str) -> Result<PckCa, Refusal> {
    let found = [PckCa::Processor, PckCa::Platform].into_iter().find(|ca| ca.name() == name);
    let unknown = || format!("`ca` is `{name}`, expected processor or platform");
    found.ok_or_else(|| Refusal::bad_request(unknown()))
}

fn in_pem(encoding: Option<&str>) -> Result<bool, Refusal> {
    match encoding {
        None | Some("pem") => Ok(true),
        Some("der") => Ok(false),
        Some(other) => {
            Err(Refusal::bad_request(format!("`encoding` is `{other}`, expected pem or der")))
        }
    }
}

/// The set that a query names.
fn set(parameters: &Parameters<'_>) -> Result<EvaluationDataSet, Refusal> {
    let (update, number) =
        (parameters.optional("update")?, parameters.optional("tcbEvaluationDataNumber")?);
    match (update, number) {
        (Some(_), Some(_)) => {
            Err(Refusal::bad_request("`update` and `tcbEvaluationDataNumber` exclude each other"))
        }
        (None | Some("standard"), None) => Ok(EvaluationDataSet::Standard),
        (Some("early"), None) => Ok(EvaluationDataSet::Early),
        (Some(other), None) => {
            let reason = format!("`update` is `{other}`, expected early or standard");
            Err(Refusal::bad_request(reason))
        }
        (None, Some(number)) => number_of(number).map(EvaluationDataSet::Number),
    }
}

fn number_of(text: &str) -> Result<u32, Refusal> {
    // `parse` alone would let a sign pass.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    let reason = || format!("`tcbEvaluationDataNumber` is `{text}`, expected a number");
    number.ok_or_else(|| Refusal::bad_request(reason()))
}

/// The set, if the platform has it. One below the standard set was there before: it is gone.
fn served(context: &Context<'_>, set: EvaluationDataSet) -> Result<EvaluationDataSet, Refusal> {
    let standard = context.platform.standard.tcb_evaluation_data_number;
    match (context.platform.set(set), set) {
        (None, EvaluationDataSet::Number(number)) if number < standard => {
            Err(Refusal::gone(format!("evaluation data number {number} is retired")))
        }
        (None, _) => Err(Refusal::not_found(format!("there is no TCB info for {set:?}"))),
        (Some(_), _) => Ok(set),
    }
}
