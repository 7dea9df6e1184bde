//! Asks each source in turn until one has the document.
//!
//! Must stay true: a document leaves only after [`Authenticate`] passed it; a source that lies, fails or lacks it is
//! passed over, and what each said is kept.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pck_certificates::{PckCertificates, PlatformQuery};
use tdattest_wire::pcs::PcsRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::authenticate::Authenticate;
use crate::crl_address::crl_request;
use crate::error::{FetchError, SourceError};
use crate::files::Files;
use crate::retry::RetryPolicy;
use crate::service::Service;
use crate::source::{Address, Place, Proxy, Source, is_loopback};
use crate::transport::{Limits, Transport};
use crate::trust::Trust;

/// Requests at a time of one call that fetches several.
const PARALLEL: usize = 8;

/// The time of one document from one source, where nothing else is said.
const DEADLINE: Duration = Duration::from_secs(30);

/// The kinds of platform families that Intel lists.
const FAMILIES: [&str; 4] = ["all", "client", "E3", "E5"];

/// Fetches documents from ordered sources. Cheap to clone; every call is cancelled by dropping it.
///
/// ```
/// # use std::sync::Arc;
/// # use tdattest_collateral::wire::pcs::PcsRequest;
/// # use tdattest_collateral::{Authenticate, Client, FetchError, Source, SourceError};
/// # fn example(verifier: Arc<dyn Authenticate>) -> Result<Client, SourceError> {
/// let client = Client::builder(verifier)
///     .source("file:/var/lib/tdattest/bundle.json".parse()?)
///     .source(Source::intel())
///     .build()?;
/// # Ok(client) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    sources: Vec<Opened>,
    authenticate: Arc<dyn Authenticate>,
}

enum Opened {
    Service(Box<Service>),
    Files(Files),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("sources", &self.0.sources.len()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose documents are verified by this.
    pub fn builder(authenticate: Arc<dyn Authenticate>) -> ClientBuilder {
        let limits = Limits { deadline: DEADLINE, retry: RetryPolicy::default() };
        ClientBuilder { sources: Vec::new(), authenticate, limits }
    }

    /// Fetches one signed document, verified by the client's [`Authenticate`].
    ///
    /// Judges no dates: a source may have an old document.
    ///
    /// # Errors
    /// When no source has a good one: what the only source said, or what each of them said.
    pub async fn fetch(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        let mut failures = Vec::new();
        for source in &self.0.sources {
            match self.fetch_from(source, request).await {
                Ok(endorsement) => return Ok(endorsement),
                Err(fault) if fault.is_not_found() => {
                    tracing::debug!(document = request.document(), %fault, "source lacks it");
                    failures.push(fault);
                }
                Err(fault) => {
                    tracing::warn!(document = request.document(), %fault, "source failed");
                    failures.push(fault);
                }
            }
        }
        Err(FetchError::of_all(failures, FetchError::NoSource(request)))
    }

    /// Fetches several documents side by side, a bounded number at a time; the answers are in the order of the requests.
    ///
    /// The root CA's CRL comes after the others, since their chains say where it is.
    pub async fn fetch_all(&self, requests: &[PcsRequest]) -> Vec<Result<Endorsement, FetchError>> {
        let is_root = |request: &PcsRequest| *request == PcsRequest::RootCaCrl;
        let mut answers: Vec<Option<Result<Endorsement, FetchError>>> =
            requests.iter().map(|_| None).collect();
        for of_root in [false, true] {
            let chosen = requests.iter().enumerate().filter(|(_, one)| is_root(one) == of_root);
            for (at, answer) in self.side_by_side(chosen.map(|(at, one)| (at, *one))).await {
                if let Some(place) = answers.get_mut(at) {
                    *place = Some(answer);
                }
            }
        }
        let unanswered = |request: &PcsRequest| Err(FetchError::NoSource(*request));
        let both = answers.into_iter().zip(requests);
        both.map(|(answer, request)| answer.unwrap_or_else(|| unanswered(request))).collect()
    }

    async fn side_by_side(
        &self,
        requests: impl Iterator<Item = (usize, PcsRequest)>,
    ) -> Vec<(usize, Result<Endorsement, FetchError>)> {
        let places = Arc::new(Semaphore::new(PARALLEL));
        let mut tasks = JoinSet::new();
        for (at, request) in requests {
            let (client, places) = (self.clone(), Arc::clone(&places));
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _place = places.acquire().await;
                (at, client.fetch(request).await)
            });
        }
        tasks.join_all().await
    }

    /// Fetches every PCK certificate of a platform. Not verified: that takes its owner's rules.
    ///
    /// # Errors
    /// When no source has them.
    pub async fn pck_certificates(
        &self,
        platform: &PlatformQuery,
    ) -> Result<PckCertificates, FetchError> {
        let mut failures = Vec::new();
        for service in self.services() {
            match service.pck_certificates(platform).await {
                Ok(certificates) => return Ok(certificates),
                Err(fault) => failures.push(fault),
            }
        }
        Err(FetchError::of_all(failures, FetchError::NoService("PCK certificates")))
    }

    /// Fetches a CRL, DER, verified, by the address that Intel publishes it at.
    ///
    /// The address is never asked itself: it names the document, and the sources are asked for that.
    ///
    /// # Errors
    /// When the address is of no CRL of Intel's, or no source has a good one.
    pub async fn crl(&self, uri: &str) -> Result<Vec<u8>, FetchError> {
        let unknown = || FetchError::Malformed {
            url: crate::transport::printable(uri),
            cause: "it is no address that Intel publishes a CRL at".into(),
        };
        let request = crl_request(uri).ok_or_else(unknown)?;
        self.fetch(request).await.map(|endorsement| endorsement.body)
    }

    /// Fetches the list of platform families, JSON, unsigned, for `all`, `client`, `E3` or `E5`.
    ///
    /// # Errors
    /// When no source has it, or the name is another.
    pub async fn fmspcs(&self, platform: &str) -> Result<Vec<u8>, FetchError> {
        if !FAMILIES.contains(&platform) {
            let url = crate::transport::printable(platform);
            let cause = "it names no platforms, expected all, client, E3 or E5".into();
            return Err(FetchError::Malformed { url, cause });
        }
        let mut failures = Vec::new();
        for service in self.services() {
            match service.fmspcs(platform).await {
                Ok(families) => return Ok(families),
                Err(fault) => failures.push(fault),
            }
        }
        Err(FetchError::of_all(failures, FetchError::NoService("list of platform families")))
    }

    /// The services among the sources.
    fn services(&self) -> impl Iterator<Item = &Service> {
        self.0.sources.iter().filter_map(|source| match source {
            Opened::Service(service) => Some(&**service),
            Opened::Files(_) => None,
        })
    }

    async fn fetch_from(
        &self,
        source: &Opened,
        request: PcsRequest,
    ) -> Result<Endorsement, FetchError> {
        let authenticate = &*self.0.authenticate;
        let (endorsement, url) = match source {
            Opened::Service(service) => {
                (service.fetch(request, authenticate).await?, service.name())
            }
            Opened::Files(files) => (files.fetch(request).await?, files.name()),
        };
        authenticate
            .endorsement(&endorsement)
            .map_err(|cause| FetchError::Untrusted { url, cause })?;
        if let Opened::Service(service) = source {
            service.remember(&endorsement);
        }
        Ok(endorsement)
    }
}

/// Gathers the sources of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    sources: Vec<Source>,
    authenticate: Arc<dyn Authenticate>,
    limits: Limits,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl ClientBuilder {
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
        self.limits.deadline = deadline;
        self
    }

    /// How often a source is asked again.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.limits.retry = retry;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When a source cannot be used as it is configured.
    pub fn build(self) -> Result<Client, SourceError> {
        let mut transports = Transports { made: Vec::new(), limits: self.limits };
        let sources: Result<Vec<Opened>, SourceError> =
            self.sources.into_iter().map(|source| open(source, &mut transports)).collect();
        Ok(Client(Arc::new(Inner { sources: sources?, authenticate: self.authenticate })))
    }
}

fn open(source: Source, transports: &mut Transports) -> Result<Opened, SourceError> {
    let name = source.to_string();
    let address = match source.place {
        Place::Files(path) => return Ok(Opened::Files(Files { path })),
        Place::Service(address) => address,
    };
    if address.base.scheme() != "https" && !is_loopback(&address.base) {
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
    if source.trust == Trust::DangerousInsecure && address.base.scheme() == "https" {
        tracing::warn!(
            source = name,
            "its certificate is NOT checked: anybody can pretend to be it"
        );
    }
    let transport = transports.get(&address.base, &source.trust, &source.proxy)?;
    let elsewhere = elsewhere(&address, &source.trust, &source.proxy, transports, &transport)?;
    let service =
        Service { address, api_key: source.api_key, transport, elsewhere, root: Mutex::new(None) };
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
    let is_needed = match &address.root_ca_crl {
        Some(_) => true,
        None => address.kind == crate::source::ServiceKind::Pcs && !is_loopback(&address.base),
    };
    if !is_needed {
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

/// One HTTP client for each way of trusting and reaching, since each reads roots and keeps connections.
struct Transports {
    made: Vec<(Way, Transport)>,
    limits: Limits,
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
        let transport = Transport::new(base, trust, proxy, self.limits)?;
        self.made.push((way, transport.clone()));
        Ok(transport)
    }
}
