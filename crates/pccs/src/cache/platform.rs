//! The PCK certificates of a platform: fetched as a whole, verified one by one, and one chosen for each raw TCB.
//!
//! Source: Intel's PCCS as observed, "Platform lifecycle". Intel's service keeps what it has for ever; this one fetches
//! anew when a platform comes with a TCB that it has not seen.
//! Must stay true: a certificate is kept only under the TCB, FMSPC, PCEID and CA that it says itself, and together with
//! those of the same platform alone; a list without certificates takes none away; what one proof brought is not taken
//! for what another would bring.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tdattest_collateral::Authenticate;
use tdattest_wire::bytes::{Fmspc, PceId};
use tdattest_wire::certificate::{Certificate, oid};
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pck_certificates::{
    PckCertificates, PckEntry, PlatformProof, PlatformQuery, Tcbm,
};
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::pem;
use tdattest_wire::quote::TeeType;
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::time::UnixTime;

use super::{Cache, Leased};
use crate::answer::Refusal;
use crate::fill_mode::FillMode;
use crate::pck_selection::{self, Candidate};
use crate::request::hex;
use crate::store::{Changed, Platform, PlatformCertificate, PlatformKey, Selection};

/// What is known of a platform.
#[derive(Clone, Debug)]
pub(crate) struct PlatformSet {
    pub(crate) platform: Platform,
    pub(crate) certificates: Vec<PlatformCertificate>,
    /// The TCBs that Intel has no certificate for; `None` when they are not known, as of certificates that were kept.
    pub(crate) missing: Option<Vec<PckEntry>>,
}

/// What a flight is for: a platform, and a digest of what proves to Intel which one it is.
pub(super) type Proven = (PlatformKey, [u8; 32]);

/// What became of the search for a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) platform: Platform,
    pub(crate) certificate: PlatformCertificate,
    /// Whether the choice stays until the platform is fetched anew.
    pub(crate) lasting: bool,
}

impl Cache {
    /// A platform as the store has it.
    pub(crate) async fn kept_platform(
        &self,
        key: &PlatformKey,
    ) -> Result<Option<Platform>, Refusal> {
        self.store.platform(key).await.map_err(|fault| self.store_failed(&fault))
    }

    /// A platform with its certificates as the store has them.
    pub(crate) async fn kept_set(&self, key: &PlatformKey) -> Result<Option<PlatformSet>, Refusal> {
        let kept = self.store.certificates(key).await;
        let kept = kept.map_err(|fault| self.store_failed(&fault))?;
        Ok(kept.map(|(platform, certificates)| PlatformSet {
            platform,
            certificates,
            missing: None,
        }))
    }

    /// Fetches the certificates of a platform and keeps them, unless somebody does it meanwhile with the same proof.
    /// `than` is when they were fetched the last time; `patience` is of somebody whom those do, too.
    pub(crate) async fn fetch_platform(
        self: &Arc<Self>,
        key: PlatformKey,
        proof: PlatformProof,
        than: Option<UnixTime>,
        patience: Option<Duration>,
    ) -> Result<Arc<PlatformSet>, Refusal> {
        let cache = Arc::clone(self);
        let of = key.clone();
        let digest = digest(&proof);
        let work = || async move {
            let newer = || async {
                let kept = cache.kept_set(&of).await?;
                Ok(kept.filter(|kept| {
                    let kept = &kept.platform;
                    than.is_none_or(|than| kept.fetched_at > than)
                        && kept.proof().as_ref() == Some(&proof)
                }))
            };
            let named = HEXLOWER.encode(&digest);
            let what = format!("platform {} {} {named}", of.qe_id, of.pce_id);
            match cache.lease(&what, newer).await? {
                Leased::Found(kept) => Ok(Arc::new(kept)),
                Leased::Ours(lease) => {
                    let fetched = cache.fetch_certificates(&of, proof).await;
                    drop(lease);
                    fetched.map(Arc::new)
                }
            }
        };
        self.platforms.share_within(patience, (key, digest), work).await
    }

    async fn fetch_certificates(
        &self,
        key: &PlatformKey,
        proof: PlatformProof,
    ) -> Result<PlatformSet, Refusal> {
        const WHAT: &str = "PCK certificates";
        let client = self.upstream().ok_or(Refusal::NoCacheData)?;
        let pce_id = pce_id(key)?;
        let query = PlatformQuery { proof, pce_id };
        let listed = {
            let _permit = self.permit().await?;
            let fetched = client.pck_certificates(&query).await;
            self.asked(WHAT, fetched)?
        };
        let authenticate = Arc::clone(&self.authenticate);
        let judged =
            tokio::task::spawn_blocking(move || judge(authenticate.as_ref(), pce_id, listed));
        let judged = judged.await.map_err(|_| Refusal::Internal)?.map_err(|cause| {
            tracing::warn!(%cause, "the upstream sent PCK certificates that are not this platform's");
            Refusal::Upstream(cause)
        })?;
        let (manifest, encrypted_ppid) = match query.proof {
            PlatformProof::Manifest(manifest) => (manifest, Vec::new()),
            PlatformProof::EncryptedPpid(encrypted) => (Vec::new(), encrypted),
        };
        let platform = Platform {
            key: key.clone(),
            manifest,
            encrypted_ppid,
            fmspc: judged.list.fmspc,
            ca: judged.list.ca,
            issuer_chain: judged.list.issuer_chain,
            fetched_at: self.now(),
        };
        let (certificates, missing) = (judged.certificates, Some(judged.missing));
        let set = PlatformSet { platform, certificates, missing };
        self.keep_platform(&set).await?;
        if !set.certificates.is_empty() {
            return Ok(set);
        }
        // Whatever there was before has stayed.
        let kept = self.kept_set(key).await?.ok_or(Refusal::Internal)?;
        Ok(PlatformSet { missing: set.missing, ..kept })
    }

    /// Keeps a platform with its certificates, as [`Store::put_platform`](crate::store::Store::put_platform) does.
    pub(crate) async fn keep_platform(&self, set: &PlatformSet) -> Result<(), Refusal> {
        let put = self.store.put_platform(&set.platform, &set.certificates).await;
        // What was not kept must not be said to be: a registration is acknowledged with this.
        put.map_err(|fault| self.store_failed(&fault))?;
        self.changed(&Changed::Platform(set.platform.key.clone()));
        Ok(())
    }

    /// Chooses the certificate for a raw TCB and remembers the choice where it is a lasting one.
    pub(crate) async fn choose(
        self: &Arc<Self>,
        set: &PlatformSet,
        raw: Tcbm,
    ) -> Result<Option<Chosen>, Refusal> {
        let tcb_info = self.tcb_info_to_choose_by(set.platform.fmspc).await?;
        let Some(chosen) = best(set, raw, &tcb_info)? else { return Ok(None) };
        let lasting = set.is_lasting(raw, &chosen) || self.settings.mode == FillMode::Offline;
        if lasting {
            let selection = Selection { raw, chosen: chosen.tcbm };
            let kept = self.store.select(&set.platform.key, selection).await;
            // A choice that is not remembered is made again.
            let _ = kept.map_err(|fault| self.store_failed(&fault));
        }
        Ok(Some(Chosen { platform: set.platform.clone(), certificate: chosen, lasting }))
    }

    /// The SGX TCB info to choose by, for TDX platforms too: the early one if it can be had, even if it has ended.
    pub(crate) async fn tcb_info_to_choose_by(
        self: &Arc<Self>,
        fmspc: Fmspc,
    ) -> Result<TcbInfo, Refusal> {
        let request = |set| PcsRequest::TcbInfo(TeeType::Sgx, fmspc, set);
        let (early, standard) =
            (request(EvaluationDataSet::Early), request(EvaluationDataSet::Standard));
        let patience = self.kept(standard).await?.map(|_| self.patience());
        let document = match self.any_edition(early, patience).await {
            Ok(early) => early,
            Err(_) => self.any_edition(standard, None).await?,
        };
        let signed = Signed::<TcbInfo>::from_outer(&document.endorsement.body);
        // It was verified before it was kept.
        signed.and_then(|signed| signed.open_untrusted()).map_err(|_| Refusal::Internal)
    }

    async fn any_edition(
        self: &Arc<Self>,
        request: PcsRequest,
        patience: Option<Duration>,
    ) -> Result<Arc<crate::store::Document>, Refusal> {
        match self.ensure_within(patience, request).await {
            Ok(document) => Ok(document),
            Err(refusal) => self.kept(request).await?.ok_or(refusal),
        }
    }
}

impl Chosen {
    /// The last second of the certificate and the chain above it.
    pub(crate) fn ends(&self) -> Option<UnixTime> {
        ends(&self.certificate.certificate, &self.platform.issuer_chain)
    }

    pub(crate) fn is_current(&self, now: UnixTime) -> bool {
        self.ends().is_some_and(|ends| ends >= now)
    }
}

impl PlatformSet {
    /// Whether the very certificate for a raw TCB is there and has not ended.
    pub(crate) fn has_current(&self, raw: Tcbm, now: UnixTime) -> bool {
        let mut exact = self.certificates.iter().filter(|certificate| certificate.tcbm == raw);
        let chain = &self.platform.issuer_chain;
        exact.any(|exact| ends(&exact.certificate, chain).is_some_and(|ends| ends >= now))
    }

    /// Whether the choice for a raw TCB stands until the platform is fetched anew: there can be none better, or there
    /// was none just now. Intel may have the certificate tomorrow that it does not have today.
    fn is_lasting(&self, raw: Tcbm, chosen: &PlatformCertificate) -> bool {
        chosen.tcbm == raw || self.missing.as_ref().is_some_and(Vec::is_empty)
    }
}

fn digest(proof: &PlatformProof) -> [u8; 32] {
    let (kind, bytes) = match proof {
        PlatformProof::EncryptedPpid(encrypted) => (b"p", encrypted),
        PlatformProof::Manifest(manifest) => (b"m", manifest),
    };
    Sha256::new().chain_update(kind).chain_update(bytes).finalize().into()
}

/// The best certificate for a raw TCB; `None` when the TCB is below all of them.
pub(crate) fn best(
    set: &PlatformSet,
    raw: Tcbm,
    tcb_info: &TcbInfo,
) -> Result<Option<PlatformCertificate>, Refusal> {
    let candidates = set.certificates.iter().filter_map(candidate).collect::<Vec<_>>();
    let chosen = pck_selection::select(raw, pce_id(&set.platform.key)?, &candidates, tcb_info)
        .map_err(|fault| {
            tracing::error!(%fault, "no PCK certificate can be chosen");
            Refusal::Internal
        })?;
    let mut certificates = set.certificates.iter();
    Ok(chosen.and_then(|chosen| certificates.find(|one| one.tcbm == chosen).cloned()))
}

fn candidate(certificate: &PlatformCertificate) -> Option<Candidate> {
    let der = pem::certificates(&certificate.certificate).ok()?;
    let parsed = Certificate::parse(der.first()?).ok()?;
    let extension = parsed.extensions.get(oid::SGX_EXTENSION)?;
    let extension = PckExtension::parse(extension.value).ok()?;
    Some(Candidate { tcbm: certificate.tcbm, extension })
}

fn ends(certificate: &[u8], issuer_chain: &[u8]) -> Option<UnixTime> {
    let ders = [certificate, issuer_chain].map(pem::certificates);
    let ends = ders.into_iter().flatten().flatten();
    ends.map(|der| Certificate::parse(&der).map(|parsed| parsed.not_after).ok()).min().flatten()
}

fn pce_id(key: &PlatformKey) -> Result<PceId, Refusal> {
    hex(&key.pce_id).map(PceId).ok_or(Refusal::InvalidRequest)
}

/// A list whose every certificate was verified.
pub(crate) struct Judged {
    pub(crate) list: PckCertificates,
    pub(crate) certificates: Vec<PlatformCertificate>,
    pub(crate) missing: Vec<PckEntry>,
}

/// Verifies each certificate of a list, and that all say what the list says: of one platform, one family, one CA.
pub(crate) fn judge(
    authenticate: &dyn Authenticate,
    pce_id: PceId,
    mut list: PckCertificates,
) -> Result<Judged, String> {
    if list.entries.is_empty() {
        return Err("the list of PCK certificates is empty".into());
    }
    let mut certificates = Vec::new();
    let mut missing = Vec::new();
    let mut of_all = None;
    for mut entry in std::mem::take(&mut list.entries) {
        let Some(certificate) = entry.certificate.take() else {
            missing.push(entry);
            continue;
        };
        let certificate = with_newline(certificate);
        let chain = [&*certificate, &*list.issuer_chain].concat();
        let found = authenticate.pck_certificate(&chain)?;
        let PckExtension { ppid, fmspc, pce_id: of_pce, tcb, .. } = found.extension;
        if *of_all.get_or_insert(ppid) != ppid {
            return Err("the PCK certificates are for several platforms: their PPIDs differ".into());
        }
        let tcbm = Tcbm { cpu_svn: tcb.cpu_svn, pce_svn: tcb.pce_svn };
        let expected = (list.fmspc, pce_id, list.ca, entry.tcbm);
        if (fmspc, of_pce, found.ca, tcbm) != expected {
            return Err(format!(
                "PCK certificate expected for {} {} {} {}, found {fmspc} {of_pce} {} {tcbm}",
                list.fmspc,
                pce_id,
                list.ca.name(),
                entry.tcbm,
                found.ca.name(),
            ));
        }
        certificates.push(PlatformCertificate { tcbm, certificate });
    }
    Ok(Judged { list, certificates, missing })
}

/// A leaf ends with a newline: QCNL puts the chain right behind it.
fn with_newline(mut certificate: Vec<u8>) -> Vec<u8> {
    if certificate.last() != Some(&b'\n') {
        certificate.push(b'\n');
    }
    certificate
}
