//! A platform, its PCS, a service in front of it, and a clock that a test sets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use sha2::{Digest as _, Sha512};
use tdattest_pccs::collateral::{Authenticate, Client, RetryPolicy};
use tdattest_pccs::store::Store;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::wire::bytes::CpuSvn;
use tdattest_pccs::wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{Answer, FillMode, Pccs, Request, Settings};
use tdattest_simulator::pcs_server::PcsServer;
use tdattest_simulator::{Platform, Seed};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

/// The platform of the recordings: its FMSPC and its TCBs are those that the recorded requests name.
pub(crate) fn platform() -> Platform {
    let mut platform = Platform::new(Seed::of("the tests of the PCCS"));
    let svns = [7, 7, 2, 2, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0];
    platform.hardware.fmspc = "00806F050000".parse().unwrap();
    platform.hardware.cpu_svn = CpuSvn(svns);
    platform.hardware.sgx_tcb_svns = svns;
    platform.hardware.pce_svn = 11;
    platform.standard.tcb_evaluation_data_number = 17;
    platform.early.tcb_evaluation_data_number = 18;
    let levels = [(7, 11), (6, 11), (5, 5)];
    for (level, (first, pce_svn)) in platform.standard.tcb_level.iter_mut().zip(levels) {
        level.sgx = svns;
        (level.sgx[0], level.sgx[1], level.pce_svn) = (first, first, pce_svn);
    }
    platform.early.tcb_level = platform.standard.tcb_level.clone();
    platform
}

pub(crate) fn start() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// The time of a service and of its upstream.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(start().as_secs().into()))
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn pass_days(&self, days: u64) {
        self.pass(days * 24 * 3600);
    }
}

struct Judge(Verifier);

impl Authenticate for Judge {
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String> {
        self.0.endorsement(endorsement).map_err(|fault| fault.to_string())
    }

    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String> {
        self.0.pck_certificate(chain).map_err(|fault| fault.to_string())
    }
}

pub(crate) fn judge() -> Arc<dyn Authenticate> {
    let root = platform().root_ca().der().unwrap();
    Arc::new(Judge(Verifier::new(TrustAnchor::from_der(&root).unwrap(), crypto::aws_lc())))
}

/// A service, what is in front of it and what behind.
pub(crate) struct Case {
    pub(crate) pccs: Arc<Pccs>,
    pub(crate) upstream: PcsServer,
    pub(crate) store: Memory,
    pub(crate) time: Time,
}

pub(crate) fn settings(mode: FillMode) -> Settings {
    let hash =
        |token: &str| Some(data_encoding::HEXLOWER.encode(&Sha512::digest(token.as_bytes())));
    Settings {
        mode,
        user_token_hash: hash("usertok"),
        admin_token_hash: hash("admintok"),
        client_deadline: Duration::from_secs(30),
        refresh_jitter: Duration::ZERO,
        ..Settings::default()
    }
}

pub(crate) fn case(mode: FillMode) -> Case {
    case_with(settings(mode))
}

pub(crate) fn case_with(settings: Settings) -> Case {
    let time = Time::new();
    let clock = time.clone();
    let address = "127.0.0.1:0".parse().unwrap();
    let upstream = PcsServer::start(platform(), &address, Arc::new(move || clock.now())).unwrap();
    let store = Memory::new();
    let pccs = service(settings, &store, &upstream, &time);
    Case { pccs, upstream, store, time }
}

/// One more service on the same store and upstream.
pub(crate) fn service(
    settings: Settings,
    store: &Memory,
    upstream: &PcsServer,
    time: &Time,
) -> Arc<Pccs> {
    Arc::new(service_of(settings, store, &upstream.url(), time))
}

/// One with an upstream of another kind.
pub(crate) fn service_of(settings: Settings, store: &Memory, url: &str, time: &Time) -> Pccs {
    service_on(settings, Arc::new(store.clone()), url, time)
}

/// One with a store of another kind.
pub(crate) fn service_on(
    settings: Settings,
    store: Arc<dyn Store>,
    url: &str,
    time: &Time,
) -> Pccs {
    let time = time.clone();
    let clock = Arc::new(move || time.now());
    Pccs::new(settings, store, Some(Arc::new(client(url))), judge(), clock)
}

/// What an upstream waits at before it answers, from the first request on, until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Gate {
    pub(crate) fn before(upstream: &PcsServer) -> Self {
        let gate = Self::default();
        let passing = gate.clone();
        upstream.observe(Arc::new(move |_| passing.pass()));
        gate
    }

    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        let _open = changed.wait_while(state, |(_, is_open)| !*is_open).unwrap();
    }

    pub(crate) async fn until_somebody_waits(&self) {
        while self.0.0.lock().unwrap().0 == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

/// A test that fails must not leave the upstream waiting.
impl Drop for Gate {
    fn drop(&mut self) {
        // The observer has one, the test the other.
        if Arc::strong_count(&self.0) <= 2 {
            self.open();
        }
    }
}

/// A client of an upstream that asks again at once, so that no test waits.
pub(crate) fn client(url: &str) -> Client {
    let retry =
        RetryPolicy { attempts: 2, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };
    Client::builder(judge())
        .source(url.parse().unwrap())
        .deadline(Duration::from_secs(20))
        .retry(retry)
        .build()
        .unwrap()
}

pub(crate) fn request(method: Method, path_and_query: &str) -> Request {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    Request {
        method,
        path: path.into(),
        query: query.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        body_too_large: false,
    }
}

pub(crate) fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    let name: HeaderName = name.parse().unwrap();
    request.headers.insert(name, HeaderValue::from_str(value).unwrap());
    request
}

pub(crate) fn with_json(mut request: Request, body: impl Into<Bytes>) -> Request {
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = body.into();
    request
}

impl Case {
    pub(crate) async fn get(&self, path_and_query: &str) -> Answer {
        self.pccs.answer(request(Method::GET, path_and_query)).await
    }

    pub(crate) async fn as_admin(&self, method: Method, path_and_query: &str) -> Answer {
        let request = with_header(request(method, path_and_query), "admin-token", "admintok");
        self.pccs.answer(request).await
    }

    pub(crate) async fn register(&self, body: String) -> Answer {
        let request = request(Method::POST, "/sgx/certification/v4/platforms?update=all");
        let request = with_json(with_header(request, "user-token", "usertok"), body);
        self.pccs.answer(request).await
    }
}

pub(crate) fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

pub(crate) const TCB: &str = "/tdx/certification/v4/tcb?fmspc=00806F050000";

/// A request for the PCK certificate of a platform at a TCB.
pub(crate) fn pckcert(qe_id: &str, cpu_svn: &str, pce_svn: &str) -> String {
    let ppid = "ab".repeat(384);
    format!(
        "/sgx/certification/v4/pckcert?qeid={qe_id}&encrypted_ppid={ppid}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid=0000"
    )
}

pub(crate) const CPU_SVN: &str = "07070202030100030000000000000000";

pub(crate) fn registration(qe_id: &str) -> String {
    let ppid = "ab".repeat(384);
    format!(
        r#"{{"qe_id":"{qe_id}","pce_id":"0000","cpu_svn":"{CPU_SVN}","pce_svn":"0b00","enc_ppid":"{ppid}"}}"#
    )
}
