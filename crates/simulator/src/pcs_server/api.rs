//! What the PCS answers: a function of the platform, the time and the request.
//!
//! Source: PCS API v4, "Intel SGX and Intel TDX Provisioning Certification Service".
//! Must stay true: no I/O and no clock, so that every answer can be foretold and tested without a socket.

mod collateral;
mod list;
mod pck;

use tdattest_wire::time::UnixTime;

use super::answer::{Answer, Refusal};
use super::request::{Operation, Request};
use crate::fault::Fault;
use crate::platform::Platform;

/// What every endpoint answers from.
struct Context<'c> {
    platform: &'c Platform,
    now: UnixTime,
    request: &'c Request,
    /// What the documents are broken with.
    lie: Option<Fault>,
}

/// The answer to a request.
pub fn answer(platform: &Platform, now: UnixTime, request: &Request) -> Answer {
    respond(&Context { platform, now, request, lie: None })
}

/// The answer to a request with this fault in the collateral, where the answer has the part that it breaks.
pub fn lying_answer(platform: &Platform, now: UnixTime, request: &Request, lie: Fault) -> Answer {
    respond(&Context { platform, now, request, lie: Some(lie) })
}

fn respond(context: &Context<'_>) -> Answer {
    let request = context.request;
    let operation = Operation::of(&request.method, &request.path);
    let answer = match operation {
        Some(operation) => perform(context, operation),
        // PCS API v3 has reached its end of life; TDX was never in it.
        None if request.path.starts_with("/sgx/certification/v3/") => {
            Err(Refusal::gone("version 3 of the API is no more"))
        }
        None => Err(Refusal::not_found("no such endpoint")),
    };
    let answer = answer.unwrap_or_else(Answer::from);
    match operation {
        // A file on another host, which numbers no requests.
        Some(Operation::RootCaCrl) => answer,
        _ => answer.with_request_id(request.number),
    }
}

fn perform(context: &Context<'_>, operation: Operation) -> Result<Answer, Refusal> {
    match operation {
        Operation::PckCertificate => pck::certificate(context),
        Operation::PckCertificates { of_configuration } => {
            pck::certificates(context, of_configuration)
        }
        Operation::PckCrl => collateral::pck_crl(context),
        Operation::TcbInfo(tee) => collateral::tcb_info(context, tee),
        Operation::QeIdentity(tee) => collateral::qe_identity(context, tee),
        Operation::QveIdentity => collateral::qve_identity(context),
        Operation::Fmspcs => list::fmspcs(context),
        Operation::EvaluationDataNumbers(tee) => list::evaluation_data_numbers(context, tee),
        Operation::RootCaCrl => collateral::root_ca_crl(context),
    }
}
