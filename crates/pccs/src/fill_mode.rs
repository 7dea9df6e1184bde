//! Who fetches what is not there, and when; and what registering a platform comes to in each mode.
//!
//! Source: Intel's PCCS as observed, `CachingFillMode`.
//! Must stay true: a registration that was acknowledged is either done or in the queue.

use std::sync::Arc;

use tdattest_wire::bytes::{CpuSvn, Fmspc};
use tdattest_wire::pck_certificates::{PlatformProof, Tcbm};
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tokio::task::JoinSet;

use crate::answer::Refusal;
use crate::cache::Cache;
use crate::cache::platform::{Chosen, PlatformSet};
use crate::store::{Platform, Registration, RegistrationState};

/// Who fetches what is not there, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FillMode {
    /// Whoever asks first: the service fetches it then.
    #[default]
    Lazy,
    /// Platforms are registered before they ask; the service fetches what they will need.
    Req,
    /// An administrator brings it; the service fetches nothing.
    Offline,
}

/// Registers a platform: sees to it that what it will need is kept, or queues it for an administrator.
pub(crate) async fn register(
    cache: &Arc<Cache>,
    registration: &Registration,
    sets: &[EvaluationDataSet],
) -> Result<(), Refusal> {
    let kept = cache.kept_platform(&registration.key).await?;
    if cache.settings.mode == FillMode::Offline {
        return match is_cached(cache, registration, kept.as_ref()).await? {
            true => Ok(()),
            false => queue(cache, registration, RegistrationState::New).await,
        };
    }
    let (fmspc, ca) = match is_cached(cache, registration, kept.as_ref()).await? {
        true => kept.map(|kept| (kept.fmspc, kept.ca)).ok_or(Refusal::Internal)?,
        false => fetch(cache, registration, kept).await?,
    };
    fetch_collateral(cache, fmspc, ca, sets).await
}

/// Whether the platform and the TCB it comes with are known.
async fn is_cached(
    cache: &Cache,
    registration: &Registration,
    kept: Option<&Platform>,
) -> Result<bool, Refusal> {
    let Some(kept) = kept else { return Ok(false) };
    let Some(raw) = raw(registration) else {
        return Ok(kept.manifest == registration.manifest);
    };
    let selected = cache.store.selected(&registration.key, raw).await;
    let selected = selected.map_err(|fault| cache.store_failed(&fault))?;
    Ok(selected.is_some_and(|(platform, certificate)| {
        Chosen { platform, certificate, lasting: true }.is_current(cache.now())
    }))
}

async fn fetch(
    cache: &Arc<Cache>,
    registration: &Registration,
    kept: Option<Platform>,
) -> Result<(Fmspc, PckCa), Refusal> {
    let queued = cache.settings.mode == FillMode::Req;
    if queued {
        // Should this process end before it is done, an administrator finds the registration.
        queue(cache, registration, RegistrationState::New).await?;
    }
    let proof = match registration.manifest.is_empty() {
        true => PlatformProof::EncryptedPpid(registration.encrypted_ppid.clone()),
        false => PlatformProof::Manifest(registration.manifest.clone()),
    };
    let than = kept.map(|kept| kept.fetched_at);
    let set = cache.fetch_platform(registration.key.clone(), proof, than, None).await?;
    if let Some(raw) = raw(registration) {
        cache.choose(&set, raw).await?;
    }
    if queued {
        let done = cache.store.unregister(registration).await;
        done.map_err(|fault| cache.store_failed(&fault))?;
        // Afterwards: one of them may be the very TCB that was registered, which waits for something else then.
        queue_missing(cache, registration, &set).await?;
    }
    Ok((set.platform.fmspc, set.platform.ca))
}

/// The TCBs that Intel has no certificate for wait for one.
async fn queue_missing(
    cache: &Cache,
    registration: &Registration,
    set: &PlatformSet,
) -> Result<(), Refusal> {
    for missing in set.missing.iter().flatten() {
        let waiting = Registration {
            cpu_svn: Some(CpuSvn(missing.components)),
            pce_svn: Some(missing.pce_svn),
            ..registration.clone()
        };
        queue(cache, &waiting, RegistrationState::NotAvailable).await?;
    }
    Ok(())
}

async fn queue(
    cache: &Cache,
    registration: &Registration,
    state: RegistrationState,
) -> Result<(), Refusal> {
    let queued = cache.store.register(registration, state).await;
    queued.map_err(|fault| cache.store_failed(&fault))
}

/// Fetches what verifying the platform's quotes will need. The SGX TCB info has to be there; the rest may fail, as it
/// may not exist.
async fn fetch_collateral(
    cache: &Arc<Cache>,
    fmspc: Fmspc,
    ca: PckCa,
    sets: &[EvaluationDataSet],
) -> Result<(), Refusal> {
    use TeeType::{Sgx, Tdx};
    let mut wanted = vec![PcsRequest::PckCrl(ca), PcsRequest::RootCaCrl];
    for set in sets.iter().copied() {
        for tee in [Sgx, Tdx] {
            wanted.push(PcsRequest::TcbInfo(tee, fmspc, set));
            wanted.push(PcsRequest::QeIdentity(tee, set));
        }
        wanted.push(PcsRequest::QveIdentity(set));
    }
    let mut fetching = JoinSet::new();
    for request in wanted {
        let cache = Arc::clone(cache);
        fetching.spawn(async move { (request, cache.ensure(request).await) });
    }
    let mut outcome = Ok(());
    while let Some(fetched) = fetching.join_next().await {
        let (request, fetched) = fetched.map_err(|_| Refusal::Internal)?;
        let has_to_be = matches!(request, PcsRequest::TcbInfo(Sgx, _, EvaluationDataSet::Standard));
        match fetched {
            Err(refusal) if has_to_be => outcome = Err(refusal),
            _ => {}
        }
    }
    outcome
}

fn raw(registration: &Registration) -> Option<Tcbm> {
    Some(Tcbm { cpu_svn: registration.cpu_svn?, pce_svn: registration.pce_svn? })
}
