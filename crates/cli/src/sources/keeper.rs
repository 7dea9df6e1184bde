//! Fetches documents through the cache, and says what is to be said about how they came.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tdattest_collateral::archive::collateral;
use tdattest_collateral::cache::{CacheError, Cached, Failure, FolderError, Origin};
use tdattest_collateral::{
    Archive, Authenticate, Cache, Client, Fetch, FetchError, RetryPolicy, Source, SourceError,
};
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pcs::{PcsRequest, PcsRequests};
use tdattest_verifier::wire::time::UnixTime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Sources;
use crate::authenticate::Authenticator;
use crate::output::{self, Hinted};
use crate::report::Judged;

/// What fetches and keeps, for one command.
pub(crate) struct Keeper {
    /// None where no source is to be asked.
    client: Option<Client>,
    cache: Option<Arc<Cache>>,
    now: UnixTime,
}

/// A document, or why it cannot be had.
pub(crate) type Outcome = Result<Cached, CacheError>;

impl Keeper {
    /// Opens the sources under a trust anchor, as of a time.
    ///
    /// # Errors
    /// When a source cannot be used as it is configured.
    pub(crate) fn open(sources: Sources, anchor: TrustAnchor, now: UnixTime) -> Result<Self> {
        let folder = sources.cache_dir.as_deref().map(|folder| cache_folder(folder, &anchor));
        let authenticate: Arc<dyn Authenticate> = Arc::new(Authenticator::new(anchor));
        let client = match sources.cached {
            true => None,
            false => Some(client(sources.sources, Arc::clone(&authenticate))?),
        };
        let cache = folder.map(|folder| {
            let clock = Arc::new(move || now);
            let source: Arc<dyn Fetch> = match client.clone() {
                Some(client) => Arc::new(client),
                None => Arc::new(Archive::default()),
            };
            let mut cache = Cache::new(&folder, source, authenticate, clock);
            if sources.allow_rollback {
                cache = cache.dangerous_allow_rollback();
            }
            if sources.refresh {
                cache = cache.refreshing();
            }
            if sources.allow_stale {
                cache = cache.dangerous_allow_stale();
            }
            Arc::new(cache)
        });
        Ok(Self { client, cache, now })
    }

    /// Where things are kept, if they are.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// Fetches documents side by side, in the order of the requests.
    ///
    /// # Errors
    /// When this system gives no events. What cannot be had is in the outcomes.
    pub(crate) fn documents(&self, requests: &[PcsRequest]) -> Result<Vec<(PcsRequest, Outcome)>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot wait for the network")?;
        let outcomes = runtime.block_on(self.side_by_side(requests));
        // A name that is still being looked up must not keep the command from ending.
        runtime.shutdown_background();
        Ok(outcomes)
    }

    async fn side_by_side(&self, requests: &[PcsRequest]) -> Vec<(PcsRequest, Outcome)> {
        // The chains of the others say where the root CA's CRL is.
        let (root, others): (Vec<PcsRequest>, Vec<PcsRequest>) =
            requests.iter().partition(|request| **request == PcsRequest::RootCaCrl);
        let mut outcomes = Vec::new();
        for group in [others, root] {
            let mut tasks = JoinSet::new();
            let places = Arc::new(Semaphore::new(PARALLEL));
            for request in group {
                let (cache, client) = (self.cache.clone(), self.client.clone());
                let (now, places) = (self.now, Arc::clone(&places));
                tasks.spawn(async move {
                    // The semaphore is never closed.
                    let _place = places.acquire().await;
                    let outcome = match (cache, client) {
                        (Some(cache), _) => cache.document(request).await,
                        (None, Some(client)) => unkept(&client, request, now).await,
                        (None, None) => {
                            Err(CacheError::Nothing(Failure::Fetch(FetchError::NoSource(request))))
                        }
                    };
                    (request, outcome)
                });
            }
            outcomes.extend(tasks.join_all().await);
        }
        outcomes.sort_by_key(|(request, _)| requests.iter().position(|asked| asked == request));
        outcomes
    }

    /// The collateral of a platform.
    ///
    /// # Errors
    /// When a document cannot be had: an error with a remedy, for exit code 3.
    pub(crate) fn collateral(&self, requests: &PcsRequests) -> Result<Collateral, Unavailable> {
        let failed = |fault: String, remedy: &str| Unavailable(fault, remedy.into());
        let mut documents = Vec::new();
        let outcomes = self.documents(&requests.0);
        let outcomes = outcomes.map_err(|fault| failed(format!("{fault:#}"), NO_EVENTS))?;
        for (request, outcome) in outcomes {
            let cached = outcome.map_err(|fault| Unavailable::of(request, &fault))?;
            note(&cached);
            documents.push(cached.endorsement);
        }
        collateral(&documents).map_err(|fault| failed(fault.to_string(), NO_FIT))
    }
}

/// A document that could not be had, and what to do.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String, pub(crate) String);

impl Unavailable {
    pub(crate) fn of(request: PcsRequest, fault: &CacheError) -> Self {
        let text = format!("the {} cannot be had: {fault}", request.document());
        Self(text, remedy(fault.failure()).into())
    }

    /// As what decides a judgement.
    pub(crate) fn judged(self) -> Judged {
        Judged { judgement: Judgement::CollateralUnavailable(self.0), remedy: Some(self.1) }
    }

    pub(crate) fn error(self) -> anyhow::Error {
        Hinted::error(self.0, self.1)
    }
}

/// Where the documents under one anchor are kept: those under another would be taken for old or new ones of these.
pub(crate) fn cache_folder(folder: &Path, anchor: &TrustAnchor) -> PathBuf {
    if anchor.is_intel() {
        return folder.join("intel");
    }
    let fingerprint: String = anchor.fingerprint().chars().take(FINGERPRINT_DIGITS).collect();
    folder.join(format!("root-{fingerprint}"))
}

fn client(sources: Vec<Source>, authenticate: Arc<dyn Authenticate>) -> Result<Client> {
    Client::builder(authenticate)
        .sources(sources)
        .deadline(DEADLINE)
        .retry(RetryPolicy { attempts: ATTEMPTS, ..RetryPolicy::default() })
        .build()
        .map_err(unusable)
}

async fn unkept(client: &Client, request: PcsRequest, now: UnixTime) -> Outcome {
    let fetched = client.fetch_accepting(request, |_, _| Ok(())).await;
    let (endorsement, validity) =
        fetched.map_err(|fault| CacheError::Nothing(Failure::Fetch(fault)))?;
    Ok(Cached { endorsement, validity, fetched_at: now, origin: Origin::Fresh })
}

/// Says how a document came, where it is not as it should be.
pub(crate) fn note(cached: &Cached) {
    let document = cached.endorsement.request.document();
    let ends = cached.validity.ends();
    let text = match &cached.origin {
        Origin::Fresh | Origin::Cache => return,
        Origin::Unkept(fault) => format!("the {document} is not kept: {fault}"),
        Origin::LastGood(fault) => format!(
            "a newer {document} is due and cannot be had, the kept one holds until {ends}: {fault}"
        ),
        Origin::Stale(fault) => {
            format!("the {document} ended at {ends}, and no newer one can be had: {fault}")
        }
    };
    output::note(&output::warning(&text));
}

fn unusable(fault: SourceError) -> anyhow::Error {
    match fault {
        SourceError::PlainHttp(_) => Hinted::error(
            fault,
            "use https; --dangerous-allow-http lets whoever is on the way read along, and withhold documents",
        ),
        fault => fault.into(),
    }
}

fn remedy(failure: &Failure) -> &'static str {
    match failure {
        Failure::Fetch(fault) => fetch_remedy(fault),
        Failure::Untrusted { .. } => {
            "the source is broken, or lies: use another; for a platform that you made with `tdattest sim`, give --root DIR/root.pem"
        }
        Failure::Rollback(_) => {
            "the source is behind, or shows old documents on purpose: use another; --dangerous-allow-rollback takes them"
        }
        Failure::Ended { .. } => {
            "the source has old documents, or this machine's clock is ahead; --at judges as of another time"
        }
        Failure::Seen(FolderError::Read { .. }) => {
            "let this user read it, or keep documents elsewhere: --cache-dir DIR"
        }
        Failure::Seen(_) => {
            "remove the file if you know why it is so; then nothing has been seen before"
        }
        _ => "try another source",
    }
}

fn fetch_remedy(fault: &FetchError) -> &'static str {
    if let FetchError::NoSource(_) = fault {
        return "it is not kept, and no source is asked with --cached: import an archive that has it, or leave --cached out";
    }
    match fault.code() {
        "fetch.untrusted" => {
            remedy(&Failure::Untrusted { request: PcsRequest::RootCaCrl, fault: String::new() })
        }
        "fetch.not-found" => {
            "Intel has no such document, or the source lacks it: check FMSPC, TEE and --set, or add another --source"
        }
        "fetch.not-accepted" => {
            "the sources are behind, or have old documents: use another; --dangerous-allow-rollback and --dangerous-allow-stale take them"
        }
        "fetch.refused" => "check --api-key-file, and whether the source is one of collateral",
        _ => {
            "check the address and the network; --source names another place, --collateral brings a file"
        }
    }
}

const NO_EVENTS: &str = "check the limits of this system: open files, processes";

const NO_FIT: &str = "ask for newer ones (--refresh), or another source";

/// Documents that are asked for at once: a service must not take an export of many families for an attack.
const PARALLEL: usize = 8;

/// How long a document may take from a source, for somebody who waits.
const DEADLINE: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 2;

/// Digits that tell one root key from another.
const FINGERPRINT_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tdattest_collateral::Fetching;
    use tdattest_verifier::wire::pcs::EvaluationDataSet;

    use super::*;

    /// How many ask at once, at the most.
    #[derive(Default)]
    struct Counted {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Fetch for Counted {
        fn fetch(&self, request: PcsRequest) -> Fetching<'_> {
            Box::pin(async move {
                let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(now, Ordering::SeqCst);
                // Whoever may ask does so before this one goes on.
                tokio::task::yield_now().await;
                self.now.fetch_sub(1, Ordering::SeqCst);
                Err(FetchError::NoSource(request))
            })
        }
    }

    #[test]
    fn what_was_seen_is_not_to_be_removed_because_it_may_not_be_read() {
        let path = PathBuf::from("seen.json");
        let fault = "permission denied".to_owned();
        let forbidden = Failure::Seen(FolderError::Read { path: path.clone(), fault });
        let damaged = Failure::Seen(FolderError::Malformed { path, fault: String::new() });
        assert_ne!(remedy(&forbidden), remedy(&damaged));
    }

    #[test]
    fn no_more_than_eight_documents_are_asked_for_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(Counted::default());
        let now = UnixTime::from_secs(0).unwrap();
        let judge = Arc::new(Authenticator::new(TrustAnchor::intel()));
        let fetch = Arc::clone(&source) as Arc<dyn Fetch>;
        let cache = Cache::new(folder.path(), fetch, judge, Arc::new(move || now));
        let keeper = Keeper { client: None, cache: Some(Arc::new(cache)), now };
        let numbers = (1..=40).map(EvaluationDataSet::Number);
        let requests: Vec<PcsRequest> = numbers.map(PcsRequest::QveIdentity).collect();
        let outcomes = keeper.documents(&requests).unwrap();
        assert_eq!(outcomes.len(), requests.len());
        assert_eq!(source.most.load(Ordering::SeqCst), PARALLEL);
    }
}
