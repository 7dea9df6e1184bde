//! Makes a [`Client`] of what is configured, or says why it cannot be.
//!
//! Must stay true: an API key goes neither unencrypted to another machine nor to a server that nobody checks; what is
//! dangerous is warned of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::authenticate::Authenticate;
use crate::client::{Client, Inner, Opened};
use crate::error::SourceError;
use crate::files::Files;
use crate::retry::RetryPolicy;
use crate::service::{KnownRoot, Service};
use crate::source::{Address, Place, Proxy, ServiceKind, Source, is_loopback, is_unencrypted};
use crate::transport::Transport;
use crate::trust::Trust;

/// The time of one document from one source, where nothing else is said.
const DEADLINE: Duration = Duration::from_secs(30);

/// Gathers the sources of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    sources: Vec<Source>,
    authenticate: Arc<dyn Authenticate>,
    deadline: Duration,
    retry: RetryPolicy,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(authenticate: Arc<dyn Authenticate>) -> Self {
        let retry = RetryPolicy::default();
        Self { sources: Vec::new(), authenticate, deadline: DEADLINE, retry }
    }

    /// A further source, asked after those before it.
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Further sources, in their order.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// How long one document may take from one source, retries and pauses included. 30 seconds if nothing is said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often a source is asked again.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When a source cannot be used as it is configured.
    pub fn build(self) -> Result<Client, SourceError> {
        let mut transports = Transports { made: Vec::new(), retry: self.retry };
        let sources: Result<Vec<Opened>, SourceError> =
            self.sources.into_iter().map(|source| open(source, &mut transports)).collect();
        Ok(Client(Arc::new(Inner {
            sources: sources?,
            authenticate: self.authenticate,
            deadline: self.deadline,
            root: KnownRoot::default(),
        })))
    }
}

fn open(source: Source, transports: &mut Transports) -> Result<Opened, SourceError> {
    let name = source.to_string();
    let address = match source.place {
        Place::Files(path) => return Ok(Opened::Files(Files::new(path))),
        Place::Service(address) => address,
    };
    if is_unencrypted(&address.base) {
        if !source.allow_http {
            return Err(SourceError::PlainHttp(name));
        }
        if source.api_key.is_some() {
            return Err(SourceError::PlainApiKey(name));
        }
        tracing::warn!(
            source = name,
            "unencrypted HTTP: whoever is on the way reads and changes it"
        );
    }
    if let Some(url) = &address.root_ca_crl
        && is_unencrypted(url)
        && !source.allow_http
    {
        return Err(SourceError::PlainHttp(url.to_string()));
    }
    if source.trust == Trust::DangerousInsecure && address.base.scheme() == "https" {
        if source.api_key.is_some() {
            return Err(SourceError::UncheckedApiKey(name));
        }
        tracing::warn!(
            source = name,
            "its certificate is NOT checked: anybody can pretend to be it"
        );
    }
    let transport = transports.get(&address.base, &source.trust, &source.proxy)?;
    let elsewhere = elsewhere(&address, &source.trust, &source.proxy, transports, &transport);
    let service = Service { address, api_key: source.api_key, transport, elsewhere };
    Ok(Opened::Service(Box::new(service)))
}

/// The way to where root certificates point. Who is pinned, or not checked, is the service; CAs may be those of a proxy
/// that opens all connections.
fn elsewhere(
    address: &Address,
    trust: &Trust,
    proxy: &Proxy,
    transports: &mut Transports,
    own: &Transport,
) -> Result<Transport, SourceError> {
    let is_own = match &address.root_ca_crl {
        Some(url) => is_same_server(url, &address.base),
        None => address.kind == ServiceKind::Pccs || is_loopback(&address.base),
    };
    if is_own {
        return Ok(own.clone());
    }
    let trust = match trust {
        Trust::CaFile(_) => trust,
        Trust::System | Trust::Pins(_) | Trust::DangerousInsecure => &Trust::System,
    };
    let published = Url::parse(tdattest_wire::pcs::INTEL_ROOT_CA_CRL);
    let at = address.root_ca_crl.clone().or(published.ok());
    transports.get(at.as_ref().unwrap_or(&address.base), trust, proxy)
}

/// Whether two addresses are of one server, spoken to in one way.
fn is_same_server(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// One HTTP client for each way of trusting and reaching, since each reads roots and keeps connections.
struct Transports {
    made: Vec<(Way, Transport)>,
    retry: RetryPolicy,
}

/// What tells one HTTP client from another.
#[derive(PartialEq)]
struct Way {
    encrypted: bool,
    loopback: bool,
    trust: Trust,
    proxy: Proxy,
}

impl Transports {
    fn get(&mut self, base: &Url, trust: &Trust, proxy: &Proxy) -> Result<Transport, SourceError> {
        let way = Way {
            encrypted: base.scheme() == "https",
            loopback: is_loopback(base),
            trust: trust.clone(),
            proxy: proxy.clone(),
        };
        if let Some((_, made)) = self.made.iter().find(|(known, _)| *known == way) {
            return Ok(made.clone());
        }
        let transport = Transport::new(base, trust, proxy, self.retry)?;
        self.made.push((way, transport.clone()));
        Ok(transport)
    }
}
