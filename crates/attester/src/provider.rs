//! The ways to a quote, in order, and what became of each.
//!
//! Must stay true: whatever way it came, a quote is returned only if it parses and has the report data asked for; every
//! failure is kept.

use std::fmt;
use std::time::Duration;

use tdattest_wire::bytes::ReportData;
use tdattest_wire::quote::Quote;
use tdattest_wire::td_report::TdReport;

use crate::config;
use crate::configfs;
use crate::cwt;
use crate::deadline::Deadline;
use crate::device;
use crate::error::{ProviderError, ReportError};
use crate::get_quote;
use crate::paths::Paths;
use crate::qgs::{self, Endpoint};

/// The ways to a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The kernel's configfs-tsm.
    Configfs,
    /// The QGS on the host's vsock port that `/etc/tdx-attest.conf` names.
    ConfiguredVsock,
    /// A QGS somewhere.
    Qgs(Endpoint),
    /// The GET_QUOTE ioctl of downstream drivers.
    Ioctl,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configfs => f.pad("configfs"),
            Self::ConfiguredVsock => f.pad("vsock"),
            Self::Qgs(endpoint) => write!(f, "{endpoint}"),
            Self::Ioctl => f.pad("ioctl"),
        }
    }
}

/// What became of one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The way.
    pub provider: Provider,
    /// Why it brought no quote.
    pub error: ProviderError,
}

/// A quote, and how it was obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObtainedQuote {
    /// The quote, with the padding of the buffer it came in.
    pub bytes: Vec<u8>,
    /// How many of its last bytes are padding, under no signature.
    pub padding: usize,
    /// The way it came.
    pub provider: Provider,
    /// The ways that were tried before.
    pub failed: Vec<Attempt>,
}

impl ObtainedQuote {
    /// The quote without its padding.
    pub fn trimmed(&self) -> &[u8] {
        let length = self.bytes.len().saturating_sub(self.padding);
        self.bytes.get(..length).unwrap_or(&self.bytes)
    }
}

/// No way brought a quote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quote: {}", .failed.iter().map(|it| format!("{}: {}", it.provider, it.error)).collect::<Vec<_>>().join("; "))]
pub struct NoAnswer {
    /// What became of each way, in order.
    pub failed: Vec<Attempt>,
}

/// Asks for quotes.
#[derive(Clone, Debug)]
pub struct Attester {
    paths: Paths,
    providers: Vec<Provider>,
    allowed: Duration,
}

impl Attester {
    /// An attester that tries configfs-tsm, the configured vsock port and GET_QUOTE, in that order.
    pub fn new(paths: Paths) -> Self {
        let providers = vec![Provider::Configfs, Provider::ConfiguredVsock, Provider::Ioctl];
        Self { paths, providers, allowed: Deadline::DEFAULT }
    }

    /// The same with other ways, in this order.
    #[must_use]
    pub fn with_providers(self, providers: Vec<Provider>) -> Self {
        Self { providers, ..self }
    }

    /// The same with another time for each way. Kernel, QEMU and QGS each wait up to 30 s for theirs.
    #[must_use]
    pub fn with_deadline(self, allowed: Duration) -> Self {
        Self { allowed, ..self }
    }

    /// A quote for this report data.
    ///
    /// # Errors
    /// Why each way failed.
    pub fn quote(&self, report_data: &ReportData) -> Result<ObtainedQuote, NoAnswer> {
        self.obtain(report_data, None)
    }

    /// A quote of this TDREPORT, for callers who have one already: no way takes another. configfs-tsm, which makes its
    /// own, is asked for one with the same report data.
    ///
    /// # Errors
    /// Why each way failed.
    pub fn quote_from_report(&self, report: &[u8]) -> Result<ObtainedQuote, NoAnswer> {
        match report_data_of(report) {
            Ok(report_data) => self.obtain(&report_data, Some(report)),
            Err(error) => {
                let attempt = |provider: &Provider| Attempt {
                    provider: provider.clone(),
                    error: error.clone().into(),
                };
                Err(NoAnswer { failed: self.providers.iter().map(attempt).collect() })
            }
        }
    }

    fn obtain(
        &self,
        report_data: &ReportData,
        report: Option<&[u8]>,
    ) -> Result<ObtainedQuote, NoAnswer> {
        let mut failed = Vec::new();
        for provider in &self.providers {
            let provider = provider.clone();
            let obtained = self.ask(&provider, report_data, report);
            match obtained.and_then(|bytes| checked(bytes, report_data)) {
                Ok((bytes, padding)) => {
                    return Ok(ObtainedQuote { bytes, padding, provider, failed });
                }
                Err(error) => failed.push(Attempt { provider, error }),
            }
        }
        Err(NoAnswer { failed })
    }

    fn ask(
        &self,
        provider: &Provider,
        report_data: &ReportData,
        report: Option<&[u8]>,
    ) -> Result<Vec<u8>, ProviderError> {
        let deadline = Deadline::after(self.allowed);
        let report = || match report {
            Some(report) => Ok(report.to_vec()),
            None => device::report_within(&deadline, &self.paths, report_data).map(Vec::from),
        };
        match provider {
            Provider::Configfs => configfs::quote(&self.paths, report_data, &deadline),
            Provider::ConfiguredVsock => {
                let endpoint = self.configured_vsock()?;
                qgs::quote(&endpoint, &report()?, &deadline)
            }
            Provider::Qgs(endpoint) => qgs::quote(endpoint, &report()?, &deadline),
            Provider::Ioctl => get_quote::quote(&self.paths, &report()?, &deadline),
        }
    }

    fn configured_vsock(&self) -> Result<Endpoint, ProviderError> {
        let path = self.paths.config.display();
        let found = config::read(&self.paths.config).map_err(|fault| {
            ProviderError::Unavailable(format!("{path} cannot be read: {fault}"))
        })?;
        let text = match found {
            Some(config::VsockPort::Port { port, .. }) => {
                return Ok(Endpoint::Vsock { cid: Endpoint::HOST, port: port.into() });
            }
            None => format!("{path} is not there, so no vsock port is configured"),
            Some(config::VsockPort::None { nearly: None }) => {
                format!("{path} has no line `port=N`")
            }
            Some(config::VsockPort::None { nearly: Some(line) }) => {
                format!(
                    "line {line} of {path} is no port as Intel's client reads it: `port=N`, nothing else"
                )
            }
            Some(config::VsockPort::TooLarge { line, value }) => {
                format!("line {line} of {path} has port {value}, and there are 0 to 65535")
            }
        };
        Err(ProviderError::Unavailable(text))
    }
}

/// Asks a QGS for a quote of this TDREPORT, wherever it came from, and checks what comes.
///
/// # Errors
/// Why there is none.
pub fn quote_from_report(
    endpoint: &Endpoint,
    report: &[u8],
    allowed: Duration,
) -> Result<ObtainedQuote, ProviderError> {
    let report_data = report_data_of(report)?;
    let answer = qgs::quote(endpoint, report, &Deadline::after(allowed))?;
    let (bytes, padding) = checked(answer, &report_data)?;
    let provider = Provider::Qgs(endpoint.clone());
    Ok(ObtainedQuote { bytes, padding, provider, failed: Vec::new() })
}

fn report_data_of(report: &[u8]) -> Result<ReportData, ReportError> {
    let report =
        TdReport::parse(report).map_err(|fault| ReportError::Implausible(fault.to_string()))?;
    Ok(report.report_mac.report_data)
}

/// The quote and the length of its padding, if it is a quote for this report data.
pub(crate) fn checked(
    bytes: Vec<u8>,
    report_data: &ReportData,
) -> Result<(Vec<u8>, usize), ProviderError> {
    let quote = Quote::parse(&bytes).map_err(|fault| match cwt::is_cbor_web_token(&bytes) {
        true => ProviderError::CborWebToken { length: bytes.len() },
        false => ProviderError::NotAQuote(fault),
    })?;
    if quote.body().report_data() != report_data {
        return Err(ProviderError::OtherReportData);
    }
    let padding = quote.trailing().len();
    Ok((bytes, padding))
}
