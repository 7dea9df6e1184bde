//! Intel's REST API: which request is answered by what.
//!
//! Source: Intel's PCCS as observed. Where this one departs, `docs/reference/pccs.md` says why.
//! Must stay true: tokens are checked before a body is looked at; every answer comes within the client's deadline.

mod appraisal_policy;
mod collateral;
pub(crate) mod conditional;
mod crl;
mod pckcert;
mod platform_collateral;
mod platforms;
mod refresh;
mod route;
mod taken;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hyper::Method;
use tdattest_collateral::{Authenticate, Client};
use tdattest_wire::time::UnixTime;
use tokio::time::timeout;

use crate::access::{Access, NoAccess};
use crate::answer::{Answer, Refusal};
use crate::cache::Cache;
use crate::fill_mode::FillMode;
use crate::refresh::RefreshReport;
use crate::request::{Parameters, Request};
use crate::store::{Changed, Role, Store};

use route::{NoRoute, Place, Route, Version};

/// What time it is.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Told of everything worth counting. Two are equal if they are the same.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(&Notice) + Send + Sync>);

impl Watcher {
    /// One that calls this.
    pub fn new(tell: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, notice: &Notice) {
        (self.0)(notice);
    }
}

impl PartialEq for Watcher {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Watcher {}

/// What version 3 of the API says of itself.
const VERSION_3_WARNING: &str = "PCS API version 3 is no longer available. Cached collateral downloaded from API \
                                 version 3 is deprecated, will not be refreshed, and may expire. Please migrate to \
                                 API version 4.";

/// How long whoever asks for a refresh waits for all of it, unless clients are made to wait longer.
pub(crate) const REFRESH_DEADLINE: Duration = Duration::from_secs(300);

/// What becomes of a request that brings a body, by its head alone.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It is answered once its body is there.
    WithBody,
    /// It is answered, and its body is not looked at.
    WithoutBody,
    /// It is not let in: this is its answer, whatever its body says.
    Refused(Answer),
}

/// Something worth counting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An answer was in memory.
    Hit,
    /// An answer was in the store.
    FromStore,
    /// An answer had to be fetched.
    Miss,
    /// An answer past its end was served.
    Stale,
    /// An upstream was asked for a document: which, and what came of it.
    Upstream {
        /// What was asked for: `TCB info`, `PCK certificates`.
        document: &'static str,
        /// `ok`, or the code of the failure.
        result: &'static str,
    },
    /// The store failed.
    Store,
}

/// How the service is to answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who fetches what, and when.
    pub mode: FillMode,
    /// The longest that a client waits for an answer.
    pub client_deadline: Duration,
    /// Calls to the upstream at one time.
    pub upstream_at_once: usize,
    /// The bytes of answers that are held in memory.
    pub hot_bytes: usize,
    /// Whether documents past their end are served when no newer one can be had.
    pub allow_stale: bool,
    /// How long before its end a document is due to be refreshed, at the most; a quarter of its life if that is less.
    pub refresh_lead: Duration,
    /// Documents are refreshed up to this much earlier, each by its own share, so that not all are due at once.
    pub refresh_jitter: Duration,
    /// SHA-512 of the user token, hexadecimal, as in Intel's configuration.
    pub user_token_hash: Option<String>,
    /// SHA-512 of the admin token, hexadecimal, as in Intel's configuration.
    pub admin_token_hash: Option<String>,
    /// Told of everything worth counting.
    pub watcher: Option<Watcher>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: FillMode::Lazy,
            client_deadline: Duration::from_secs(10),
            upstream_at_once: 16,
            hot_bytes: 32 << 20,
            allow_stale: false,
            refresh_lead: Duration::from_secs(7 * 24 * 3600),
            refresh_jitter: Duration::from_secs(24 * 3600),
            user_token_hash: None,
            admin_token_hash: None,
            watcher: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The service behind the API: answers requests, from memory, the store, or an upstream. Runs within tokio.
pub struct Pccs {
    cache: Arc<Cache>,
    access: Access,
    /// How far the changes of the store were followed.
    cursor: AtomicI64,
}

impl Pccs {
    /// A service that keeps everything in `store` and asks `client` for what is not there.
    pub fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        client: Option<Arc<Client>>,
        authenticate: Arc<dyn Authenticate>,
        clock: Clock,
    ) -> Self {
        let (user, admin) = (&settings.user_token_hash, &settings.admin_token_hash);
        let access = Access::new(user.as_deref(), admin.as_deref());
        let cache = Arc::new(Cache::new(settings, store, client, authenticate, clock));
        Self { cache, access, cursor: AtomicI64::new(0) }
    }

    /// Whether the body that a request brings is wanted, by its head alone: its route takes one, and its token opens that.
    pub async fn admit(&self, head: &Request) -> Admission {
        let taken =
            Place::find(&head.path).ok().filter(|place| place.route.takes_body(&head.method));
        let Some(place) = taken else { return Admission::WithoutBody };
        match self.in_time(place, head, self.let_in(place.route, head)).await {
            Ok(()) => Admission::WithBody,
            Err(refusal) => Admission::Refused(finished(place, head, refusal.answer())),
        }
    }

    /// Answers a request, within [`Settings::client_deadline`]; one for a refresh within five minutes.
    ///
    /// A client that goes away stops nothing: what was begun for it is finished.
    pub async fn answer(&self, request: Request) -> Answer {
        let place = match Place::find(&request.path) {
            Ok(place) if place.route.has(&request.method) => place,
            Ok(place) if request.method == Method::OPTIONS => {
                return conditional::finish(&request, Answer::methods(place.route.methods()));
            }
            Ok(_) | Err(NoRoute::NotThere) => {
                return Answer::not_found(request.method.as_str(), &request.path);
            }
            Err(NoRoute::CapitalVersion) => {
                return conditional::finish(&request, Refusal::Internal.answer());
            }
        };
        let answered = self.in_time(place, &request, self.at(place, &request)).await;
        let answer = answered.unwrap_or_else(|refusal| refusal.answer());
        finished(place, &request, answer)
    }

    /// Fetches anew every document that is due, each on its own. For one replica at a time.
    pub async fn refresh(&self) -> RefreshReport {
        crate::refresh::due(&self.cache).await
    }

    /// Forgets what others have changed in the store since the last call. To be called every second or so.
    pub async fn follow_changes(&self) {
        let cursor = self.cursor.load(Ordering::Acquire);
        let changes = match self.cache.store.changes(cursor).await {
            Ok(changes) => changes,
            Err(fault) => {
                self.cache.store_failed(&fault);
                return;
            }
        };
        if cursor == 0 {
            // Nobody followed until now.
            self.forget(&Changed::Everything);
        }
        changes.list.iter().for_each(|changed| self.forget(changed));
        self.cursor.store(changes.cursor, Ordering::Release);
    }

    fn forget(&self, changed: &Changed) {
        self.cache.changed(changed);
        if matches!(changed, Changed::Tokens | Changed::Everything) {
            self.access.forget();
        }
    }

    /// Does something for a request, for no longer than whoever asks is made to wait.
    async fn in_time<T>(
        &self,
        place: Place,
        request: &Request,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let done = timeout(self.patience(place.route), work).await;
        done.unwrap_or_else(|_| Err(late(place.route.opened_by(&request.method))))
    }

    /// How long whoever asks is made to wait.
    fn patience(&self, route: Route) -> Duration {
        let client = self.cache.settings.client_deadline;
        match route {
            Route::Refresh => client.max(REFRESH_DEADLINE),
            _ => client,
        }
    }

    async fn at(&self, place: Place, request: &Request) -> Result<Answer, Refusal> {
        self.let_in(place.route, request).await?;
        if request.body_too_large {
            return Err(Refusal::TooLarge);
        }
        let parameters = Parameters::parse(&request.query);
        let cache = &self.cache;
        match place.route {
            Route::PckCert => match pckcert::get(cache, &parameters).await {
                Err(refusal) => cache.held_despite(&pckcert::key(&parameters)?, refusal),
                answered => answered,
            },
            Route::PckCrl => collateral::pck_crl(cache, &parameters).await,
            Route::RootCaCrl => collateral::root_ca_crl(cache).await,
            Route::Crl => crl::get(cache, &parameters).await,
            Route::TcbInfo(tee) => {
                collateral::tcb_info(cache, place.version, tee, &parameters).await
            }
            Route::QeIdentity(tee) => {
                collateral::qe_identity(cache, place.version, tee, &parameters).await
            }
            Route::QveIdentity => collateral::qve_identity(cache, place.version, &parameters).await,
            Route::EvaluationDataNumbers(tee) => {
                collateral::evaluation_data_numbers(cache, tee).await
            }
            Route::Fmspcs => collateral::fmspcs(cache, &parameters).await,
            Route::Platforms if request.method == Method::POST => {
                to_its_end(platforms::post(Arc::clone(cache), parameters, request.clone())).await
            }
            Route::Platforms => platforms::get(cache, &parameters).await,
            Route::PlatformCollateral => {
                let work =
                    platform_collateral::put(Arc::clone(cache), place.version, request.clone());
                to_its_end(work).await
            }
            Route::Refresh => to_its_end(refresh::refresh(Arc::clone(cache), parameters)).await,
            Route::AppraisalPolicy if request.method == Method::PUT => {
                appraisal_policy::put(cache, request).await
            }
            Route::AppraisalPolicy => appraisal_policy::get(cache, &parameters).await,
        }
    }

    /// Looks at the token, where the route wants one.
    async fn let_in(&self, route: Route, request: &Request) -> Result<(), Refusal> {
        let Some(role) = route.opened_by(&request.method) else { return Ok(()) };
        let checked = self.access.check(self.cache.store.as_ref(), role, &request.headers).await;
        checked.map_err(|refused| match refused {
            NoAccess::Refused(refusal) => refusal,
            NoAccess::Store(fault) => self.cache.store_failed(&fault),
        })
    }
}

impl fmt::Debug for Pccs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pccs").field("settings", &self.cache.settings).finish_non_exhaustive()
    }
}

/// The answer of a route, as it is sent.
fn finished(place: Place, request: &Request, mut answer: Answer) -> Answer {
    answer.route = place.route.name();
    if place.version == Version::V3 {
        answer.warn(299, VERSION_3_WARNING);
    }
    conditional::finish(request, answer)
}

/// Work that is finished even if nobody waits for it any more.
async fn to_its_end<W>(work: W) -> Result<Answer, Refusal>
where
    W: Future<Output = Result<Answer, Refusal>> + Send + 'static,
{
    tokio::spawn(work).await.unwrap_or(Err(Refusal::Internal))
}

/// 503 and not 504: of the two, Intel's client (QCNL) tries again after the first alone, and by then it may be there.
fn late(opened_by: Option<Role>) -> Refusal {
    match opened_by {
        // People and their tools ask here.
        Some(_) => Refusal::Busy,
        None => {
            let cause = "it takes longer than clients are made to wait; it goes on";
            Refusal::Unavailable(cause.into())
        }
    }
}

/// Whose token a route wants.
impl Route {
    fn opened_by(self, method: &Method) -> Option<Role> {
        match self {
            Self::Platforms if *method == Method::POST => Some(Role::User),
            Self::Platforms | Self::PlatformCollateral | Self::Refresh => Some(Role::Admin),
            Self::AppraisalPolicy if *method == Method::PUT => Some(Role::Admin),
            _ => None,
        }
    }
}
