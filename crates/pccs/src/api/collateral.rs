//! The signed documents: TCB info, identities, CRLs, evaluation data numbers; and the unsigned list of families.
//!
//! Source: Intel's PCCS as observed; PCS API v4.
//! Must stay true: a body is byte for byte what Intel sent, or its hexadecimal; a header is as Intel spells it.

use std::sync::Arc;

use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use super::conditional;
use super::route::Version;
use crate::answer::{Answer, JSON, Refusal};
use crate::cache::hot::{Form, HotKey, Ready};
use crate::cache::window::Window;
use crate::cache::{Cache, Made};
use crate::fill_mode::FillMode;
use crate::request::Parameters;

/// How long the list of families is held, in seconds.
const FAMILIES_HELD: u64 = 3600;

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

/// A document in a form.
pub(super) async fn document(
    cache: &Arc<Cache>,
    request: PcsRequest,
    form: Form,
) -> Result<Answer, Refusal> {
    let make = async {
        let document = cache.document(request).await?;
        let ready = Arc::new(cache.written(&document, form));
        // What was asked for by its number may be the standard edition, and is held as that.
        let held_as = Some(HotKey::Document(document.endorsement.request, form));
        Ok(Made { ready, held_as })
    };
    cache.answered(&HotKey::Document(request, form), make).await
}

/// An answer with what a client must know of its age.
pub(super) fn marked(ready: &Ready, now: UnixTime) -> Answer {
    let mut answer = ready.answer.clone();
    ready.window.mark(&mut answer, now);
    answer
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
    let make = async {
        let fetching = Arc::clone(cache);
        let work = || async move { families(&fetching, kind).await.map(Arc::new) };
        let ready = cache.families.share(kind, work).await?;
        Ok(Made { ready, held_as: Some(key.clone()) })
    };
    cache.answered(&key, make).await
}

async fn families(cache: &Cache, kind: &str) -> Result<Ready, Refusal> {
    let client = cache.upstream().ok_or(Refusal::NoCacheData)?;
    let families = {
        let _permit = cache.permit().await?;
        let fetched = client.fmspcs(kind).await;
        cache.asked("platform families", fetched)?
    };
    let body = serde_json::to_vec(&families).map_err(|_| Refusal::Internal)?;
    let fetched_at = cache.now();
    let ends = fetched_at.saturating_add(FAMILIES_HELD);
    let mut answer = Answer::ok(JSON, body);
    conditional::tag(&mut answer);
    Ok(Ready { answer, window: Window { fetched_at, overdue_at: ends, ends }, number: None })
}
