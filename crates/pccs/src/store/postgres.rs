//! A store that several replicas share: PostgreSQL, 13 or newer.
//!
//! Must stay true: no call outlives its deadline; a connection on which something was given up is closed, never used
//! again; whoever stops waiting costs no connection; after the database was away the next call connects anew; no error
//! and no log holds the password.

mod address;
mod fault;
mod lease;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::database::Database;
use super::schema;
use super::session::{Operation, Session};
use super::{Lease, StoreError};
use address::Address;
use lease::Leases;
use session::PostgresSession;

/// How to reach a database.
#[derive(Clone)]
pub struct PostgresSettings {
    /// Its address: `postgres://user:password@host/name?sslmode=…`, or `host=… user=…`.
    ///
    /// Without `sslmode`, TLS is required, except over a Unix socket or to this machine, where it is not used. With
    /// `require`, `verify-ca` or `verify-full` alike, the server's certificate and name are verified.
    pub address: String,
    /// The certificates, PEM, that the server's must lead to; those that the system trusts, if none are given.
    pub ca_file: Option<PathBuf>,
    /// Most connections; one more holds the leases.
    pub connections: usize,
    /// How long a call may take.
    pub deadline: Duration,
}

impl PostgresSettings {
    /// Settings for a database at an address.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            ca_file: None,
            connections: 8,
            deadline: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("PostgresSettings")
            .field("ca_file", &self.ca_file)
            .field("connections", &self.connections)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Calls at one time: on a connection, waiting for one, or coming to their end though nobody waits any more. Whoever comes
/// beyond that waits for a place, and leaves nothing behind when it goes away.
const CALLS: usize = 256;

/// How long a replica that starts waits for another one that changes the schema.
const MIGRATION: Duration = Duration::from_secs(60);

/// A store in a database.
pub struct Postgres {
    pool: Pool,
    calls: Arc<Semaphore>,
    leases: Leases,
    deadline: Duration,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Connects to the database and brings it to our shape. Replicas may do so at the same time.
    ///
    /// # Errors
    /// When the address cannot be read, the database cannot be reached, or its shape is of a newer version.
    pub async fn connect(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let deadline = settings.deadline;
        let manager = Address::read(settings)?
            .manager(ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(settings.connections.max(2))
            .runtime(Runtime::Tokio1)
            .post_create(bounded_statements(deadline))
            .build()
            .map_err(|fault| StoreError::Broken(fault.to_string()))?;
        let calls = Arc::new(Semaphore::new(CALLS));
        let store = Self { leases: Leases::new(pool.clone(), deadline), pool, calls, deadline };
        let migrated = timeout(MIGRATION, store.migrate(schema::POSTGRES)).await;
        migrated.unwrap_or_else(|_| Err(late(MIGRATION)))?;
        Ok(store)
    }

    /// Takes the steps that the database lacks, all or none of them.
    async fn migrate(&self, steps: &[&'static str]) -> Result<(), StoreError> {
        let mut session = PostgresSession::new(connection(&self.pool, self.deadline).await?);
        session.batch("BEGIN").await?;
        session.batch(MIGRATE_ALONE).await?;
        session.batch(schema::CREATE_TAKEN).await?;
        let taken = session.rows(schema::TAKEN, vec![]).await?;
        let taken = taken.into_iter().map(|mut row| row.text()).collect::<Result<Vec<_>, _>>()?;
        for step in schema::missing(steps, &taken)? {
            session.batch(step.text).await?;
            let parameters = vec![step.version.into(), step.checksum.into()];
            session.execute(schema::TAKE, parameters).await?;
        }
        session.batch("COMMIT").await?;
        session.done();
        Ok(())
    }
}

/// Does something in a transaction of its own. What is taken stays when nobody waits for it any more.
async fn transact<O: Operation>(
    mut session: PostgresSession,
    operation: O,
    is_awaited: impl Fn() -> bool + Send + Sync,
) -> Result<O::Output, StoreError> {
    let nobody_waits = || StoreError::Unavailable("nobody waits for it any more".into());
    if !is_awaited() {
        session.done();
        return Err(nobody_waits());
    }
    let begin = match (O::WRITES, O::SNAPSHOT) {
        (true, _) => Some("BEGIN"),
        (false, true) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        (false, false) => None,
    };
    if let Some(begin) = begin {
        session.batch(begin).await?;
    }
    let mut result = operation.run(&mut session).await;
    if O::TAKES && !is_awaited() {
        result = result.and(Err(nobody_waits()));
    }
    if begin.is_some() {
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = session.batch(end).await;
        // What was wrong first is the reason.
        if let (Ok(_), Err(fault)) = (&result, ended) {
            return Err(fault);
        }
    }
    // A server that only reads was the primary once, or is to be: the next connection asks anew who is.
    if !matches!(result, Err(StoreError::Unwritable(_))) {
        session.done();
    }
    result
}

/// Only one replica at a time changes the schema; the others wait for it. The number is ours alone.
const MIGRATE_ALONE: &str = "SET LOCAL statement_timeout = '60s'; \
     SELECT pg_advisory_xact_lock(8391462207135591027); SET LOCAL client_min_messages = warning";

impl Database for Postgres {
    const KIND: &'static str = "postgresql";

    async fn perform<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let (pool, deadline) = (self.pool.clone(), self.deadline);
        let broke = || StoreError::Unavailable("the call broke off".into());
        let place = timeout(deadline, Arc::clone(&self.calls).acquire_owned()).await;
        let place = place.map_err(|_| late(deadline))?.map_err(|_| broke())?;
        let (reply, answer) = oneshot::channel();
        // On its own: a client that goes away in the middle would cost the connection.
        let work = async move {
            let done = timeout(deadline, async {
                let session = PostgresSession::new(connection(&pool, deadline).await?);
                transact(session, operation, || !reply.is_closed()).await
            });
            let done = done.await.unwrap_or_else(|_| Err(late(deadline)));
            drop(place);
            // Whoever asked may have gone.
            let _ = reply.send(done);
        };
        tokio::spawn(work.in_current_span());
        answer.await.unwrap_or_else(|_| Err(broke()))
    }

    async fn lease(&self, what: &str) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.leases.try_take(what).await
    }
}

/// A connection of the pool, soon.
async fn connection(
    pool: &Pool,
    deadline: Duration,
) -> Result<deadpool_postgres::Object, StoreError> {
    let got = timeout(deadline, pool.get()).await.map_err(|_| late(deadline))?;
    got.map_err(|fault| match fault {
        PoolError::Backend(fault) | PoolError::PostCreateHook(HookError::Backend(fault)) => {
            fault::explain(&fault)
        }
        other => StoreError::Unavailable(other.to_string()),
    })
}

/// Sets, on each new connection, that the server gives up before we do, and notices soon that a replica's machine died:
/// its leases are free then.
fn bounded_statements(deadline: Duration) -> Hook {
    let milliseconds = deadline.as_millis().saturating_mul(8).checked_div(10).unwrap_or(0).max(1);
    let settings = format!(
        "SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
    );
    Hook::async_fn(move |client, _| {
        let settings = settings.clone();
        Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
    })
}

fn late(deadline: Duration) -> StoreError {
    StoreError::Unavailable(format!("it did not answer within {} s", deadline.as_secs_f32()))
}
