//! Who may do what: tokens in headers, against the hashes of Intel's configuration and those of the store.
//!
//! Source: Intel's PCCS as observed: `user-token` opens the registration of platforms, `admin-token` everything else
//! that is not for all; neither opens what is the other's.
//! Must stay true: nothing is open because no token was set; digests are compared in constant time; slow hashes are
//! computed a few at a time, whoever goes away meanwhile, and few wait for that; a token that was judged is not judged
//! again until the tokens change, however many others are tried.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use hyper::HeaderMap;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::answer::Refusal;
use crate::request::hex;
use crate::store::{Role, Store, StoreError};

/// The longest token.
const TOKEN_BYTES: usize = 1024;

/// Slow hashes at one time: each takes some 20 MiB and a core.
const SLOW_HASHES: usize = 2;

/// Tokens that are judged or wait for it. Whoever comes beyond that is refused at once.
const AT_ONCE: usize = 32;

/// The most tokens that are remembered, of the good ones and of the bad ones each.
const REMEMBERED: usize = 1024;

/// Judges tokens.
#[derive(Debug)]
pub(crate) struct Access {
    user: Option<[u8; 64]>,
    admin: Option<[u8; 64]>,
    remembered: Mutex<Remembered>,
    /// Places among those that are judged or wait for it.
    places: Arc<Semaphore>,
    /// Places among those whose hashes are computed.
    slow: Arc<Semaphore>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAccess {
    /// It brings no token that opens this, or too many are being tried.
    Refused(Refusal),
    /// The tokens cannot be read.
    Store(StoreError),
}

impl From<Refusal> for NoAccess {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A role and the SHA-256 of a token.
type Judged = (Role, [u8; 32]);

/// Judgements. The good ones apart: nobody can add to those without a token.
#[derive(Debug, Default)]
struct Remembered {
    good: HashSet<Judged>,
    bad: HashSet<Judged>,
    generation: u64,
}

impl Remembered {
    fn judgement(&self, token: &Judged) -> Option<bool> {
        match (self.good.contains(token), self.bad.contains(token)) {
            (false, false) => None,
            (is_good, _) => Some(is_good),
        }
    }

    fn note(&mut self, token: Judged, is_good: bool) {
        let judged = if is_good { &mut self.good } else { &mut self.bad };
        if judged.len() >= REMEMBERED {
            judged.clear();
        }
        judged.insert(token);
    }
}

impl Access {
    /// With hashes as Intel's configuration has them; text that is no such hash opens nothing.
    pub(crate) fn new(user: Option<&str>, admin: Option<&str>) -> Self {
        let digest = |name, text: Option<&str>| {
            let text = text?;
            let digest = hex::<64>(text);
            if digest.is_none() {
                tracing::warn!("{name} is no SHA-512 in hexadecimal: it opens nothing");
            }
            digest
        };
        Self {
            user: digest("the hash of the user token", user),
            admin: digest("the hash of the admin token", admin),
            remembered: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            slow: Arc::new(Semaphore::new(SLOW_HASHES)),
        }
    }

    /// Whether the headers bring a token of a role.
    pub(crate) async fn check(
        &self,
        store: &dyn Store,
        role: Role,
        headers: &HeaderMap,
    ) -> Result<(), NoAccess> {
        let (header, configured) = match role {
            Role::User => ("user-token", self.user),
            Role::Admin => ("admin-token", self.admin),
        };
        let token = headers.get(header).map(|value| value.as_bytes());
        let token = token.filter(|token| !token.is_empty() && token.len() <= TOKEN_BYTES);
        let token = token.ok_or(Refusal::Unauthenticated)?;
        if configured.is_some_and(|configured| is_hash_of(&configured, token)) {
            return Ok(());
        }
        match self.judge(store, role, token).await? {
            true => Ok(()),
            false => Err(Refusal::Unauthenticated.into()),
        }
    }

    /// The tokens changed: every one is judged anew.
    pub(crate) fn forget(&self) {
        let mut remembered = self.lock();
        remembered.good.clear();
        remembered.bad.clear();
        remembered.generation = remembered.generation.wrapping_add(1);
    }

    async fn judge(&self, store: &dyn Store, role: Role, token: &[u8]) -> Result<bool, NoAccess> {
        let key = (role, Sha256::digest(token).into());
        let generation = {
            let remembered = self.lock();
            if let Some(judgement) = remembered.judgement(&key) {
                return Ok(judgement);
            }
            remembered.generation
        };
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::Busy)?;
        let tokens = store.tokens().await.map_err(NoAccess::Store)?;
        let hashes = tokens.into_iter().filter(|one| one.role == role).map(|one| one.hash);
        let hashes: Vec<String> = hashes.collect();
        if hashes.is_empty() {
            return Ok(false);
        }
        let slow = Arc::clone(&self.slow).acquire_owned().await;
        let slow = slow.map_err(|_| Refusal::Internal)?;
        let token = token.to_vec();
        let work = move || {
            // Given back when the work is done, which nobody can stop.
            let _held = (slow, place);
            hashes.iter().any(|hash| is_slow_hash_of(hash, &token))
        };
        let judged = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Internal)?;
        let mut remembered = self.lock();
        if remembered.generation == generation {
            remembered.note(key, judged);
        }
        Ok(judged)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_hash_of(hash: &[u8; 64], token: &[u8]) -> bool {
    Sha512::digest(token).as_slice().ct_eq(hash.as_slice()).into()
}

fn is_slow_hash_of(hash: &str, token: &[u8]) -> bool {
    let hash = PasswordHash::new(hash);
    hash.is_ok_and(|hash| Argon2::default().verify_password(token, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Token;
    use crate::store::memory::Memory;
    use argon2::PasswordHasher as _;
    use hyper::header::HeaderValue;
    use tdattest_wire::time::UnixTime;

    fn headers(name: &'static str, token: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(token));
        headers
    }

    fn sha_512(token: &str) -> String {
        data_encoding::HEXLOWER.encode(&Sha512::digest(token.as_bytes()))
    }

    fn token(role: Role, text: &str) -> Token {
        let parameters = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
        let hash =
            argon.hash_password_with_salt(text.as_bytes(), b"salt of a test").unwrap().to_string();
        Token { name: text.into(), role, hash, created: UnixTime::EPOCH }
    }

    #[tokio::test]
    async fn a_token_opens_what_it_is_for_and_nothing_else() {
        let store = Memory::new();
        let access = Access::new(Some(&sha_512("usertok")), Some(&sha_512("admintok")));
        let check = |role, name, token| {
            let headers = headers(name, token);
            let (access, store) = (&access, &store);
            async move { access.check(store, role, &headers).await }
        };
        assert_eq!(check(Role::User, "user-token", "usertok").await, Ok(()));
        assert_eq!(check(Role::Admin, "admin-token", "admintok").await, Ok(()));
        for (role, name, token) in [
            (Role::User, "user-token", "admintok"),
            (Role::User, "admin-token", "admintok"),
            (Role::Admin, "admin-token", "usertok"),
            (Role::User, "user-token", ""),
            (Role::User, "user-token", "usertok "),
        ] {
            let refused = Err(Refusal::Unauthenticated.into());
            assert_eq!(check(role, name, token).await, refused, "{name} {token:?}");
        }
    }

    #[tokio::test]
    async fn nothing_is_open_when_no_token_was_set() {
        for hash in [None, Some(""), Some("abc")] {
            let access = Access::new(hash, hash);
            for token in ["", "abc", "password"] {
                let headers = headers("admin-token", token);
                let checked = access.check(&Memory::new(), Role::Admin, &headers).await;
                assert_eq!(checked, Err(Refusal::Unauthenticated.into()));
            }
        }
    }

    #[tokio::test]
    async fn a_token_of_the_store_opens_until_it_is_removed() {
        let store = Memory::new();
        let access = Access::new(None, None);
        store.put_token(&token(Role::Admin, "first")).await.unwrap();
        let right = headers("admin-token", "first");
        let second = headers("admin-token", "second");
        assert_eq!(access.check(&store, Role::Admin, &right).await, Ok(()));
        let refused = Err(Refusal::Unauthenticated.into());
        assert_eq!(access.check(&store, Role::Admin, &second).await, refused);
        let as_user = headers("user-token", "first");
        assert_eq!(access.check(&store, Role::User, &as_user).await, refused);

        store.remove_token(Role::Admin, "first").await.unwrap();
        store.put_token(&token(Role::Admin, "second")).await.unwrap();
        access.forget();
        assert_eq!(access.check(&store, Role::Admin, &right).await, refused);
        assert_eq!(access.check(&store, Role::Admin, &second).await, Ok(()));
    }

    #[tokio::test]
    async fn a_flood_of_bad_tokens_makes_no_good_one_forgotten() {
        let store = Memory::new();
        let access = Access::new(None, None);
        store.put_token(&token(Role::Admin, "good")).await.unwrap();
        let good = headers("admin-token", "good");
        assert_eq!(access.check(&store, Role::Admin, &good).await, Ok(()));
        for number in 0..=REMEMBERED {
            let mut bad = HeaderMap::new();
            bad.insert("admin-token", HeaderValue::from_str(&number.to_string()).unwrap());
            let refused = Err(Refusal::Unauthenticated.into());
            assert_eq!(access.check(&store, Role::Admin, &bad).await, refused);
        }
        assert!(access.lock().bad.len() <= REMEMBERED);
        // With no place left to judge any: it is known, and others are refused at once.
        let _places = access.places.acquire_many(AT_ONCE as u32).await.unwrap();
        assert_eq!(access.check(&store, Role::Admin, &good).await, Ok(()));
        let new = headers("admin-token", "new");
        let busy = Err(Refusal::Busy.into());
        assert_eq!(access.check(&store, Role::Admin, &new).await, busy);
    }

    #[test]
    fn a_request_that_goes_away_gives_its_place_back_when_its_hash_is_done() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // One thread for slow work, which is not to be had for now.
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let held = tokio::task::spawn_blocking(move || gate.recv());
            let store = Memory::new();
            store.put_token(&token(Role::Admin, "good")).await.unwrap();
            let access = Arc::new(Access::new(None, None));
            let asking = Arc::clone(&access);
            let request = tokio::spawn(async move {
                asking.check(&store, Role::Admin, &headers("admin-token", "bad")).await
            });
            while access.slow.available_permits() == SLOW_HASHES {
                tokio::task::yield_now().await;
            }
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
            assert_eq!(access.slow.available_permits(), SLOW_HASHES - 1);
            assert_eq!(access.places.available_permits(), AT_ONCE - 1);
            open.send(()).unwrap();
            held.await.unwrap().unwrap();
            // Both come back, one after the other, on the thread that did the hash.
            drop(access.slow.acquire_many(SLOW_HASHES as u32).await.unwrap());
            drop(access.places.acquire_many(AT_ONCE as u32).await.unwrap());
        });
    }
}
