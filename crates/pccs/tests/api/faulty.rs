//! A store that fails as a test says, over one that does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::{
    AppraisalPolicy, Changes, Document, DocumentState, Lease, Pending, Platform,
    PlatformCertificate, PlatformKey, Put, Registration, RegistrationState, Role, Selection, Store,
    StoreError, Token, WithCertificates,
};
use tdattest_pccs::wire::bytes::Fmspc;
use tdattest_pccs::wire::pck_certificates::Tcbm;
use tdattest_pccs::wire::pcs::PcsRequest;
use tokio::sync::Semaphore;

/// A store that a test can take away, whole or one call of it.
#[derive(Debug)]
pub(crate) struct Faulty {
    store: Memory,
    away: AtomicBool,
    failing: Mutex<Option<&'static str>>,
    held: Mutex<Option<&'static str>>,
    holding: AtomicBool,
    gate: Semaphore,
}

impl Faulty {
    pub(crate) fn new(store: Memory) -> Arc<Self> {
        Arc::new(Self {
            store,
            away: AtomicBool::new(false),
            failing: Mutex::default(),
            held: Mutex::default(),
            holding: AtomicBool::new(false),
            gate: Semaphore::new(0),
        })
    }

    /// Every call fails from now on, or none for this reason.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// The call of this name fails from now on.
    pub(crate) fn fail(&self, call: Option<&'static str>) {
        *self.failing.lock().unwrap() = call;
    }

    /// What the call of this name brings is held back from now on, each time until [`Self::release`].
    pub(crate) fn hold(&self, call: &'static str) {
        *self.held.lock().unwrap() = Some(call);
    }

    pub(crate) async fn until_held(&self) {
        while !self.holding.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    /// Lets one go.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    fn fault(&self, call: &str) -> Option<StoreError> {
        let away = self.away.load(Ordering::SeqCst);
        let failing = *self.failing.lock().unwrap() == Some(call);
        (away || failing).then(|| StoreError::Unavailable("a test".into()))
    }

    async fn pass(&self, call: &str) {
        let is_held = *self.held.lock().unwrap() == Some(call);
        if is_held {
            self.holding.store(true, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
        }
    }
}

/// Each call goes to the store, or fails.
macro_rules! calls {
    ($( fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty; )*) => {$(
        fn $name<'a>(&'a self $(, $argument: $kind)*) -> Pending<'a, $result> {
            if let Some(fault) = self.fault(stringify!($name)) {
                return Box::pin(async { Err(fault) });
            }
            Box::pin(async move {
                let done = self.store.$name($($argument),*).await;
                self.pass(stringify!($name)).await;
                done
            })
        }
    )*};
}

impl Store for Faulty {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    calls! {
        fn ping(&self) -> ();
        fn changes(&self, cursor: i64) -> Changes;
        fn try_lease(&self, what: &'a str) -> Option<Box<dyn Lease>>;
        fn document(&self, request: PcsRequest) -> Option<Document>;
        fn documents(&self) -> Vec<DocumentState>;
        fn put_document(&self, document: &'a Document, replace_newer: bool) -> Put;
        fn platform(&self, key: &'a PlatformKey) -> Option<Platform>;
        fn platforms(&self, of: &'a [Fmspc]) -> Vec<(Platform, Vec<Selection>)>;
        fn count_platforms(&self) -> u64;
        fn put_platform(
            &self, platform: &'a Platform, certificates: &'a [PlatformCertificate]
        ) -> ();
        fn certificates(&self, key: &'a PlatformKey) -> Option<WithCertificates>;
        fn selected(
            &self, key: &'a PlatformKey, raw: Tcbm
        ) -> Option<(Platform, PlatformCertificate)>;
        fn select(&self, key: &'a PlatformKey, selection: Selection) -> ();
        fn register(&self, registration: &'a Registration, state: RegistrationState) -> ();
        fn put_back(
            &self, registrations: &'a [Registration], state: RegistrationState
        ) -> ();
        fn take_registrations(&self, state: RegistrationState) -> Vec<Registration>;
        fn unregister(&self, registration: &'a Registration) -> ();
        fn put_policy(&self, policy: &'a AppraisalPolicy) -> ();
        fn default_policies(&self, fmspc: Fmspc) -> Vec<AppraisalPolicy>;
        fn tokens(&self) -> Vec<Token>;
        fn put_token(&self, token: &'a Token) -> ();
        fn remove_token(&self, role: Role, name: &'a str) -> bool;
    }
}
