//! Leases among replicas: advisory locks of one session of the database, which end with it.
//!
//! Must stay true: a lock that nobody holds any more is given back, also when whoever asked for it did not wait for
//! the answer; a session that did not answer is asked no more, and closed with its last lease.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::super::{Lease, StoreError};
use super::fault::explain;
use super::{connection, late};

/// The leases of one replica.
#[derive(Clone)]
pub(super) struct Leases {
    pool: Pool,
    deadline: Duration,
    session: Arc<tokio::sync::Mutex<Option<Arc<LockSession>>>>,
    held: Arc<Mutex<HashSet<i64>>>,
}

/// The connection whose locks are the leases; it belongs to the pool no longer.
struct LockSession {
    client: ClientWrapper,
    is_broken: AtomicBool,
    deadline: Duration,
}

impl Leases {
    pub(super) fn new(pool: Pool, deadline: Duration) -> Self {
        Self { pool, deadline, session: Arc::default(), held: Arc::default() }
    }

    /// Takes the lease on `what`, if no replica has it.
    pub(super) async fn try_take(&self, what: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        let Some(claim) = Claim::make(&self.held, number(what)) else { return Ok(None) };
        let leases = self.clone();
        // On its own: if nobody waits any more, the lease that comes is dropped, and so given back.
        let taking = tokio::spawn(async move {
            let taken = timeout(leases.deadline, leases.take(claim)).await;
            taken.unwrap_or_else(|_| Err(late(leases.deadline)))
        });
        let taken = taking.await.map_err(|fault| StoreError::Unavailable(fault.to_string()))??;
        Ok(taken.map(|lease| Box::new(lease) as Box<dyn Lease>))
    }

    async fn take(&self, claim: Claim) -> Result<Option<SessionLease>, StoreError> {
        let session = self.session().await?;
        if !session.ask("SELECT pg_try_advisory_lock($1)", claim.number).await? {
            return Ok(None);
        }
        let runtime = Handle::current();
        Ok(Some(SessionLease { held: Some((session, claim)), runtime }))
    }

    /// The session, opened again if it broke.
    async fn session(&self) -> Result<Arc<LockSession>, StoreError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| session.is_usable()) {
            return Ok(Arc::clone(session));
        }
        *kept = None;
        let client = Object::take(connection(&self.pool, self.deadline).await?);
        let is_broken = AtomicBool::new(false);
        let session = Arc::new(LockSession { client, is_broken, deadline: self.deadline });
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl LockSession {
    fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.is_broken.load(Ordering::Relaxed)
    }

    async fn ask(&self, statement: &str, number: i64) -> Result<bool, StoreError> {
        let fault = |fault| explain(&fault);
        let mut asking = Asking { session: self, is_answered: false };
        let prepared = self.client.prepare_cached(statement).await.map_err(fault)?;
        let row = self.client.query_one(&prepared, &[&number]).await.map_err(fault)?;
        asking.is_answered = true;
        row.try_get(0).map_err(fault)
    }
}

/// A question to the session, which is broken if the answer does not come.
struct Asking<'a> {
    session: &'a LockSession,
    is_answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.session.is_broken.store(true, Ordering::Relaxed);
        }
    }
}

/// What this replica holds or asks for: the locks of one session do not exclude each other.
#[derive(Debug)]
struct Claim {
    held: Arc<Mutex<HashSet<i64>>>,
    number: i64,
}

impl Claim {
    fn make(held: &Arc<Mutex<HashSet<i64>>>, number: i64) -> Option<Self> {
        let is_new = held.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        is_new.then(|| Self { held: Arc::clone(held), number })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A lease that this replica holds.
struct SessionLease {
    held: Option<(Arc<LockSession>, Claim)>,
    runtime: Handle,
}

impl fmt::Debug for SessionLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLease").finish_non_exhaustive()
    }
}

impl Lease for SessionLease {}

impl Drop for SessionLease {
    fn drop(&mut self) {
        let Some((session, claim)) = self.held.take() else { return };
        self.runtime.spawn(async move {
            let unlock = session.ask("SELECT pg_advisory_unlock($1)", claim.number);
            // Without an answer the session is broken, and closed with its last lease.
            let _ = timeout(session.deadline, unlock).await;
            drop(claim);
        });
    }
}

/// The number of a lease among the advisory locks of the database.
fn number(what: &str) -> i64 {
    let digest = Sha256::new().chain_update("tdattest-pccs lease: ").chain_update(what).finalize();
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(first)
}
