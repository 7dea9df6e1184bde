//! A database that goes away: what is in memory goes on being served, the rest is refused and not hung.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Method;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::{
    AppraisalPolicy, Changes, Document, DocumentState, Lease, Pending, Platform,
    PlatformCertificate, PlatformKey, Put, Registration, RegistrationState, Role, Selection, Store,
    StoreError, Token, WithCertificates,
};
use tdattest_pccs::wire::bytes::Fmspc;
use tdattest_pccs::wire::pck_certificates::Tcbm;
use tdattest_pccs::wire::pcs::PcsRequest;
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{FillMode, Pccs};

use super::cases::{
    CPU_SVN, TCB, case, client, header, judge, pckcert, request, settings, text, with_header,
};

/// A store that a test can take away.
#[derive(Debug)]
struct Absent {
    store: Memory,
    away: AtomicBool,
}

/// Each call goes to the store, or fails while that is away.
macro_rules! calls {
    ($( fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty; )*) => {$(
        fn $name<'a>(&'a self $(, $argument: $kind)*) -> Pending<'a, $result> {
            if self.away.load(Ordering::SeqCst) {
                return Box::pin(async { Err(StoreError::Unavailable("a test".into())) });
            }
            self.store.$name($($argument),*)
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
        fn certificates(&self, key: &'a PlatformKey) -> Option<WithCertificates>;
        fn selected(
            &self, key: &'a PlatformKey, raw: Tcbm
        ) -> Option<(Platform, PlatformCertificate)>;
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

#[tokio::test]
async fn without_the_database_hot_answers_go_on_and_the_rest_is_refused() {
    let case = case(FillMode::Lazy);
    let store = Arc::new(Absent { store: case.store.clone(), away: false.into() });
    let time = case.time.clone();
    let clock = Arc::new(move || time.now());
    let upstream = Some(Arc::new(client(&case.upstream.url())));
    let kept: Arc<dyn Store> = store.clone();
    let pccs = Pccs::new(settings(FillMode::Lazy), kept, upstream, judge(), clock);
    let get = |path: &str| pccs.answer(request(Method::GET, path));

    let hot = [TCB.to_owned(), pckcert("aa", CPU_SVN, "0b00")];
    let mut before = Vec::new();
    for path in &hot {
        before.push(get(path).await);
    }
    store.away.store(true, Ordering::SeqCst);
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

    store.away.store(false, Ordering::SeqCst);
    assert_eq!(get("/tdx/certification/v4/qe/identity").await.status, 200);
}
