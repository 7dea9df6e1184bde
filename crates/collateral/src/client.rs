//! Asks each source in turn until one has the document.
//!
//! Must stay true: a document leaves only after [`Authenticate`] passed it; a source that lies, fails or lacks it is
//! passed over, and what each said is kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pck_certificates::{PckCertificates, PlatformQuery};
use tdattest_wire::pcs::PcsRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::authenticate::Authenticate;
use crate::crl_address::crl_request;
use crate::deadline::Deadline;
use crate::error::FetchError;
use crate::family::PlatformFamily;
use crate::files::Files;
use crate::opening::ClientBuilder;
use crate::platform;
use crate::service::{KnownRoot, Service, Visit, require_proof};

/// Requests at a time of one call that fetches several.
const PARALLEL: usize = 8;

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
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) sources: Vec<Opened>,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    /// For one document from one source, retries and pauses included.
    pub(crate) deadline: Duration,
    pub(crate) root: KnownRoot,
}

/// A source, ready to be asked.
pub(crate) enum Opened {
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
        ClientBuilder::new(authenticate)
    }

    /// Fetches one signed document, verified by the client's [`Authenticate`].
    ///
    /// Judges no dates: a source may have an old document.
    ///
    /// # Errors
    /// When no source has a good one: what the only source said, or what each of them said.
    pub async fn fetch(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        let (endorsement, _) = self.fetch_accepting(request, |_, _| Ok(())).await?;
        Ok(endorsement)
    }

    /// Fetches one signed document that is verified and wanted, and how long it holds.
    ///
    /// `accepts` is asked of each document that a source has, and says in words why one is not wanted: it is too old,
    /// say. The next source is asked then.
    ///
    /// # Errors
    /// When no source has one that is good and wanted: what the only source said, or what each of them said.
    pub async fn fetch_accepting(
        &self,
        request: PcsRequest,
        accepts: impl Fn(&Endorsement, &Validity) -> Result<(), String>,
    ) -> Result<(Endorsement, Validity), FetchError> {
        let mut failures = Vec::new();
        for source in &self.0.sources {
            let found = self.fetch_from(source, request).await;
            let wanted = found.and_then(|(endorsement, validity)| {
                accepts(&endorsement, &validity)
                    .map_err(|cause| FetchError::NotAccepted { url: source.name(), cause })?;
                Ok((endorsement, validity))
            });
            match wanted {
                Ok(wanted) => return Ok(wanted),
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

    /// Fetches every PCK certificate of a platform, each verified, and checked against what stands beside it.
    ///
    /// Judges neither dates nor revocation.
    ///
    /// # Errors
    /// When the proof is none that could be sent, or no source has good ones.
    pub async fn pck_certificates(
        &self,
        platform: &PlatformQuery,
    ) -> Result<PckCertificates, FetchError> {
        require_proof(&platform.proof)?;
        let authenticate = &*self.0.authenticate;
        let mut failures = Vec::new();
        for service in self.services() {
            let found = self.visit(service).pck_certificates(platform).await;
            let verified = found.and_then(|found| {
                platform::verify(&found, platform, authenticate)
                    .map_err(|cause| FetchError::Untrusted { url: service.name(), cause })?;
                Ok(found)
            });
            match verified {
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
        let unknown = || {
            let address = crate::transport::printable(uri);
            let cause = format!("`{address}` is no address that Intel publishes one at");
            FetchError::BadRequest { what: "CRL", cause }
        };
        let request = crl_request(uri).ok_or_else(unknown)?;
        self.fetch(request).await.map(|endorsement| endorsement.body)
    }

    /// Fetches the list of platform families, JSON, unsigned, for `all`, `client`, `E3` or `E5`.
    ///
    /// # Errors
    /// When no source has it, or the name is another.
    pub async fn fmspcs(&self, platform: &str) -> Result<Vec<PlatformFamily>, FetchError> {
        if !FAMILIES.contains(&platform) {
            let name = crate::transport::printable(platform);
            let cause = format!("expected all, client, E3 or E5, found `{name}`");
            return Err(FetchError::BadRequest { what: "list of platform families", cause });
        }
        let mut failures = Vec::new();
        for service in self.services() {
            match self.visit(service).fmspcs(platform).await {
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

    /// A service, to be asked for one thing from now on.
    fn visit<'a>(&'a self, service: &'a Service) -> Visit<'a> {
        let Inner { authenticate, deadline, root, .. } = &*self.0;
        let deadline = Deadline::after(*deadline);
        Visit { service, authenticate: &**authenticate, root, deadline }
    }

    async fn fetch_from(
        &self,
        source: &Opened,
        request: PcsRequest,
    ) -> Result<(Endorsement, Validity), FetchError> {
        let endorsement = match source {
            Opened::Service(service) => self.visit(service).fetch(request).await?,
            Opened::Files(files) => files.fetch(request, Deadline::after(self.0.deadline)).await?,
        };
        let validity = self
            .0
            .authenticate
            .endorsement(&endorsement)
            .map_err(|cause| FetchError::Untrusted { url: source.name(), cause })?;
        self.0.root.remember(&endorsement);
        Ok((endorsement, validity))
    }
}

impl Opened {
    /// What it is called in messages.
    fn name(&self) -> String {
        match self {
            Self::Service(service) => service.name(),
            Self::Files(files) => files.name(),
        }
    }
}
