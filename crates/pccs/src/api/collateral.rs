//! The signed documents: TCB info, identities, CRLs, evaluation data numbers; and the unsigned list of families.
//!
//! Source: Intel's PCCS as observed; PCS API v4.
//! Must stay true: a body is byte for byte what Intel sent, or its hexadecimal; a header is as Intel spells it.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use super::conditional;
use super::route::Version;
use crate::answer::{Answer, JSON, Refusal};
use crate::api::Notice;
use crate::cache::Cache;
use crate::cache::hot::{Form, HotKey, Ready};
use crate::cache::window::Window;
use crate::fill_mode::FillMode;
use crate::request::Parameters;
use crate::store::Document;

/// How long the list of families is held, in seconds.
const FAMILIES_HELD: u64 = 3600;

/// DER, as such.
pub(super) const DER: &str = "application/pkix-crl";

pub(super) async fn tcb_info(
    cache: &Arc<Cache>,
    version: Version,
    tee: TeeType,
    parameters: &Parameters,
) -> Result<Answer, Refusal> {
    let request = PcsRequest::TcbInfo(tee, parameters.fmspc()?, parameters.set()?);
    in_version(cache, version)?;
    document(cache, request, Form::AsItIs).await
}

pub(super) async fn qe_identity(
    cache: &Arc<Cache>,
    version: Version,
    tee: TeeType,
    parameters: &Parameters,
) -> Result<Answer, Refusal> {
    let request = PcsRequest::QeIdentity(tee, parameters.set()?);
    in_version(cache, version)?;
    document(cache, request, Form::AsItIs).await
}

pub(super) async fn qve_identity(
    cache: &Arc<Cache>,
    version: Version,
    parameters: &Parameters,
) -> Result<Answer, Refusal> {
    let request = PcsRequest::QveIdentity(parameters.set()?);
    in_version(cache, version)?;
    document(cache, request, Form::AsItIs).await
}

pub(super) async fn evaluation_data_numbers(
    cache: &Arc<Cache>,
    tee: TeeType,
) -> Result<Answer, Refusal> {
    document(cache, PcsRequest::EvaluationDataNumbers(tee), Form::AsItIs).await
}

pub(super) async fn pck_crl(
    cache: &Arc<Cache>,
    parameters: &Parameters,
) -> Result<Answer, Refusal> {
    let ca = parameters.first("ca").and_then(ca).ok_or(Refusal::InvalidRequest)?;
    // Anything but `der` is hexadecimal, `pem` included: Intel's clients rely on it.
    let encoding = parameters.first("encoding").unwrap_or_default();
    let form = match encoding.eq_ignore_ascii_case("der") {
        true => Form::AsItIs,
        false => Form::Hexadecimal,
    };
    document(cache, PcsRequest::PckCrl(ca), form).await
}

pub(super) async fn root_ca_crl(cache: &Arc<Cache>) -> Result<Answer, Refusal> {
    document(cache, PcsRequest::RootCaCrl, Form::Hexadecimal).await
}

/// The CA of a name in either case.
pub(super) fn ca(name: &str) -> Option<PckCa> {
    [PckCa::Processor, PckCa::Platform].into_iter().find(|ca| ca.name().eq_ignore_ascii_case(name))
}

/// A document in a form: the answer held in memory, or one made of what the cache brings.
pub(super) async fn document(
    cache: &Arc<Cache>,
    request: PcsRequest,
    form: Form,
) -> Result<Answer, Refusal> {
    let key = HotKey::Document(request, form);
    let now = cache.now();
    if let Some(ready) = cache.hot.find(&key, now) {
        cache.notice(&Notice::Hit);
        return Ok(marked(&ready, now));
    }
    let read_at = cache.hot.generation();
    let document = cache.document(request).await?;
    let window = cache.window(&document);
    let ready = Arc::new(Ready { answer: written(&document, form), window });
    // What was asked for by number may be the standard edition, which changes under another name.
    if document.endorsement.request == request && !cache.hot.hold(&key, &ready, read_at) {
        // Most likely it was kept just now, which is a change. What is kept still is held.
        let read_at = cache.hot.generation();
        if cache.kept(request).await.is_ok_and(|kept| kept.as_ref() == Some(&document)) {
            cache.hot.hold(&key, &ready, read_at);
        }
    }
    Ok(marked(&ready, cache.now()))
}

/// An answer with what a client must know of its age.
pub(super) fn marked(ready: &Ready, now: UnixTime) -> Answer {
    let mut answer = ready.answer.clone();
    ready.window.mark(&mut answer, now);
    answer
}

fn written(document: &Document, form: Form) -> Answer {
    let endorsement = &document.endorsement;
    let body = endorsement.body.clone();
    let answer = match (endorsement.request, form) {
        (PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl, Form::AsItIs | Form::Download) => {
            Answer::ok(DER, body)
        }
        (PcsRequest::PckCrl(_), Form::Hexadecimal) => {
            Answer::ok("application/x-pem-file; charset=utf-8", HEXLOWER.encode(&body))
        }
        (PcsRequest::RootCaCrl, Form::Hexadecimal) => {
            Answer::ok("application/pkix-crl; charset=utf-8", HEXLOWER.encode(&body))
        }
        _ => Answer::ok(JSON, body),
    };
    let mut answer = match (chain_header(&endorsement.request), form) {
        (None, _) | (_, Form::Download) => answer,
        (Some(name), _) => answer.with_chain(name, &endorsement.issuer_chain),
    };
    conditional::tag(&mut answer);
    answer
}

fn chain_header(request: &PcsRequest) -> Option<&'static str> {
    match request {
        PcsRequest::PckCrl(_) => Some("sgx-pck-crl-issuer-chain"),
        PcsRequest::TcbInfo(..) => Some("tcb-info-issuer-chain"),
        PcsRequest::QeIdentity(..) | PcsRequest::QveIdentity(_) => {
            Some("sgx-enclave-identity-issuer-chain")
        }
        PcsRequest::EvaluationDataNumbers(_) => Some("tcb-evaluation-data-numbers-issuer-chain"),
        PcsRequest::RootCaCrl => None,
    }
}

/// TCB info and identities had another form in version 3, which nobody serves any more.
fn in_version(cache: &Cache, version: Version) -> Result<(), Refusal> {
    match (version, cache.settings.mode) {
        (Version::V4, _) => Ok(()),
        (Version::V3, FillMode::Lazy) => Err(Refusal::VersionEnded),
        (Version::V3, FillMode::Req | FillMode::Offline) => Err(Refusal::NoCacheData),
    }
}

/// The platform families. Unsigned, so that it is only passed on, and only where clients may cause a fetch.
pub(super) async fn fmspcs(cache: &Arc<Cache>, parameters: &Parameters) -> Result<Answer, Refusal> {
    let asked = parameters.first("platform").unwrap_or("all");
    let kinds = ["all", "client", "E3", "E5"];
    let kind = kinds.into_iter().find(|kind| *kind == asked).ok_or(Refusal::InvalidRequest)?;
    if cache.settings.mode != FillMode::Lazy {
        return Err(Refusal::NoCacheData);
    }
    let key = HotKey::Families(kind);
    let now = cache.now();
    if let Some(ready) = cache.hot.find(&key, now) {
        cache.notice(&Notice::Hit);
        return Ok(ready.answer.clone());
    }
    let client = cache.upstream().ok_or(Refusal::NoCacheData)?;
    let read_at = cache.hot.generation();
    let families = {
        let _permit = cache.permit().await?;
        let fetched = client.fmspcs(kind).await;
        cache.asked("platform families", fetched)?
    };
    let body = serde_json::to_vec(&families).map_err(|_| Refusal::Internal)?;
    let ends = now.saturating_add(FAMILIES_HELD);
    let window = Window { fetched_at: now, overdue_at: ends, ends };
    let mut answer = Answer::ok(JSON, body);
    conditional::tag(&mut answer);
    cache.hot.hold(&key, &Arc::new(Ready { answer: answer.clone(), window }), read_at);
    Ok(answer)
}
