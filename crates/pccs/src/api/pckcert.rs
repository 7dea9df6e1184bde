//! The PCK certificate for a platform at its TCB.
//!
//! Source: Intel's PCCS as observed; PCS API v4, "Get PCK Certificate".
//! Must stay true: an unknown platform is 461 where somebody has to register it first, 404 where Intel does not know it;
//! what has ended is fetched anew before it is refused, or served where that is allowed by name.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use tdattest_wire::bytes::CpuSvn;
use tdattest_wire::pck_certificates::{PlatformProof, Tcbm};
use tdattest_wire::pcs::PckCa;
use tdattest_wire::time::UnixTime;

use super::{collateral, conditional};
use crate::answer::{Answer, Refusal};
use crate::api::Notice;
use crate::cache::Cache;
use crate::cache::hot::{HotKey, Ready};
use crate::cache::platform::{Chosen, PlatformSet};
use crate::cache::window::Window;
use crate::fill_mode::FillMode;
use crate::request::{Parameters, hex};
use crate::store::{Platform, PlatformKey};

/// How long the certificates of a platform are taken for all there are, in seconds, whatever TCB it comes with.
const NOT_ANEW_WITHIN: u64 = 60;

/// The longest id of a QE.
pub(super) const QE_ID_CHARACTERS: usize = 260;

/// What a platform says of itself.
struct Asked {
    key: PlatformKey,
    raw: Tcbm,
    encrypted_ppid: Option<[u8; 384]>,
}

impl Asked {
    fn parse(parameters: &Parameters) -> Result<Self, Refusal> {
        let qe_id = parameters.first("qeid").and_then(qe_id).ok_or(Refusal::InvalidRequest)?;
        let pce_id = parameters.first("pceid").filter(|text| hex::<2>(text).is_some());
        let pce_id = pce_id.ok_or(Refusal::InvalidRequest)?.to_ascii_uppercase();
        let cpu_svn = CpuSvn(parameters.hex("cpusvn")?);
        let pce_svn = u16::from_le_bytes(parameters.hex("pcesvn")?);
        let encrypted_ppid = match parameters.first("encrypted_ppid") {
            Some(text) => Some(hex(text).ok_or(Refusal::InvalidRequest)?),
            None => None,
        };
        let key = PlatformKey { qe_id, pce_id };
        Ok(Self { key, raw: Tcbm { cpu_svn, pce_svn }, encrypted_ppid })
    }
}

/// The id of a QE as it is kept, if it is one.
pub(super) fn qe_id(text: &str) -> Option<String> {
    let length = text.chars().count();
    (1..=QE_ID_CHARACTERS).contains(&length).then(|| text.to_uppercase())
}

/// What the answer to a request is held as.
pub(super) fn key(parameters: &Parameters) -> Result<HotKey, Refusal> {
    Asked::parse(parameters).map(|asked| HotKey::Pck(asked.key, asked.raw))
}

pub(super) async fn get(cache: &Arc<Cache>, parameters: &Parameters) -> Result<Answer, Refusal> {
    let asked = Asked::parse(parameters)?;
    let hot = HotKey::Pck(asked.key.clone(), asked.raw);
    let now = cache.now();
    if let Some(ready) = cache.hot.find(&hot, now) {
        cache.notice(&Notice::Hit);
        return Ok(collateral::marked(&ready, now));
    }
    let read_at = cache.hot.generation();
    let (chosen, trouble) = find(cache, &asked).await?;
    let ready = Arc::new(ready(&chosen)?);
    if ready.window.ends < now {
        if !cache.settings.allow_stale {
            return Err(ended(ready.window.ends, trouble));
        }
        cache.notice(&Notice::Stale);
    }
    if chosen.lasting && !cache.hot.hold(&hot, &ready, read_at) {
        // Most likely it was kept just now, which is a change. What is kept still is held.
        let read_at = cache.hot.generation();
        let selected = cache.store.selected(&asked.key, asked.raw).await;
        let same = |(platform, certificate)| {
            platform == chosen.platform && certificate == chosen.certificate
        };
        if selected.is_ok_and(|kept| kept.is_some_and(same)) {
            cache.hot.hold(&hot, &ready, read_at);
        }
    }
    Ok(collateral::marked(&ready, now))
}

/// Why nothing was fetched although it should have been.
type Trouble = Option<Refusal>;

async fn find(cache: &Arc<Cache>, asked: &Asked) -> Result<(Chosen, Trouble), Refusal> {
    let selected = cache.store.selected(&asked.key, asked.raw).await;
    if let Some((platform, certificate)) = selected.map_err(|fault| cache.store_failed(&fault))? {
        let chosen = Chosen { platform, certificate, lasting: true };
        if chosen.is_current(cache.now()) {
            cache.notice(&Notice::FromStore);
            return Ok((chosen, None));
        }
    }
    let (set, trouble) = match cache.kept_set(&asked.key).await? {
        Some(kept) => of_known(cache, kept, asked.raw).await?,
        None => (of_unknown(cache, asked).await?, None),
    };
    let chosen = cache.choose(&set, asked.raw).await?.ok_or(Refusal::NoCacheData)?;
    Ok((chosen, trouble))
}

/// A platform that comes with another TCB than before, or whose certificate has ended: Intel may have one by now.
async fn of_known(
    cache: &Arc<Cache>,
    kept: PlatformSet,
    raw: Tcbm,
) -> Result<(Arc<PlatformSet>, Trouble), Refusal> {
    let now = cache.now();
    let again = kept.platform.fetched_at.saturating_add(NOT_ANEW_WITHIN);
    let proof = kept.platform.proof().filter(|_| cache.upstream().is_some());
    let Some(proof) = proof else {
        return Ok((Arc::new(kept), Some(Refusal::NoCacheData)));
    };
    if kept.has_current(raw, now) || now < again {
        return Ok((Arc::new(kept), None));
    }
    cache.notice(&Notice::Miss);
    let (than, patience) = (Some(kept.platform.fetched_at), Some(cache.patience()));
    match cache.fetch_platform(kept.platform.key.clone(), proof, than, patience).await {
        Ok(fetched) => Ok((fetched, None)),
        // The certificates that there are may do.
        Err(refusal) => Ok((Arc::new(kept), Some(refusal))),
    }
}

async fn of_unknown(cache: &Arc<Cache>, asked: &Asked) -> Result<Arc<PlatformSet>, Refusal> {
    if cache.settings.mode != FillMode::Lazy {
        return Err(Refusal::UnknownPlatform);
    }
    let encrypted = asked.encrypted_ppid.ok_or(Refusal::InvalidRequest)?;
    // What QCNL sends in place of a PPID that it does not have.
    if encrypted.iter().all(|byte| *byte == 0) {
        return Err(Refusal::NoCacheData);
    }
    cache.notice(&Notice::Miss);
    let proof = PlatformProof::EncryptedPpid(encrypted.to_vec());
    cache.fetch_platform(asked.key.clone(), proof, None, None).await
}

impl Platform {
    /// What proves to Intel which platform it is, if that is kept.
    pub(crate) fn proof(&self) -> Option<PlatformProof> {
        if !self.manifest.is_empty() {
            return Some(PlatformProof::Manifest(self.manifest.clone()));
        }
        let encrypted = &self.encrypted_ppid;
        let known = encrypted.iter().any(|byte| *byte != 0);
        known.then(|| PlatformProof::EncryptedPpid(encrypted.clone()))
    }
}

fn ended(ended: UnixTime, trouble: Trouble) -> Refusal {
    let cause = match trouble {
        None => "Intel has no newer one for this platform".into(),
        Some(Refusal::Upstream(cause) | Refusal::Unavailable(cause)) => cause,
        Some(Refusal::NoCacheData) => "there is no upstream that has it".into(),
        Some(_) => "it could not be fetched".into(),
    };
    Refusal::Ended { document: "PCK certificate", ended, cause }
}

fn ready(chosen: &Chosen) -> Result<Ready, Refusal> {
    let Chosen { platform, certificate, .. } = chosen;
    let ends = chosen.ends().ok_or(Refusal::Internal)?;
    let window = Window { fetched_at: platform.fetched_at, overdue_at: ends, ends };
    let ca = match platform.ca {
        PckCa::Processor => "PROCESSOR",
        PckCa::Platform => "PLATFORM",
    };
    let mut answer = Answer::ok("application/x-pem-file", certificate.certificate.clone())
        .with_chain("sgx-pck-certificate-issuer-chain", &platform.issuer_chain)
        .with(HeaderName::from_static("sgx-tcbm"), shown(&certificate.tcbm)?)
        .with(HeaderName::from_static("sgx-fmspc"), shown(&platform.fmspc)?)
        .with(HeaderName::from_static("sgx-pck-certificate-ca-type"), HeaderValue::from_static(ca));
    conditional::tag(&mut answer);
    Ok(Ready { answer, window, number: None })
}

fn shown(what: &impl std::fmt::Display) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(&what.to_string()).map_err(|_| Refusal::Internal)
}
