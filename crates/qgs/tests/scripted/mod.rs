//! A backend that does what a test says, and peers that behave as badly as a test says.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tdattest_qgs::backend::{Backend, Context};
use tdattest_qgs::listen::{Listener, UnixSettings};
use tdattest_qgs::wire::qgs::{NoAnswer, PREFIX_BYTES, QuoteResponse, Request};
use tdattest_qgs::{
    Collateral, Failure, Hop, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES, Service,
    Settings,
};

/// What happens at the n-th call, from 0.
type Script<T> = Box<dyn Fn(usize) -> Result<T, Failure> + Send + Sync>;

/// A backend that follows scripts, and counts.
pub(crate) struct Scripted {
    open: Script<()>,
    quote: Script<Vec<u8>>,
    pub(crate) opened: AtomicUsize,
    pub(crate) asked: AtomicUsize,
    pub(crate) closed: AtomicUsize,
}

impl Scripted {
    /// Every context opens, every quote is that of its report.
    pub(crate) fn honest() -> Arc<Self> {
        Self::of(|_| Ok(()), |_| Ok(vec![]))
    }

    /// Every context opens; no quote comes before the gate is opened.
    pub(crate) fn held() -> (Arc<Self>, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        let quote = move |_| {
            held.wait();
            Ok(vec![])
        };
        (Self::of(|_| Ok(()), quote), gate)
    }

    /// An empty quote in the script stands for that of the report.
    pub(crate) fn of(
        open: impl Fn(usize) -> Result<(), Failure> + Send + Sync + 'static,
        quote: impl Fn(usize) -> Result<Vec<u8>, Failure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            open: Box::new(open),
            quote: Box::new(quote),
            opened: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        })
    }
}

/// The handle that the service takes.
pub(crate) struct Handle(pub(crate) Arc<Scripted>);

impl Backend for Handle {
    fn name(&self) -> String {
        "scripted".into()
    }

    fn open(&self) -> Result<Box<dyn Context>, Failure> {
        (self.0.open)(self.0.opened.fetch_add(1, Ordering::SeqCst))?;
        Ok(Box::new(ScriptedContext(Arc::clone(&self.0))))
    }
}

struct ScriptedContext(Arc<Scripted>);

impl Drop for ScriptedContext {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Context for ScriptedContext {
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure> {
        let scripted = (self.0.quote)(self.0.asked.fetch_add(1, Ordering::SeqCst))?;
        match scripted.is_empty() {
            true => Ok(quote_of(report, service_td.is_some())),
            false => Ok(scripted),
        }
    }

    fn collateral(&mut self, fmspc: [u8; 6], ca: PckCa) -> Result<Collateral, Failure> {
        let document = |name: &str| [name.as_bytes(), ca.name().as_bytes(), &fmspc].concat();
        Ok(Collateral {
            version: (3, 1),
            pck_crl_issuer_chain: document("pck crl chain"),
            root_ca_crl: document("root ca crl"),
            pck_crl: document("pck crl"),
            tcb_info_issuer_chain: document("tcb info chain"),
            tcb_info: document("tcb info"),
            qe_identity_issuer_chain: document("qe identity chain"),
            qe_identity: document("qe identity"),
        })
    }

    fn platform_info(&mut self) -> Result<PlatformInfo, Failure> {
        Ok(PlatformInfo {
            tdqe_isv_svn: 4,
            pce_isv_svn: 13,
            platform_id: [1; 16],
            cpu_svn: [2; 16],
        })
    }

    fn probe(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The quote of a report: its report data, so that each can be told from another.
pub(crate) fn quote_of(report: &[u8; REPORT_BYTES], with_service_td: bool) -> Vec<u8> {
    [&report[128..192], &[u8::from(with_service_td)]].concat()
}

/// A report of its own for each number.
pub(crate) fn report(number: u32) -> Vec<u8> {
    let mut report = vec![0; REPORT_BYTES];
    report[0] = 0x81;
    report[128..132].copy_from_slice(&number.to_le_bytes());
    report
}

/// A failure of the backend.
pub(crate) fn failure(code: &'static str) -> Failure {
    Failure::new(Hop::Enclave, code, "as the script says")
}

/// A service in a folder of its own.
pub(crate) struct Running {
    pub(crate) service: Option<Service>,
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(backend: &Arc<Scripted>, settings: Settings) -> Self {
        Self::with(Arc::new(Handle(Arc::clone(backend))), settings)
    }

    /// With a backend that follows no script.
    pub(crate) fn with(backend: Arc<dyn Backend>, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qgs.socket");
        let unix = UnixSettings { path: path.clone(), mode: 0o600, group: None };
        let listener = Listener::unix(&unix).unwrap();
        let service = Service::start(vec![listener], backend, settings).unwrap();
        Self { service: Some(service), path, _folder: folder }
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    pub(crate) fn drain(&mut self) -> bool {
        self.service.take().unwrap().drain(Duration::from_secs(60))
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).unwrap()
    }

    /// Sends bytes, and takes all that comes back.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        all(stream)
    }

    /// Asks for the quote of report 1, and waits until the backend is at it.
    pub(crate) fn ask_and_wait(&self, backend: &Scripted) -> UnixStream {
        let mut stream = self.connect();
        let request = Request::Quote { report: &report(1), id_list: &[] }.write();
        stream.write_all(&request).unwrap();
        while backend.asked.load(Ordering::SeqCst) < 1 {
            std::thread::yield_now();
        }
        stream
    }

    /// Asks for a quote as a guest does.
    pub(crate) fn quote(&self, number: u32) -> Result<Vec<u8>, NoAnswer> {
        let report = report(number);
        let request = Request::Quote { report: &report, id_list: &[] }.write();
        answered(&self.exchange(&request))
    }

    /// The codes of the last failures.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.service().status().failures.into_iter().map(|failure| failure.reason.code).collect()
    }
}

/// What an answer to a request for a quote says.
pub(crate) fn answered(bytes: &[u8]) -> Result<Vec<u8>, NoAnswer> {
    QuoteResponse::parse(bytes.get(PREFIX_BYTES..).unwrap_or_default())
        .map(|response| response.quote.to_vec())
}

/// All that comes, to the end or a reset.
pub(crate) fn all(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A peer that sent more than was read is reset behind the answer.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// A gate that calls wait at until it is opened.
#[derive(Default)]
pub(crate) struct Gate(Mutex<bool>, std::sync::Condvar);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let mut open = self.0.lock().unwrap();
        while !*open {
            open = self.1.wait(open).unwrap();
        }
    }
}
