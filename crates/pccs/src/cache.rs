//! Where a document comes from: memory, the store, or an upstream, in this order.
//!
//! ```text
//! hot ──▶ store ──▶ flight ──▶ lease ──▶ store again ──▶ upstream ──▶ authenticate ──▶ store
//! ```
//!
//! Must stay true: nothing is stored or handed out that [`Authenticate`] did not pass; one document is fetched once,
//! however many ask for it, at however many replicas; what is past its end is not served, unless stale is allowed by
//! name and no newer edition can be had.

mod flight;
pub(crate) mod hot;
pub(crate) mod platform;
mod trouble;
pub(crate) mod window;

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
use crate::store::{Changed, Document, Lease, PlatformKey, Put, Store, StoreError};

use flight::Flights;
use hot::{Hot, HotKey};
use platform::PlatformSet;
use trouble::Troubles;
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
    documents: Arc<Flights<PcsRequest, Arc<Document>>>,
    platforms: Arc<Flights<PlatformKey, Arc<PlatformSet>>>,
    troubles: Troubles,
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
            clock,
            documents: Arc::default(),
            platforms: Arc::default(),
            troubles: Troubles::default(),
        }
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    pub(crate) fn notice(&self, notice: &Notice) {
        if let Some(watcher) = &self.settings.watcher {
            watcher(notice);
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
        self.kept_or_fetched(request, fetch_missing).await
    }

    /// A document that is needed for what a client asks for: kept, or fetched wherever there is an upstream.
    pub(crate) async fn ensure(
        self: &Arc<Self>,
        request: PcsRequest,
    ) -> Result<Arc<Document>, Refusal> {
        self.kept_or_fetched(request, true).await
    }

    async fn kept_or_fetched(
        self: &Arc<Self>,
        request: PcsRequest,
        fetch_missing: bool,
    ) -> Result<Arc<Document>, Refusal> {
        let kept = self.kept(request).await?;
        let now = self.now();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.validity.ends() >= now) {
            self.notice(&Notice::FromStore);
            return Ok(Arc::clone(kept));
        }
        let may_fetch = self.upstream().is_some() && (fetch_missing || kept.is_some());
        let fetched = match may_fetch {
            true => {
                self.notice(&Notice::Miss);
                self.fetched(request).await
            }
            false => Err(Refusal::NoCacheData),
        };
        match (fetched, kept) {
            (Ok(fetched), _) => Ok(fetched),
            (Err(_), Some(kept)) if self.settings.allow_stale => {
                self.notice(&Notice::Stale);
                Ok(kept)
            }
            (Err(refusal), Some(kept)) => Err(ended(&kept, &refusal)),
            (Err(refusal), None) => Err(refusal),
        }
    }

    /// What the store has, whatever its age.
    pub(crate) async fn kept(&self, request: PcsRequest) -> Result<Option<Arc<Document>>, Refusal> {
        let kept = self.store.document(request).await;
        Ok(kept.map_err(|fault| self.store_failed(&fault))?.map(Arc::new))
    }

    /// A document asked for by its evaluation data number may be kept as the standard or the early one.
    async fn of_number(&self, request: PcsRequest) -> Result<Option<Arc<Document>>, Refusal> {
        let (of_set, number): (fn(PcsRequest, EvaluationDataSet) -> PcsRequest, u32) = match request
        {
            PcsRequest::TcbInfo(_, _, EvaluationDataSet::Number(number))
            | PcsRequest::QeIdentity(_, EvaluationDataSet::Number(number))
            | PcsRequest::QveIdentity(EvaluationDataSet::Number(number)) => (with_set, number),
            _ => return Ok(None),
        };
        for set in [EvaluationDataSet::Standard, EvaluationDataSet::Early] {
            let kept = self.kept(of_set(request, set)).await?;
            let fits = |kept: &Arc<Document>| {
                kept.validity.evaluation_data_number == Some(number)
                    && kept.validity.ends() >= self.now()
            };
            if let Some(kept) = kept.filter(fits) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Fetches a document and keeps it, unless a current one turns up meanwhile. Once, however many ask.
    async fn fetched(self: &Arc<Self>, request: PcsRequest) -> Result<Arc<Document>, Refusal> {
        let now = self.now();
        if let Some(refusal) = self.troubles.recent(&request, now) {
            return Err(refusal);
        }
        let cache = Arc::clone(self);
        let fetched = self.documents.share(request, || async move {
            let fetched = cache.fetch_unless_current(request).await;
            cache.troubles.note(&request, &fetched, cache.now());
            fetched
        });
        fetched.await
    }

    async fn fetch_unless_current(
        self: &Arc<Self>,
        request: PcsRequest,
    ) -> Result<Arc<Document>, Refusal> {
        let current = || async {
            let kept = self.kept(request).await?;
            Ok(kept.filter(|kept| kept.validity.ends() >= self.now()))
        };
        match self.lease(&request.path(), current).await? {
            Leased::Found(kept) => Ok(kept),
            Leased::Ours(lease) => {
                let fetched = self.fetch(request).await.map(|(document, _)| document);
                drop(lease);
                fetched
            }
        }
    }

    /// Fetches a document, verifies it and keeps it, unless a newer edition is kept already, which is returned then.
    pub(crate) async fn fetch(&self, request: PcsRequest) -> Result<(Arc<Document>, Put), Refusal> {
        let client = self.upstream().ok_or(Refusal::NoCacheData)?;
        let endorsement = {
            let _permit = self.permit().await?;
            let fetched = client.fetch(request).await;
            self.asked(request.document(), fetched)?
        };
        let document = self.verified(endorsement).map_err(|cause| {
            tracing::warn!(document = %request, %cause, "the upstream sent what is not Intel's");
            Refusal::Upstream(cause)
        })?;
        self.keep(document).await
    }

    /// Verifies a document.
    pub(crate) fn verified(&self, endorsement: Endorsement) -> Result<Document, String> {
        let validity = self.authenticate.endorsement(&endorsement)?;
        Ok(Document { endorsement, validity, fetched_at: self.now() })
    }

    pub(crate) fn authenticate(&self) -> &dyn Authenticate {
        self.authenticate.as_ref()
    }

    /// Keeps a verified document. When the store cannot, the document is good all the same.
    pub(crate) async fn keep(&self, document: Document) -> Result<(Arc<Document>, Put), Refusal> {
        let request = document.endorsement.request;
        let put = self.store.put_document(&document, false).await;
        self.changed(&Changed::Document(request));
        match put {
            Ok(Put::Stored) => Ok((Arc::new(document), Put::Stored)),
            Ok(Put::OlderThanKept { kept }) => {
                tracing::warn!(document = %request, kept = %kept.issued, came = %document.validity.issued,
                    "an older edition than is kept came, and is not taken");
                let newer = self.kept(request).await?.ok_or(Refusal::Internal)?;
                if newer.validity.ends() < self.now() {
                    let cause = "an older edition came than is kept".into();
                    return Err(ended(&newer, &Refusal::Upstream(cause)));
                }
                Ok((newer, Put::OlderThanKept { kept }))
            }
            Err(fault) => {
                self.store_failed(&fault);
                Ok((Arc::new(document), Put::Stored))
            }
        }
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

    /// Forgets what a change makes out of date.
    pub(crate) fn changed(&self, changed: &Changed) {
        match changed {
            Changed::Document(changed) => {
                self.hot.forget(|key| matches!(key, HotKey::Document(of, _) if of == changed));
            }
            Changed::Platform(changed) => {
                self.hot.forget(|key| matches!(key, HotKey::Pck(of, _) if of == changed));
            }
            Changed::Everything => self.hot.forget(|_| true),
            // Nothing of these is held here.
            Changed::Policies | Changed::Tokens | Changed::Crl(_) => {}
        }
    }
}

/// Whether the right to do it came, or what it was to bring.
pub(crate) enum Leased<T> {
    Ours(Box<dyn Lease>),
    Found(T),
}

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
