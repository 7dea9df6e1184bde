//! The service: listeners, workers, records and health under one roof, from start to drain.
//!
//! Must stay true: whoever was let in is answered, also while the service drains or is reloaded.

mod http;

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use tdattest_wire::time::UnixTime;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::backend::Backend;
use crate::connection::{self, Deadlines, Desk, Ending};
use crate::failure::{Failure, Hop};
use crate::health::HealthCheck;
use crate::listen::{Listener, Stream, Watched};
use crate::peers::{Limits, Peers};
use crate::pool::{Pool, PoolSettings, WorkerState};
use crate::records::{Begun, Records};
use crate::status::{self, Status};

/// Connections of the status socket at once; further ones wait.
const STATUS_CONNECTIONS: usize = 16;

/// How long to wait when no connection can be taken, as with too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// How the service works. All of it can change under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The workers.
    pub pool: PoolSettings,
    /// What each peer may have.
    pub limits: Limits,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// How often to make a quote to see whether that works; `None` never.
    pub health_interval: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool: PoolSettings::default(),
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            health_interval: Some(Duration::from_secs(300)),
        }
    }
}

/// A service that runs, with its own threads.
pub struct Service {
    shared: Arc<Shared>,
    runtime: Runtime,
    /// Who takes connections in; each has its listener.
    accepting: Vec<JoinHandle<()>>,
    /// Who tells the status: to the end.
    telling: Vec<JoinHandle<()>>,
    /// As long as somebody has the other end, somebody is being answered.
    all_gone: mpsc::Receiver<()>,
    alive: Option<mpsc::Sender<()>>,
}

/// What everything in the service shares.
pub(crate) struct Shared {
    settings: Mutex<Settings>,
    pool: Mutex<Arc<Pool>>,
    backend: Mutex<String>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) records: Records,
    pub(crate) health: Arc<HealthCheck>,
    draining: AtomicBool,
    started: UnixTime,
    listeners: Vec<String>,
}

impl Service {
    /// Starts serving.
    ///
    /// # Errors
    /// When the system gives no threads, or a socket cannot be waited for.
    pub fn start(
        listeners: Vec<Listener>,
        backend: Arc<dyn Backend>,
        settings: Settings,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("qgs-connections")
            .build()?;
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            backend: Mutex::new(backend.name()),
            pool: Mutex::new(Arc::new(Pool::start(backend, settings.pool))),
            peers: Peers::new(settings.limits),
            records: Records::default(),
            health: Arc::default(),
            draining: AtomicBool::new(false),
            started: now(),
            listeners: listeners.iter().map(|listener| listener.address().to_string()).collect(),
        });
        let (alive, all_gone) = mpsc::channel(1);
        let entered = runtime.enter();
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = Watched::new(listener)?;
            accepting.push(runtime.spawn(accept(listener, Arc::clone(&shared), alive.clone())));
        }
        drop(entered);
        runtime.spawn(stay_healthy(Arc::clone(&shared)));
        runtime.spawn(look_after(Arc::clone(&shared)));
        let (telling, alive) = (Vec::new(), Some(alive));
        Ok(Self { shared, runtime, accepting, telling, all_gone, alive })
    }

    /// Serves metrics and health over HTTP as well. There is no way to know who asks: it belongs on a loopback address.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub fn serve_http(&self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let _entered = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.runtime.spawn(http::serve(listener, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Tells how it stands to whoever connects here.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub fn serve_status(&mut self, listener: Listener) -> io::Result<()> {
        let _entered = self.runtime.enter();
        let listener = Watched::new(listener)?;
        self.telling.push(self.runtime.spawn(tell_status(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    /// Goes on with other settings, and with other workers if a backend is given. Requests that the old ones have, they
    /// still answer.
    ///
    /// # Errors
    /// When none of the new workers can make quotes, within this time, while one of the old ones can. Then nothing has
    /// changed.
    pub fn reload(
        &self,
        backend: Option<Arc<dyn Backend>>,
        settings: Settings,
        patience: Duration,
    ) -> Result<(), Failure> {
        let shared = &self.shared;
        if let Some(backend) = backend {
            let name = backend.name();
            let pool = Arc::new(Pool::start(backend, settings.pool));
            if shared.pool().is_ready() {
                self.runtime.block_on(made_ready(&pool, patience))?;
            }
            *shared.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
            *shared.backend.lock().unwrap_or_else(PoisonError::into_inner) = name;
        }
        shared.peers.limit(settings.limits);
        *shared.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// The longest that whoever was let in may take, as the settings are now: how long a drain may take.
    pub fn longest_exchange(&self) -> Duration {
        let Deadlines { request, answer, send } = self.shared.settings().deadlines;
        request.saturating_add(answer).saturating_add(send)
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Takes nothing more, and ends when all are answered, or after this time. Whether all were.
    pub fn drain(mut self, patience: Duration) -> bool {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.accepting.iter().for_each(JoinHandle::abort);
        self.alive = None;
        let Self { runtime, accepting, all_gone, .. } = &mut self;
        let answered = runtime.block_on(async {
            for listening in accepting {
                // Ended by force, as it should be; its socket goes with it, and the socket's file.
                let _ = listening.await;
            }
            timeout(patience, all_gone.recv()).await.is_ok()
        });
        self.telling.iter().for_each(JoinHandle::abort);
        let telling = &mut self.telling;
        self.runtime.block_on(async {
            for one in telling {
                let _ = one.await;
            }
        });
        self.runtime.shutdown_background();
        answered
    }
}

impl Shared {
    /// Whether a quote can be asked for.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_draining() && self.pool().is_ready()
    }

    /// Whether a worker is left that may yet make one.
    pub(crate) fn is_alive(&self) -> bool {
        self.pool().is_alive()
    }

    /// How each worker stands, and how many requests wait.
    pub(crate) fn workers(&self) -> (Vec<WorkerState>, usize) {
        self.pool().workers()
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self) -> Desk {
        let deadlines = self.settings().deadlines;
        Desk { pool: self.pool(), deadlines, health: Arc::clone(&self.health) }
    }

    pub(crate) fn status(&self) -> Status {
        let (workers, waiting) = self.workers();
        let counts = self.records.counts();
        Status {
            schema: status::SCHEMA.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            started: self.started.to_string(),
            now: now().to_string(),
            ready: self.is_ready(),
            draining: self.is_draining(),
            backend: self.backend.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            listeners: self.listeners.clone(),
            workers: workers.iter().map(Into::into).collect(),
            waiting,
            connections: self.peers.connections(),
            health: self.health.last().as_ref().map(Into::into),
            requests: counts.iter().map(Into::into).collect(),
            failures: self.records.failures().iter().map(Into::into).collect(),
        }
    }
}

async fn accept(listener: Watched, shared: Arc<Shared>, alive: mpsc::Sender<()>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let (shared, alive) = (Arc::clone(&shared), alive.clone());
                let (request, begun) = (shared.records.begin(), Instant::now());
                let connected = match shared.peers.connect(peer) {
                    Ok(connected) => connected,
                    Err(failure) => {
                        let begun = Begun { request, peer, at: now(), took: Duration::ZERO };
                        let outcome = Err(failure);
                        shared.records.note(begun, Ending { asked: None, outcome, told: false });
                        continue;
                    }
                };
                tokio::spawn(async move {
                    let Ok(stream) = Stream::new(socket) else { return };
                    let desk = shared.desk();
                    let note = |ending| {
                        let begun = Begun { request, peer, at: now(), took: begun.elapsed() };
                        shared.records.note(begun, ending);
                    };
                    connection::serve(stream, &connected, &desk, note).await;
                    drop((connected, alive));
                });
            }
            Err(fault) if gone(&fault) => {}
            Err(fault) => {
                let address = listener.address();
                tracing::error!(code = "connection.accept", %address, cause = %fault, "cannot take connections");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Whether a peer went before it was let in, which is none of ours.
fn gone(fault: &io::Error) -> bool {
    let number = fault.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::CONNABORTED | Errno::INTR | Errno::NOTCONN))
}

async fn stay_healthy(shared: Arc<Shared>) {
    loop {
        let settings = shared.settings();
        match settings.health_interval {
            Some(interval) => {
                sleep(interval).await;
                shared.health.look(&shared.pool(), settings.deadlines.answer, now()).await;
            }
            // It may be switched on.
            None => sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Replaces workers that never come back.
async fn look_after(shared: Arc<Shared>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        shared.pool().look_after();
    }
}

/// Waits until a worker of a pool can make quotes, or all have tried in vain.
async fn made_ready(pool: &Pool, patience: Duration) -> Result<(), Failure> {
    let deadline = Instant::now().checked_add(patience);
    while !pool.is_ready() {
        if let Some(failure) = pool.why_not() {
            return Err(failure);
        }
        if deadline.is_none_or(|deadline| deadline <= Instant::now()) {
            let text = "the backend has not opened a context in time";
            return Err(Failure::new(Hop::Backend, "backend.hangs", text));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn tell_status(listener: Watched, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(STATUS_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(mut stream) = Stream::new(socket) else { continue };
        let Ok(text) = serde_json::to_vec(&shared.status()) else { continue };
        tokio::spawn(async move {
            // Who does not read it does not need it.
            let _ = timeout(Duration::from_secs(10), stream.send(&text)).await;
            drop(permit);
        });
    }
}

/// The time of the machine.
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_secs(since.as_secs()).unwrap_or(UnixTime::MAX)
}
