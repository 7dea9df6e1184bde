//! A database that goes away: what is in memory goes on being served, the rest is refused and not hung.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::{
    AppraisalPolicy, Changes, Document, DocumentState, Lease, Pending, Platform,
    PlatformCertificate, PlatformKey, Put, Registration, RegistrationState, Role, Selection, Store,
    StoreError, Token,
};
use tdattest_pccs::wire::bytes::Fmspc;
use tdattest_pccs::wire::pck_certificates::Tcbm;
use tdattest_pccs::wire::pcs::PcsRequest;
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{FillMode, Pccs, RefreshItem, RefreshOutcome, RefreshReport, Settings};
use tdattest_simulator::pcs_server::Endpoint;

use super::cases::{
    CPU_SVN, Case, TCB, case, client, header, judge, pckcert, request, settings, start, text,
    with_header,
};

/// A store that a test can take away.
#[derive(Debug)]
pub(crate) struct Absent {
    store: Memory,
    mood: Mutex<Mood>,
}

/// How a store is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Well,
    /// Every call fails.
    Away,
    /// No call ends.
    Hanging,
    /// Documents cannot be kept.
    Full,
}

impl Absent {
    pub(crate) fn new(store: &Memory) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), mood: Mutex::new(Mood::Well) })
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What becomes of a call, unless it is done.
    fn fails<T: 'static>(&self, call: &str) -> Option<Pending<'static, T>> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => None,
            Mood::Away => Some(Box::pin(async { Err(StoreError::Unavailable("a test".into())) })),
            Mood::Hanging => Some(Box::pin(std::future::pending())),
            Mood::Full if call == "put_document" => {
                Some(Box::pin(async { Err(StoreError::Unwritable("a test".into())) }))
            }
            Mood::Full => None,
        }
    }
}

/// Each call goes to the store, or does what that does in its mood.
macro_rules! calls {
    ($( fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty; )*) => {$(
        fn $name<'a>(&'a self $(, $argument: $kind)*) -> Pending<'a, $result> {
            self.fails(stringify!($name)).unwrap_or_else(|| self.store.$name($($argument),*))
        }
    )*};
}

impl Store for Absent {
    fn kind(&self) -> &'static str {
        "absent"
    }

    calls! {
        fn ping(&self) -> ();
        fn changes(&self, cursor: i64) -> Changes;
        fn try_lease(&self, what: &'a str) -> Option<Box<dyn Lease>>;
        fn document(&self, request: PcsRequest) -> Option<Document>;
        fn documents(&self) -> Vec<DocumentState>;
        fn put_document(&self, document: &'a Document, replace_newer: bool) -> Put;
        fn crl(&self, uri: &'a str) -> Option<Vec<u8>>;
        fn crls(&self) -> Vec<String>;
        fn put_crl(&self, uri: &'a str, crl: &'a [u8], now: UnixTime) -> ();
        fn platform(&self, key: &'a PlatformKey) -> Option<Platform>;
        fn platforms(&self, of: &'a [Fmspc]) -> Vec<(Platform, Vec<Selection>)>;
        fn put_platform(
            &self, platform: &'a Platform, certificates: &'a [PlatformCertificate]
        ) -> ();
        fn certificates(&self, key: &'a PlatformKey) -> Vec<PlatformCertificate>;
        fn selected(&self, key: &'a PlatformKey, raw: Tcbm) -> Option<PlatformCertificate>;
        fn select(&self, key: &'a PlatformKey, selection: Selection) -> ();
        fn register(&self, registration: &'a Registration, state: RegistrationState) -> ();
        fn take_registrations(&self, state: RegistrationState) -> Vec<Registration>;
        fn unregister(&self, registration: &'a Registration) -> ();
        fn put_policy(&self, policy: &'a AppraisalPolicy) -> ();
        fn default_policies(&self, fmspc: Fmspc) -> Vec<AppraisalPolicy>;
        fn tokens(&self) -> Vec<Token>;
        fn put_token(&self, token: &'a Token) -> ();
        fn remove_token(&self, role: Role, name: &'a str) -> bool;
    }
}

/// A service on such a store.
pub(crate) fn on(store: &Arc<Absent>, case: &Case, settings: Settings) -> Pccs {
    let time = case.time.clone();
    let clock = Arc::new(move || time.now());
    let upstream = Some(Arc::new(client(&case.upstream.url())));
    let store: Arc<dyn Store> = store.clone();
    Pccs::new(settings, store, upstream, judge(), clock)
}

/// Settings of a service whose clients wait for a moment only.
fn impatient() -> Settings {
    Settings { client_deadline: Duration::from_millis(40), ..settings(FillMode::Lazy) }
}

#[tokio::test]
async fn what_has_changed_is_served_as_it_was_while_the_database_is_away_or_hangs() {
    let case = case(FillMode::Lazy);
    let store = Absent::new(&case.store);
    let pccs = on(&store, &case, impatient());
    let paths = [TCB.to_owned(), pckcert("aa", CPU_SVN, "0b00")];
    let mut before = Vec::new();
    for path in &paths {
        // By another one, whose clients are patient.
        assert_eq!(case.get(path).await.status, 200);
        before.push(pccs.answer(request(Method::GET, path)).await);
    }
    pccs.follow_changes().await;
    case.time.pass_days(1);
    assert_eq!(case.as_admin(Method::POST, "/sgx/certification/v4/refresh").await.status, 200);
    let certificates = "/sgx/certification/v4/refresh?type=certs&fmspc=";
    assert_eq!(case.as_admin(Method::POST, certificates).await.status, 200);
    pccs.follow_changes().await;

    // The store ends its calls after a time, so that only those who wait for several of them need more than that.
    for (mood, paths) in [(Mood::Away, &paths[..]), (Mood::Hanging, &paths[..1])] {
        store.is(mood);
        for (path, before) in paths.iter().zip(&before) {
            let after = pccs.answer(request(Method::GET, path)).await;
            assert_eq!((after.status.as_u16(), &after.body), (200, &before.body), "{mood:?}");
        }
        case.time.pass(60);
    }
    // Not past its end.
    case.time.pass_days(31);
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.status, 503);
}

#[tokio::test]
async fn a_document_that_was_just_renewed_is_there_when_the_database_goes() {
    let case = case(FillMode::Lazy);
    let store = Absent::new(&case.store);
    let pccs = on(&store, &case, settings(FillMode::Lazy));
    let older = pccs.answer(request(Method::GET, TCB)).await;
    case.time.pass_days(25);
    assert_eq!(pccs.refresh().await.items[0].outcome, RefreshOutcome::Refreshed);
    store.is(Mood::Away);
    let newer = pccs.answer(request(Method::GET, TCB)).await;
    assert_eq!(newer.status, 200);
    assert_ne!(newer.body, older.body);
    store.is(Mood::Well);
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.body, newer.body);
}

#[tokio::test]
async fn what_could_not_be_kept_is_served_and_not_said_to_be_kept() {
    let case = case(FillMode::Lazy);
    let store = Absent::new(&case.store);
    let pccs = on(&store, &case, settings(FillMode::Lazy));
    let kept = pccs.answer(request(Method::GET, TCB)).await;
    store.is(Mood::Full);
    let identity = "/tdx/certification/v4/qe/identity";
    for _ in 0..2 {
        assert_eq!(pccs.answer(request(Method::GET, identity)).await.status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::QeIdentity), 1);

    case.time.pass_days(25);
    let failed = |report: RefreshReport| match &report.items[..] {
        [RefreshItem { outcome: RefreshOutcome::Failed(cause), .. }] => cause.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(pccs.refresh().await), "it was fetched, but could not be kept");
    // What is older than what is kept is not served for want of a place to keep it.
    let before = start();
    case.upstream.set_clock(Arc::new(move || earlier(before)));
    assert_eq!(failed(pccs.refresh().await), "the upstream sent an older edition than is kept");
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.body, kept.body);
}

fn earlier(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.as_secs() - 24 * 3600).unwrap()
}

#[tokio::test]
async fn without_the_database_hot_answers_go_on_and_the_rest_is_refused() {
    let case = case(FillMode::Lazy);
    let store = Absent::new(&case.store);
    let pccs = on(&store, &case, settings(FillMode::Lazy));
    let get = |path: &str| pccs.answer(request(Method::GET, path));

    let hot = [TCB.to_owned(), pckcert("aa", CPU_SVN, "0b00")];
    let mut before = Vec::new();
    for path in &hot {
        before.push(get(path).await);
    }
    store.is(Mood::Away);
    pccs.follow_changes().await;
    for (path, before) in hot.iter().zip(&before) {
        let after = get(path).await;
        assert_eq!((after.status.as_u16(), &after.body), (200, &before.body), "{path}");
    }
    for path in [
        "/tdx/certification/v4/qe/identity".to_owned(),
        pckcert("bb", CPU_SVN, "0b00"),
        "/sgx/certification/v4/appraisalpolicy?fmspc=00806F050000".into(),
    ] {
        let refused = get(&path).await;
        assert_eq!((refused.status.as_u16(), text(&refused)), (503, ""), "{path}");
        assert_eq!(header(&refused, "warning"), Some("199 - \"the database is away\""));
    }
    // The token of the configuration is good without the database.
    let list = request(Method::GET, "/sgx/certification/v4/platforms");
    let listed = pccs.answer(with_header(list, "admin-token", "admintok")).await;
    assert_eq!(listed.status, 503);

    store.is(Mood::Well);
    assert_eq!(get("/tdx/certification/v4/qe/identity").await.status, 200);
}
