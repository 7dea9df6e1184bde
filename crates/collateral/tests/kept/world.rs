//! A simulated Intel, a source that does as it is told, and a clock that is set by hand.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tdattest_collateral::cache::Clock;
use tdattest_collateral::{Authenticate, Cache, Fetch, FetchError, Fetching};
use tdattest_simulator::pki::ChainDraft;
use tdattest_simulator::{CollateralDraft, Platform, Seed};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};
use tdattest_wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;
use tokio::sync::Semaphore;

pub(crate) const DAY: u64 = 24 * 60 * 60;

pub(crate) fn platform() -> Platform {
    Platform::new(Seed::of("what is kept"))
}

/// Midnight of the first day.
pub(crate) fn start() -> UnixTime {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn day(days: u64) -> UnixTime {
    start().saturating_add(days * DAY)
}

pub(crate) fn pck_ca() -> PckCa {
    platform().hardware.ca
}

pub(crate) fn tcb_info() -> PcsRequest {
    PcsRequest::TcbInfo(TeeType::Tdx, platform().hardware.fmspc, EvaluationDataSet::Standard)
}

/// What Intel's answer to a request is on a day.
pub(crate) fn minted(platform: &Platform, request: PcsRequest, at: UnixTime) -> Endorsement {
    let (tee, set) = match request {
        PcsRequest::TcbInfo(tee, _, set) | PcsRequest::QeIdentity(tee, set) => (tee, set),
        _ => (TeeType::Tdx, EvaluationDataSet::Standard),
    };
    let collateral = CollateralDraft::new(platform, tee, set, at).unwrap().mint().unwrap();
    let (body, issuer_chain) = match request {
        PcsRequest::PckCrl(_) => (collateral.pck_crl, collateral.pck_crl_issuer_chain),
        PcsRequest::TcbInfo(..) => (collateral.tcb_info.write(), collateral.tcb_info_issuer_chain),
        PcsRequest::QeIdentity(..) => {
            (collateral.qe_identity.write(), collateral.qe_identity_issuer_chain)
        }
        PcsRequest::RootCaCrl => {
            (collateral.root_ca_crl, ChainDraft::new(vec![platform.root_ca()]).pem().unwrap())
        }
        other => panic!("the tests do not ask for {other}"),
    };
    Endorsement { request, body, issuer_chain }
}

pub(crate) struct Judge(Verifier);

impl Judge {
    pub(crate) fn of(platform: &Platform) -> Arc<Self> {
        let root = platform.root_ca().der().unwrap();
        let anchor = TrustAnchor::from_der(&root).unwrap();
        Arc::new(Self(Verifier::new(anchor, crypto::rust_crypto())))
    }
}

impl Authenticate for Judge {
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String> {
        self.0.endorsement(endorsement).map_err(|fault| fault.to_string())
    }

    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String> {
        self.0.pck_certificate(chain).map_err(|fault| fault.to_string())
    }
}

/// What a source does when it is asked.
#[derive(Clone)]
pub(crate) enum Script {
    /// It brings what Intel says of this platform on this day.
    Serve(Box<Platform>, UnixTime),
    /// It brings exactly this.
    Bring(Endorsement),
    /// It is away.
    Away,
}

pub(crate) struct Scripted {
    script: Mutex<Script>,
    asked: AtomicUsize,
    /// Permits to answer.
    gate: Semaphore,
}

impl Scripted {
    pub(crate) fn set(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets nobody have an answer until [`Scripted::open`].
    pub(crate) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1000);
    }

    pub(crate) fn unreachable() -> FetchError {
        FetchError::Unreachable { url: "https://pcs.example".into(), cause: "it is away".into() }
    }
}

impl Fetch for Scripted {
    fn fetch(&self, request: PcsRequest) -> Fetching<'_> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            drop(self.gate.acquire().await.unwrap());
            match self.script.lock().unwrap().clone() {
                Script::Serve(platform, at) => Ok(minted(&platform, request, at)),
                Script::Bring(endorsement) => Ok(endorsement),
                Script::Away => Err(Self::unreachable()),
            }
        })
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) source: Arc<Scripted>,
    now: Arc<AtomicU64>,
}

impl World {
    /// The first day, noon, at which the source serves what Intel says.
    pub(crate) fn new() -> Self {
        let source = Scripted {
            script: Mutex::new(Script::Serve(Box::new(platform()), start())),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(1000),
        };
        let now = Arc::new(AtomicU64::new(start().as_secs() + DAY / 2));
        Self { folder: tempfile::tempdir().unwrap(), source: Arc::new(source), now }
    }

    pub(crate) fn set_now(&self, now: UnixTime) {
        self.now.store(now.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn serve_of(&self, at: UnixTime) {
        self.source.set(Script::Serve(Box::new(platform()), at));
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A cache as a new process has it.
    pub(crate) fn cache(&self) -> Cache {
        self.cache_of(Arc::clone(&self.source) as Arc<dyn Fetch>)
    }

    /// A cache in front of another source.
    pub(crate) fn cache_of(&self, source: Arc<dyn Fetch>) -> Cache {
        let now = Arc::clone(&self.now);
        let clock: Clock =
            Arc::new(move || UnixTime::from_secs(now.load(Ordering::SeqCst)).unwrap());
        Cache::new(self.folder.path(), source, Judge::of(&platform()), clock)
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
