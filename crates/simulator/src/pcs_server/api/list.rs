//! What there is: platform families, and TCB evaluation data numbers.
//!
//! Source: PCS API v4, "Get FMSPCs" and "Retrieve TCB Evaluation Data Numbers".

use serde::Serialize;
use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pck::SgxType;
use tdattest_wire::quote::TeeType;

use super::Context;
use super::collateral::{json, tcb_signing_chain};
use crate::documents::{DocumentDraft, EvaluationDataDraft};
use crate::error::MintError;
use crate::pcs_server::answer::{Answer, Refusal};
use crate::pcs_server::request::Parameters;

#[derive(Serialize)]
struct Family {
    fmspc: Fmspc,
    platform: &'static str,
}

/// The one platform family that there is, if it is of the kind that is asked for.
pub(super) fn fmspcs(context: &Context<'_>) -> Result<Answer, Refusal> {
    let hardware = &context.platform.hardware;
    // The kinds are Intel's product lines; a server without memory integrity is taken for the older of them.
    let platform = match hardware.sgx_type {
        SgxType::Standard => "client",
        SgxType::Scalable => "E3",
        SgxType::ScalableWithIntegrity => "E5",
    };
    let asked = Parameters::of(&context.request.query).optional("platform")?.unwrap_or("all");
    if !["all", "client", "E3", "E5"].contains(&asked) {
        let reason = format!("`platform` is `{asked}`, expected all, client, E3 or E5");
        return Err(Refusal::bad_request(reason));
    }
    let family = Family { fmspc: hardware.fmspc, platform };
    let families: Vec<Family> =
        [family].into_iter().filter(|_| asked == "all" || asked == platform).collect();
    let body = serde_json::to_vec(&families).map_err(|fault| MintError::Json(fault.to_string()))?;
    Ok(json(body))
}

/// The signed list of the sets that are served.
pub(super) fn evaluation_data_numbers(
    context: &Context<'_>,
    tee: TeeType,
) -> Result<Answer, Refusal> {
    let platform = context.platform;
    let content = EvaluationDataDraft::new(platform, tee, context.now);
    let document = DocumentDraft { content, signer: platform.tcb_signing().key }.mint()?.write();
    let chain = tcb_signing_chain(context)?;
    Ok(json(document).with("TCB-Evaluation-Data-Numbers-Issuer-Chain", chain))
}
