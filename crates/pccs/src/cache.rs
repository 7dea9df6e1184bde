//! Where a document comes from: memory, the store, or an upstream, in this order.
//!
//! ```text
//! hot ──▶ store ──▶ flight ──▶ lease ──▶ store again ──▶ upstream ──▶ authenticate ──▶ store
//! ```
//!
//! Must stay true: nothing is stored or handed out that [`Authenticate`] did not pass; one document is fetched once,
//! however many ask for it, at however many replicas; what is past its end is not served, unless stale is allowed by
//! name and no newer edition can be had; whoever could be answered from what is kept does not wait for an upstream that
//! hangs.

mod answered;
mod fetched;
mod flight;
pub(crate) mod hot;
pub(crate) mod platform;
mod trouble;
pub(crate) mod window;
mod written;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tdattest_collateral::{Authenticate, Client, FetchError};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::time::UnixTime;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::answer::Refusal;
use crate::api::{Clock, Notice, Settings};
use crate::fill_mode::FillMode;
use crate::store::{Changed, Document, Lease, Store, StoreError};

pub(crate) use answered::Made;
pub(crate) use fetched::{Became, Fetched, Wanted};
use flight::Flights;
use hot::{Hot, Ready};
use platform::{PlatformSet, Proven};
use window::Window;

/// How long to wait before looking again while another replica is at it: from the first to the last.
const LEASE_WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(320));

/// Everything that an answer can come from.
pub(crate) struct Cache {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hot: Hot,
    client: Option<Arc<Client>>,
    authenticate: Arc<dyn Authenticate>,
    clock: Clock,
    upstream: Semaphore,
    documents: Arc<Flights<Wanted, Fetched>>,
    platforms: Arc<Flights<Proven, Arc<PlatformSet>>>,
    pub(crate) families: Arc<Flights<&'static str, Arc<Ready>>>,
}

impl Cache {
    pub(crate) fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        client: Option<Arc<Client>>,
        authenticate: Arc<dyn Authenticate>,
        clock: Clock,
    ) -> Self {
        Self {
            hot: Hot::new(settings.hot_bytes),
            upstream: Semaphore::new(settings.upstream_at_once.max(1)),
            settings,
            store,
            client,
            authenticate,
            documents: Arc::new(Flights::new(Arc::clone(&clock))),
            platforms: Arc::new(Flights::new(Arc::clone(&clock))),
            families: Arc::new(Flights::new(Arc::clone(&clock))),
            clock,
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    pub(crate) fn notice(&self, notice: &Notice) {
        if let Some(watcher) = &self.settings.watcher {
            watcher.tell(notice);
        }
    }

    pub(crate) fn window(&self, document: &Document) -> Window {
        Window::new(&document.validity, document.fetched_at, self.settings.refresh_lead)
    }

    /// The upstream, if this service may ask one.
    pub(crate) fn upstream(&self) -> Option<&Arc<Client>> {
        self.client.as_ref().filter(|_| self.settings.mode != FillMode::Offline)
    }

    /// A document that a client asks for: kept, or fetched where the mode lets clients cause that.
    pub(crate) async fn document(
        self: &Arc<Self>,
        request: PcsRequest,
    ) -> Result<Arc<Document>, Refusal> {
        if let Some(kept) = self.of_number(request).await? {
            return Ok(kept);
        }
        let fetch_missing = self.settings.mode == FillMode::Lazy;
        self.kept_or_fetched(request, fetch_missing, None).await
    }

    /// A document that is needed for what a client asks for: kept, or fetched wherever there is an upstream.
    pub(crate) async fn ensure(
        self: &Arc<Self>,
        request: PcsRequest,
    ) -> Result<Arc<Document>, Refusal> {
        self.kept_or_fetched(request, true, None).await
    }

    /// The same, for somebody whom another document does, too.
    pub(crate) async fn ensure_within(
        self: &Arc<Self>,
        patience: Option<Duration>,
        request: PcsRequest,
    ) -> Result<Arc<Document>, Refusal> {
        self.kept_or_fetched(request, true, patience).await
    }

    async fn kept_or_fetched(
        self: &Arc<Self>,
        request: PcsRequest,
        fetch_missing: bool,
        patience: Option<Duration>,
    ) -> Result<Arc<Document>, Refusal> {
        let kept = self.kept(request).await?;
        if let Some(kept) = kept.as_ref().filter(|kept| self.is_current(kept)) {
            self.notice(&Notice::FromStore);
            return Ok(Arc::clone(kept));
        }
        let may_fetch = self.upstream().is_some() && (fetch_missing || kept.is_some());
        let fetched = match may_fetch {
            true => {
                self.notice(&Notice::Miss);
                let wanted = Wanted::other_than(request, kept.as_deref());
                // Who has something kept is told that it has ended, or gets it, while there is time.
                let patience = kept.as_ref().map(|_| self.patience()).or(patience);
                self.fetched(wanted, patience).await
            }
            false => Err(Refusal::NoCacheData),
        };
        match fetched {
            Ok(fetched) => Ok(fetched.document),
            Err(refusal) => self.despite(request, kept, refusal).await,
        }
    }

    /// What has ended and cannot be fetched anew, where that is allowed; in words, where it is not.
    async fn despite(
        &self,
        request: PcsRequest,
        kept: Option<Arc<Document>>,
        refusal: Refusal,
    ) -> Result<Arc<Document>, Refusal> {
        if self.settings.allow_stale {
            // Once more: what the upstream sent may have ended, and have been kept for want of anything better.
            let best = self.kept(request).await.ok().flatten().or(kept);
            if let Some(kept) = best {
                self.notice(&Notice::Stale);
                return Ok(kept);
            }
            return Err(refusal);
        }
        Err(match kept {
            Some(kept) => ended(&kept, &refusal),
            None => refusal,
        })
    }

    /// How long somebody waits for an upstream who could be answered from what is kept: there has to be time left for
    /// that, and for a second document.
    pub(crate) fn patience(&self) -> Duration {
        self.settings.client_deadline / 4
    }

    fn is_current(&self, document: &Document) -> bool {
        document.validity.ends() >= self.now()
    }

    /// What the store has, whatever its age.
    pub(crate) async fn kept(&self, request: PcsRequest) -> Result<Option<Arc<Document>>, Refusal> {
        let kept = self.store.document(request).await;
        Ok(kept.map_err(|fault| self.store_failed(&fault))?.map(Arc::new))
    }

    /// A document asked for by its evaluation data number may be kept as the standard or the early one.
    async fn of_number(&self, request: PcsRequest) -> Result<Option<Arc<Document>>, Refusal> {
        let Some(number) = evaluation_data_number(request) else { return Ok(None) };
        for set in [EvaluationDataSet::Standard, EvaluationDataSet::Early] {
            let kept = self.kept(with_set(request, set)).await?;
            let fits = |kept: &Arc<Document>| {
                kept.validity.evaluation_data_number == Some(number) && self.is_current(kept)
            };
            if let Some(kept) = kept.filter(fits) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Verifies a document.
    pub(crate) fn verified(&self, endorsement: Endorsement) -> Result<Document, String> {
        let validity = self.authenticate.endorsement(&endorsement)?;
        Ok(Document { endorsement, validity, fetched_at: self.now() })
    }

    pub(crate) fn authenticate(&self) -> &dyn Authenticate {
        self.authenticate.as_ref()
    }

    /// Waits for a place among those who may ask the upstream at one time.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.upstream.acquire().await.map_err(|_| Refusal::Internal)
    }

    /// Waits until nobody else is at it, or until what is wanted is there.
    pub(crate) async fn lease<T, L>(
        &self,
        what: &str,
        wanted: impl Fn() -> L,
    ) -> Result<Leased<T>, Refusal>
    where
        L: Future<Output = Result<Option<T>, Refusal>>,
    {
        let (mut wait, longest) = LEASE_WAITS;
        let patience = Instant::now().checked_add(self.settings.client_deadline);
        loop {
            let lease = self.store.try_lease(what).await;
            let lease = lease.map_err(|fault| self.store_failed(&fault))?;
            // Looked for after the lease too: whoever had it before may have brought it.
            if let Some(found) = wanted().await? {
                return Ok(Leased::Found(found));
            }
            if let Some(lease) = lease {
                return Ok(Leased::Ours(lease));
            }
            if patience.is_none_or(|end| Instant::now() >= end) {
                let cause = format!("another replica has been fetching {what} for too long");
                return Err(Refusal::Unavailable(cause));
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(longest);
        }
    }

    /// Counts a call to the upstream, and says what its failure means for clients.
    pub(crate) fn asked<T>(
        &self,
        document: &'static str,
        result: Result<T, FetchError>,
    ) -> Result<T, Refusal> {
        let named = result.as_ref().err().map_or("ok", FetchError::code);
        self.notice(&Notice::Upstream { document, result: named });
        result.map_err(|fault| {
            let refusal = refusal(&fault);
            match refusal {
                Refusal::NoCacheData => tracing::info!(document, %fault, "the upstream has it not"),
                _ => tracing::warn!(document, %fault, "the upstream gives nothing"),
            }
            refusal
        })
    }

    pub(crate) fn store_failed(&self, fault: &StoreError) -> Refusal {
        self.notice(&Notice::Store);
        tracing::error!(store = self.store.kind(), %fault, "the store failed");
        match fault {
            StoreError::Unavailable(_) => Refusal::Unavailable("the database is away".into()),
            StoreError::Unwritable(_) => {
                Refusal::Unavailable("the database cannot be written".into())
            }
            _ => Refusal::Unavailable("the database does not work".into()),
        }
    }

    /// What is held in memory is doubtful after a change.
    pub(crate) fn changed(&self, changed: &Changed) {
        self.hot.doubt(changed);
    }
}

/// Whether the right to do it came, or what it was to bring.
pub(crate) enum Leased<T> {
    Ours(Box<dyn Lease>),
    Found(T),
}

/// The number that a document is asked for by, if it is.
fn evaluation_data_number(request: PcsRequest) -> Option<u32> {
    match request {
        PcsRequest::TcbInfo(_, _, EvaluationDataSet::Number(number))
        | PcsRequest::QeIdentity(_, EvaluationDataSet::Number(number))
        | PcsRequest::QveIdentity(EvaluationDataSet::Number(number)) => Some(number),
        _ => None,
    }
}

/// The same document of another set.
fn with_set(request: PcsRequest, set: EvaluationDataSet) -> PcsRequest {
    match request {
        PcsRequest::TcbInfo(tee, fmspc, _) => PcsRequest::TcbInfo(tee, fmspc, set),
        PcsRequest::QeIdentity(tee, _) => PcsRequest::QeIdentity(tee, set),
        PcsRequest::QveIdentity(_) => PcsRequest::QveIdentity(set),
        other => other,
    }
}

fn ended(kept: &Document, refusal: &Refusal) -> Refusal {
    let cause = match refusal {
        Refusal::Upstream(cause) | Refusal::Unavailable(cause) => cause.clone(),
        Refusal::Ended { cause, .. } => cause.clone(),
        Refusal::NoCacheData => "there is no upstream that has it".into(),
        _ => "it could not be fetched".into(),
    };
    let document = kept.endorsement.request.document();
    Refusal::Ended { document, ended: kept.validity.ends(), cause }
}

/// What clients are told. What Intel does not have, or does not take for a question, is not there; that we are not let
/// in, or are not understood, is our trouble.
fn refusal(fault: &FetchError) -> Refusal {
    if matches!(fault, FetchError::BadRequest { .. }) {
        return Refusal::InvalidRequest;
    }
    let no_question = matches!(fault, FetchError::Refused { status: 400, .. });
    let nobody = matches!(fault, FetchError::NoSource(_) | FetchError::NoService(_));
    match no_question || nobody || fault.is_not_found() {
        true => Refusal::NoCacheData,
        false => Refusal::Upstream(fault.to_string()),
    }
}
