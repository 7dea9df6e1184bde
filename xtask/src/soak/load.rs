//! A service with a backend that costs nothing, and clients that ask as fast as they get answers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use tdattest_qgs::backend::{Backend, Context};
use tdattest_qgs::listen::{Listener, UnixSettings};
use tdattest_qgs::wire::qgs::{NoAnswer, PREFIX_BYTES, QuoteResponse, Request};
use tdattest_qgs::{
    Collateral, Failure, Hop, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES, Service,
    Settings,
};

/// Bytes of a quote: about as many as real ones have.
pub(crate) const QUOTE_BYTES: usize = 5_006;

/// Where a TDREPORT has the report data.
const REPORT_DATA: std::ops::Range<usize> = 128..192;

/// A backend whose quotes begin with the report data of their TDREPORT. Every n-th call fails, if n is not 0.
pub(crate) struct Scripted {
    pub(crate) fails_every: u64,
    pub(crate) calls: AtomicU64,
}

struct Handle(Arc<Scripted>);

impl Backend for Handle {
    fn name(&self) -> String {
        "scripted".into()
    }

    fn open(&self) -> Result<Box<dyn Context>, Failure> {
        Ok(Box::new(Handle(Arc::clone(&self.0))))
    }
}

impl Context for Handle {
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        _: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        if self.0.fails_every != 0 && call.is_multiple_of(self.0.fails_every) {
            let failure = Failure::new(Hop::Enclave, "enclave.scripted", "as the script says");
            // Every other one costs the context as well.
            let spoils = call.is_multiple_of(self.0.fails_every.saturating_mul(2));
            return Err(if spoils { failure.spoiling() } else { failure });
        }
        let mut quote = vec![0; QUOTE_BYTES];
        let data = report.get(REPORT_DATA).unwrap_or_default();
        quote.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        Ok(quote)
    }

    fn collateral(&mut self, _: [u8; 6], _: PckCa) -> Result<Collateral, Failure> {
        Err(Failure::new(Hop::Provider, "provider.none", "there is none"))
    }

    fn platform_info(&mut self) -> Result<PlatformInfo, Failure> {
        Err(Failure::new(Hop::Provider, "provider.none", "there is none"))
    }

    fn probe(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Starts a service at a path.
pub(crate) fn start(path: &Path, backend: &Arc<Scripted>, settings: Settings) -> Result<Service> {
    let unix = UnixSettings { path: path.into(), mode: 0o600, group: None };
    let backend = Arc::new(Handle(Arc::clone(backend)));
    Service::start(vec![Listener::unix(&unix)?], backend, settings).context("starting a service")
}

/// What came back.
pub(crate) enum Answer {
    /// A quote, bound to what was asked for.
    Quote,
    /// The service says that it could not.
    Refused,
}

/// Asks once for a quote with this number in its report data, as a guest does: connect, write, read to the end.
pub(crate) fn ask(path: &Path, number: u64) -> Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(&request(number))?;
    let mut answer = Vec::with_capacity(QUOTE_BYTES + 64);
    stream.read_to_end(&mut answer)?;
    match QuoteResponse::parse(answer.get(PREFIX_BYTES..).unwrap_or_default()) {
        Ok(response) => {
            let bound = response.quote.starts_with(&number.to_le_bytes());
            ensure!(bound, "the answer is another request's quote");
            ensure!(response.quote.len() == QUOTE_BYTES, "the quote is cut");
            Ok(Answer::Quote)
        }
        Err(NoAnswer::Refused(_)) => Ok(Answer::Refused),
        Err(fault) => Err(fault.into()),
    }
}

/// Asks, and is gone after so many bytes of the request, or while the answer is made.
pub(crate) fn ask_and_go(path: &Path, number: u64, after: usize) -> Result<()> {
    let mut stream = UnixStream::connect(path)?;
    let request = request(number);
    stream.write_all(request.get(..after).unwrap_or(&request))?;
    Ok(())
}

fn request(number: u64) -> Vec<u8> {
    let mut report = [0; REPORT_BYTES];
    report[0] = 0x81;
    if let Some(data) = report.get_mut(REPORT_DATA) {
        data.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    Request::Quote { report: &report, id_list: &[] }.write()
}
