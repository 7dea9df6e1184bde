//! A service whose answers are scripted, on sockets of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::tls::{Tls, TlsSettings};
use tdattest_pccs::{
    Admission, Answer, Answering, Answers, Counters, Limits, ListenAt, Listener, Parts,
    RefreshItem, RefreshOutcome, RefreshReport, Request, Rhythm, Service,
};
use tdattest_wire::time::UnixTime;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A path whose answer panics.
pub(crate) const PANIC: &str = "/panic";

/// A path whose answer waits for [`Host::release`].
pub(crate) const SLOW: &str = "/slow";

/// A path that takes a body of nobody.
pub(crate) const CLOSED: &str = "/closed";

/// RFC 9113: settings that say nothing.
pub(crate) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

const START: u64 = 1_760_000_000;

/// Answers that say what was asked.
pub(crate) struct Script {
    pub(crate) refreshed: AtomicUsize,
    pub(crate) followed: AtomicUsize,
    /// Whether following the changes panics.
    pub(crate) breaks: AtomicBool,
    counts: Mutex<BTreeMap<String, usize>>,
    released: Semaphore,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            refreshed: AtomicUsize::new(0),
            followed: AtomicUsize::new(0),
            breaks: AtomicBool::new(false),
            counts: Mutex::default(),
            released: Semaphore::new(0),
        })
    }
}

/// A service without a certificate, its settings the usual ones.
fn parts(script: &Arc<Script>, listeners: Vec<Listener>) -> Parts {
    Parts {
        answers: Arc::clone(script) as Arc<dyn Answers>,
        store: Arc::new(Memory::new()),
        clock: Arc::new(|| UnixTime::from_secs(START).unwrap()),
        listeners,
        tls: None,
        metrics: None,
        limits: Limits::default(),
        rhythm: Rhythm::default(),
        counters: Counters::default(),
    }
}

/// Why a service without a certificate does not start here.
pub(crate) async fn uncertified(at: &str) -> std::io::Result<Service> {
    let listener = Listener::open(&at.parse().unwrap()).unwrap();
    Service::start(parts(&Script::new(), vec![listener]))
}

impl Answers for Script {
    fn admit<'a>(&'a self, head: &'a Request) -> Answering<'a, Admission> {
        *self.counts.lock().unwrap().entry(format!("head of {}", head.path)).or_default() += 1;
        Box::pin(async {
            if head.path == CLOSED {
                let (status, headers) = (StatusCode::UNAUTHORIZED, HeaderMap::new());
                let body = Bytes::from_static(b"closed");
                return Admission::Refused(Answer { status, headers, body, route: "closed" });
            }
            match head.method {
                Method::GET => Admission::WithoutBody,
                _ => Admission::WithBody,
            }
        })
    }

    fn answer(&self, request: Request) -> Answering<'_, Answer> {
        *self.counts.lock().unwrap().entry(request.path.clone()).or_default() += 1;
        Box::pin(async move {
            match &*request.path {
                PANIC => panic!("as the script says"),
                SLOW => self.released.acquire().await.unwrap().forget(),
                _ => {}
            }
            let size = match request.body_too_large {
                true => "too large".into(),
                false => request.body.len().to_string(),
            };
            let Request { method, path, query, .. } = request;
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static("tcb-info-issuer-chain");
            headers.insert(name, HeaderValue::from_static("chain"));
            let body = Bytes::from(format!("{method} {path} {query} {size}"));
            Answer { status: StatusCode::OK, headers, body, route: "echo" }
        })
    }

    fn refresh(&self) -> Answering<'_, RefreshReport> {
        self.refreshed.fetch_add(1, Ordering::Relaxed);
        let outcome = RefreshOutcome::Failed("as the script says".into());
        let item = RefreshItem { name: "item".into(), outcome };
        Box::pin(async { RefreshReport { left_to_another: false, items: vec![item] } })
    }

    fn follow_changes(&self) -> Answering<'_, ()> {
        self.followed.fetch_add(1, Ordering::Relaxed);
        assert!(!self.breaks.load(Ordering::Relaxed), "as the script says");
        Box::pin(async {})
    }
}

/// A service on loopback and a Unix socket, and the clients to ask it with.
pub(crate) struct Host {
    pub(crate) script: Arc<Script>,
    folder: TempDir,
    runtime: Runtime,
    service: Option<Service>,
    https: SocketAddr,
    plain: ListenAt,
    metrics: SocketAddr,
    now: Arc<AtomicU64>,
}

impl Host {
    /// With the usual limits.
    pub(crate) fn start() -> Self {
        Self::with(Limits::default(), Rhythm { refresh: None, ..Rhythm::default() })
    }

    pub(crate) fn with(limits: Limits, rhythm: Rhythm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listeners: Vec<Listener> = [
            "127.0.0.1:0".to_owned(),
            "http://127.0.0.1:0".to_owned(),
            format!("unix:{}", folder.path().join("socket").display()),
        ]
        .iter()
        .map(|at| Listener::open(&at.parse().unwrap()).unwrap())
        .collect();
        let ListenAt::Https(https) = *listeners[0].at() else { panic!("no HTTPS") };
        let plain = listeners[1].at().clone();
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics_at = metrics.local_addr().unwrap();
        let now = Arc::new(AtomicU64::new(START));
        let time = Arc::clone(&now);
        let clock: tdattest_pccs::Clock =
            Arc::new(move || UnixTime::from_secs(time.load(Ordering::Relaxed)).unwrap());
        let settings =
            TlsSettings::Generated { folder: folder.path().join("tls"), names: Vec::new() };
        let tls = Arc::new(Tls::start(settings, Arc::clone(&clock)).unwrap());
        let script = Script::new();
        let parts = Parts {
            clock,
            tls: Some(tls),
            metrics: Some(metrics),
            limits,
            rhythm,
            ..parts(&script, listeners)
        };
        let service = runtime.block_on(async { Service::start(parts).unwrap() });
        let service = Some(service);
        Self { script, folder, runtime, service, https, plain, metrics: metrics_at, now }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    /// Waits until a part of the service has ended by itself.
    pub(crate) fn until_ended(&mut self) {
        let service = self.service.as_mut().unwrap();
        self.runtime.block_on(service.ended());
    }

    pub(crate) fn spawn_drain(&mut self, patience: Duration) -> JoinHandle<bool> {
        let service = self.service.take().unwrap();
        self.runtime.spawn(service.drain(patience))
    }

    pub(crate) fn https(&self) -> SocketAddr {
        self.https
    }

    pub(crate) fn plain(&self) -> &ListenAt {
        &self.plain
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https.port())
    }

    /// A connection without TLS.
    pub(crate) fn unix(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("socket")).unwrap()
    }

    fn tls_client(&self) -> ClientConfig {
        let ca = CertificateDer::from_pem_file(self.tls_folder().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_details(provider, Arc::new(FixedTime))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A client that trusts the CA, and no other.
    pub(crate) fn client(&self) -> reqwest::Client {
        let mut tls = self.tls_client();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    /// One that knows HTTP/1.1 alone.
    pub(crate) fn http1(&self) -> reqwest::Client {
        let tls = self.tls_client();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
        client.no_proxy().http1_only().build().unwrap()
    }

    /// The certificate that the service shows.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        let name = "localhost".try_into().unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.tls_client()), name).unwrap();
        let mut stream = TcpStream::connect(self.https).unwrap();
        connection.complete_io(&mut stream).unwrap();
        let stream = StreamOwned::new(connection, stream);
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// A connection over HTTP/2 on which these frames were sent, and nothing is done by itself.
    pub(crate) fn http2(&self, frames: &[u8]) -> StreamOwned<ClientConnection, TcpStream> {
        let mut tls = self.tls_client();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(tls), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(self.https).unwrap());
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames].concat()).unwrap();
        stream
    }

    /// The first bytes that the service sends over HTTP/2: nine of a frame's head, then its settings, six bytes each.
    pub(crate) fn http2_settings(&self) -> Vec<u8> {
        let mut stream = self.http2(SETTINGS);
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head[3], 4, "settings come first");
        let mut settings = vec![0; usize::from(head[2])];
        stream.read_exact(&mut settings).unwrap();
        settings
    }

    fn tls_folder(&self) -> PathBuf {
        self.folder.path().join("tls")
    }

    /// Makes another certificate, as another process would.
    pub(crate) fn certify_again(&self) {
        std::fs::remove_file(self.tls_folder().join("certificate.pem")).unwrap();
        let now = Arc::clone(&self.now);
        let clock: tdattest_pccs::Clock =
            Arc::new(move || UnixTime::from_secs(now.load(Ordering::Relaxed)).unwrap());
        let settings = TlsSettings::Generated { folder: self.tls_folder(), names: Vec::new() };
        Tls::start(settings, clock).unwrap();
    }

    /// How often a path was asked for.
    pub(crate) fn counted(&self, path: &str) -> usize {
        self.script.counts.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    pub(crate) fn until_counted(&self, path: &str) {
        while self.counted(path) == 0 {
            std::thread::yield_now();
        }
    }

    /// Waits until nobody is let in.
    pub(crate) fn until_refused(&self) {
        while TcpStream::connect(self.https).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Lets one that is [`SLOW`] go on.
    pub(crate) fn release(&self) {
        self.script.released.add_permits(1);
    }

    /// What the other listener says.
    pub(crate) fn metrics(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// The time at which the certificates were made.
#[derive(Debug)]
struct FixedTime;

impl rustls::time_provider::TimeProvider for FixedTime {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(START)))
    }
}
