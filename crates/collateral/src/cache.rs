//! Documents kept on disk, so that a source is asked seldom and may be away.
//!
//! ```text
//! document ──▶ kept, current ─────────────▶ served
//!              kept, due ──▶ source asked ──▶ what came, or what is kept
//!              ended, none ──▶ source asked ──▶ what came, or an error with both facts
//! ```
//!
//! Must stay true: a document is verified before it is kept and again when it is read back; nothing is served past its
//! end, or older than what was seen, unless that was allowed by name; one caller fetches, the others wait for it.

mod flight;
pub(crate) mod folder;
mod kept;
mod refresh;
mod served;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

pub use folder::FolderError;
pub use kept::kept_in;
pub use refresh::LEAD_S;
pub use served::{CacheError, Cached, Failure, Origin};

use crate::archive::{Archive, Kept};
use crate::authenticate::Authenticate;
use crate::error::FetchError;
use crate::fetch::Fetch;
use crate::guard::{Edition, Guard};
use flight::{Flights, Joined};
use folder::{Folder, Locked, Shelf};
use kept::{ENTRY_BYTES, sole_document};
use refresh::Need;

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// A cache in a folder, in front of whoever fetches.
pub struct Cache {
    folder: Folder,
    guard: Guard,
    source: Arc<dyn Fetch>,
    authenticate: Arc<dyn Authenticate>,
    clock: Clock,
    allow_rollback: bool,
    allow_stale: bool,
    refresh: bool,
    flights: Flights,
    /// When a source failed last, so that one that is away is not asked by every caller.
    failed: Mutex<BTreeMap<PcsRequest, UnixTime>>,
}

impl Cache {
    /// A cache in this folder, which is made when something is first kept.
    pub fn new(
        folder: &Path,
        source: Arc<dyn Fetch>,
        authenticate: Arc<dyn Authenticate>,
        clock: Clock,
    ) -> Self {
        let folder = Folder::new(folder);
        Self {
            guard: Guard::new(folder.clone()),
            folder,
            source,
            authenticate,
            clock,
            allow_rollback: false,
            allow_stale: false,
            refresh: false,
            flights: Flights::default(),
            failed: Mutex::default(),
        }
    }

    /// Takes documents that are older than some that were seen, and forgets that those were seen. The source is asked
    /// whatever is kept.
    #[must_use]
    pub fn dangerous_allow_rollback(self) -> Self {
        Self { allow_rollback: true, ..self }
    }

    /// Serves documents that have ended when no newer ones can be had.
    #[must_use]
    pub fn dangerous_allow_stale(self) -> Self {
        Self { allow_stale: true, ..self }
    }

    /// Asks the source whatever is kept; what is kept serves where the source fails.
    #[must_use]
    pub fn refreshing(self) -> Self {
        Self { refresh: true, ..self }
    }

    /// The document that answers a request: kept, or fetched and then kept.
    ///
    /// Whoever asks while somebody fetches it waits for that, or has the kept one at once if it has not ended.
    ///
    /// # Errors
    /// When there is none that holds.
    pub async fn document(&self, request: PcsRequest) -> Result<Cached, CacheError> {
        let Look { held, need, .. } = self.look(request);
        match (held, need) {
            (Some(held), Need::Nothing) => Ok(held),
            (Some(held), Need::Soon) => self.refresh(request, held).await,
            (held, _) => self.fetch_or_join(request, held).await,
        }
    }

    /// Verifies and keeps a document that came another way, such as in an archive.
    ///
    /// Blocks for as long as somebody fetches the same document.
    ///
    /// # Errors
    /// When it does not hold or is older than one that was seen; when it cannot be written, as [`Origin::Unkept`].
    pub fn keep(&self, kept: Kept) -> Result<Cached, Failure> {
        let request = kept.endorsement.request;
        let validity = self.verified(request, &kept.endorsement)?;
        // What is seen must not change between the look at it and the writing.
        let _lock = self.locked_blocking(&request);
        self.admit(request, &validity)?;
        let Kept { endorsement, fetched_at } = kept;
        let origin = Origin::Fresh;
        Ok(self.kept(Cached { endorsement, validity, fetched_at, origin }))
    }

    /// Removes a document that ended before this time. What was seen of it stays: nothing older is taken later on.
    ///
    /// Blocks for as long as somebody fetches the same document.
    ///
    /// # Errors
    /// When it is not genuine, or cannot be read or removed.
    pub fn forget(&self, request: PcsRequest, ended_before: UnixTime) -> Result<bool, FolderError> {
        // Whoever fetches it is about to keep a newer one.
        let _lock = self.locked_blocking(&request);
        let Some((_, validity)) = self.entry(request)? else { return Ok(false) };
        if validity.ends() >= ended_before {
            return Ok(false);
        }
        self.guard.remember(&request, Edition::of(&validity))?;
        self.folder.remove(Shelf::Documents, &request)?;
        Ok(true)
    }

    /// A newer one is due: one caller asks for it, and has the kept one if it does not come.
    async fn refresh(&self, request: PcsRequest, held: Cached) -> Result<Cached, CacheError> {
        let flight = self.flights.of(request);
        let Some(turn) = flight.try_turn() else { return Ok(held) };
        let lock = match self.folder.try_lock(&request) {
            Ok(Locked::Theirs) => return Ok(held),
            // Where nothing can be locked nothing can be kept either, and that is said then.
            lock => lock,
        };
        let outcome = self.renewed(request, Some(held)).await;
        drop(lock);
        turn.land(outcome)
    }

    /// There is nothing to serve: whoever comes first fetches, the others have what that came to.
    async fn fetch_or_join(
        &self,
        request: PcsRequest,
        held: Option<Cached>,
    ) -> Result<Cached, CacheError> {
        let flight = self.flights.of(request);
        let turn = match flight.turn().await {
            Joined::Ours(turn) => turn,
            Joined::Landed(outcome) => return *outcome,
        };
        let lock = self.locked(&request).await;
        let found = self.look(request);
        let (held, need) = match (found.held, found.need) {
            (None, _) => (held, Need::Now),
            found => found,
        };
        let outcome = match (held, need) {
            // Another process brought it in the meantime.
            (Some(held), Need::Nothing | Need::Soon) => Ok(held),
            (held, Need::Now) | (held @ None, _) => self.renewed(request, held).await,
        };
        let outcome = outcome.map_err(|fault| with_kept(fault, found.not_believed));
        drop(lock);
        turn.land(outcome)
    }

    /// Waits for another process that fetches the same, for as long as a fetch can take.
    async fn locked(&self, request: &PcsRequest) -> Option<Locked> {
        for _ in 0..LOCK_TRIES {
            match self.folder.try_lock(request) {
                Ok(Locked::Theirs) => tokio::time::sleep(LOCK_PAUSE).await,
                Ok(lock) => return Some(lock),
                Err(_) => return None,
            }
        }
        None
    }

    /// The same for who can do nothing else meanwhile.
    fn locked_blocking(&self, request: &PcsRequest) -> Option<Locked> {
        for _ in 0..LOCK_TRIES {
            match self.folder.try_lock(request) {
                Ok(Locked::Theirs) => std::thread::sleep(LOCK_PAUSE),
                Ok(lock) => return Some(lock),
                Err(_) => return None,
            }
        }
        None
    }

    /// What the source brings, or else what is kept.
    async fn renewed(
        &self,
        request: PcsRequest,
        held: Option<Cached>,
    ) -> Result<Cached, CacheError> {
        let failure = match self.fetched(request).await {
            Ok(cached) => return Ok(cached),
            Err(failure) => failure,
        };
        let now = (self.clock)();
        self.remember_failure(request, now);
        let Some(held) = held else { return Err(CacheError::Nothing(failure)) };
        let ended = held.validity.ends();
        if now <= ended {
            return Ok(Cached { origin: Origin::LastGood(failure), ..held });
        }
        if self.allow_stale {
            return Ok(Cached { origin: Origin::Stale(failure), ..held });
        }
        Err(CacheError::Ended { request, ended, failure })
    }

    async fn fetched(&self, request: PcsRequest) -> Result<Cached, Failure> {
        let refused = Mutex::new(None);
        let accepts = |_: &Endorsement, validity: &Validity| {
            self.wanted(request, validity).map_err(|failure| {
                let cause = failure.to_string();
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                cause
            })
        };
        let fetched = self.source.fetch_accepting(request, &accepts).await;
        let endorsement = fetched.map_err(|fault| match (&fault, refused.into_inner()) {
            // Of several sources what each said tells more.
            (FetchError::NotAccepted { .. }, Ok(Some(failure))) => failure,
            _ => Failure::Fetch(fault),
        })?;
        let validity = self.verified(request, &endorsement)?;
        self.wanted(request, &validity)?;
        let fetched_at = (self.clock)();
        Ok(self.kept(Cached { endorsement, validity, fetched_at, origin: Origin::Fresh }))
    }

    /// Lets through what is neither older than what was seen nor past its end.
    fn wanted(&self, request: PcsRequest, validity: &Validity) -> Result<(), Failure> {
        self.admit(request, validity)?;
        let ended = validity.ends();
        if ended < (self.clock)() && !self.allow_stale {
            return Err(Failure::Ended { request, ended });
        }
        Ok(())
    }

    fn verified(
        &self,
        request: PcsRequest,
        endorsement: &Endorsement,
    ) -> Result<Validity, Failure> {
        let untrusted = |fault| Failure::Untrusted { request, fault };
        if endorsement.request != request {
            return Err(untrusted(format!("it answers `{}`", endorsement.request)));
        }
        self.authenticate.endorsement(endorsement).map_err(untrusted)
    }

    fn admit(&self, request: PcsRequest, validity: &Validity) -> Result<(), Failure> {
        if self.allow_rollback {
            return Ok(());
        }
        self.guard.admit(request, validity)
    }

    /// Writes a document down. One that cannot be is served all the same: it was verified.
    fn kept(&self, cached: Cached) -> Cached {
        match self.write(&cached) {
            Ok(()) => cached,
            Err(fault) => {
                tracing::warn!(request = %cached.endorsement.request, %fault, "a document is not kept");
                Cached { origin: Origin::Unkept(fault), ..cached }
            }
        }
    }

    fn write(&self, cached: &Cached) -> Result<(), FolderError> {
        let request = cached.endorsement.request;
        let kept = Kept { endorsement: cached.endorsement.clone(), fetched_at: cached.fetched_at };
        let text = Archive::from_iter([kept]).write().map_err(|fault| FolderError::Write {
            path: self.folder.path(Shelf::Documents, &request),
            fault: fault.to_string(),
        })?;
        // A disk that is full then takes neither: what was kept before still counts. What is written in between is
        // remembered when it is read back.
        self.folder.write(Shelf::Documents, &request, text.as_bytes())?;
        let edition = Edition::of(&cached.validity);
        if self.allow_rollback {
            self.guard.roll_back(&request, edition)
        } else {
            self.guard.remember(&request, edition)
        }
    }

    /// What is kept, and whether a newer one is wanted.
    fn look(&self, request: PcsRequest) -> Look {
        let (held, not_believed) = match self.held(request) {
            Ok(held) => (held, None),
            Err(fault) => {
                tracing::warn!(%request, %fault, "a kept document is not believed");
                (None, Some(fault))
            }
        };
        let now = (self.clock)();
        let need = match &held {
            // What is kept may be what keeps out the documents that are to be taken.
            Some(_) if self.allow_rollback => Need::Now,
            Some(held) if self.failed_lately(request, now) => {
                refresh::need_after_failure(held, now)
            }
            Some(held) => match refresh::need(held, now) {
                Need::Nothing if self.refresh => Need::Soon,
                need => need,
            },
            None => Need::Now,
        };
        Look { held, need, not_believed }
    }

    fn held(&self, request: PcsRequest) -> Result<Option<Cached>, FolderError> {
        let Some((kept, validity)) = self.entry(request)? else { return Ok(None) };
        self.admit(request, &validity).map_err(|failure| match failure {
            Failure::Seen(fault) => fault,
            failure => self.damaged(request, failure.to_string()),
        })?;
        self.catch_up(&request, Edition::of(&validity));
        let Kept { endorsement, fetched_at } = kept;
        Ok(Some(Cached { endorsement, validity, fetched_at, origin: Origin::Cache }))
    }

    /// What stands in the file of a document, verified; it may be older than what was seen.
    fn entry(&self, request: PcsRequest) -> Result<Option<(Kept, Validity)>, FolderError> {
        let Some(text) = self.folder.read(Shelf::Documents, &request, ENTRY_BYTES)? else {
            return Ok(None);
        };
        let kept =
            sole_document(&text).map_err(|fault| self.damaged(request, fault.to_string()))?;
        let validity = self.verified(request, &kept.endorsement);
        let validity = validity.map_err(|fault| self.damaged(request, fault.to_string()))?;
        Ok(Some((kept, validity)))
    }

    fn damaged(&self, request: PcsRequest, fault: String) -> FolderError {
        FolderError::Malformed { path: self.folder.path(Shelf::Documents, &request), fault }
    }

    /// Remembers a kept edition whose writer died before it did. Where nothing can be written the document still holds.
    fn catch_up(&self, request: &PcsRequest, edition: Edition) {
        let Ok(seen) = self.guard.seen(request) else { return };
        if seen.is_some_and(|seen| seen.newest(edition) == seen) {
            return;
        }
        // Whoever has the lock is about to write what it remembers.
        let Ok(_lock @ Locked::Ours { .. }) = self.folder.try_lock(request) else { return };
        if let Err(fault) = self.guard.remember(request, edition) {
            tracing::warn!(%request, %fault, "what was seen is not remembered");
        }
    }

    fn remember_failure(&self, request: PcsRequest, now: UnixTime) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, at| refresh::is_lately(*at, now));
        failed.insert(request, now);
    }

    fn failed_lately(&self, request: PcsRequest, now: UnixTime) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&request).is_some_and(|at| refresh::is_lately(*at, now))
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why there is nothing, with what is wrong with the file that is there.
fn with_kept(fault: CacheError, not_believed: Option<FolderError>) -> CacheError {
    match (fault, not_believed) {
        // It says itself which file.
        (fault @ CacheError::Nothing(Failure::Seen(_)), _) => fault,
        (CacheError::Nothing(failure), Some(kept)) => {
            CacheError::NotBelieved { kept: Box::new(kept), failure }
        }
        (fault, _) => fault,
    }
}

/// What is kept of a document, and whether a newer one is wanted.
struct Look {
    held: Option<Cached>,
    need: Need,
    /// What is kept and cannot be served.
    not_believed: Option<FolderError>,
}

/// How long a lock is waited for: a minute, which is longer than a fetch may take.
const LOCK_TRIES: u32 = 1200;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
