//! A stand-in for Intel's Quote Generation Service on a Unix socket, honest or not.
//!
//! ```text
//! Incoming ── answer ──▶ Answer ── connection ──▶ bytes
//!                ▲                     ▲
//!                └──── Misbehaviour ───┘      what is to go wrong, in what is said and in how it is sent
//! ```
//!
//! Source: Intel DCAP, `qgs_msg_lib`; Intel's daemon as observed. It takes a request in however many pieces, framed or
//! as 1,024 bare bytes; of what Intel's daemon would wait for in vain, it closes the connection at once.
//! Must stay true: only a TDREPORT of this platform's CPU gets a quote.
//!
//! ```
//! use tdattest_simulator::qgs_server::{Misbehaviour, QgsServer};
//! use tdattest_simulator::{Platform, Seed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let platform = Platform::new(Seed::of("an example"));
//! let server = QgsServer::start(&platform, &folder.path().join("qgs.socket"))?;
//! server.misbehave(Some("close-mid-body".parse()?));
//! # assert_eq!("hang".parse(), Ok(Misbehaviour::Hang));
//! # Ok(()) }
//! ```

mod answer;
mod connection;
mod misbehaviour;
mod served;
mod teller;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use misbehaviour::{Misbehaviour, UnknownMisbehaviour};
pub use served::{Outcome, Served};

use crate::error::MintError;
use crate::pcs_server::SocketFile;
use crate::platform::Platform;
use crate::quote::QuotingEnclave;
use teller::Teller;

/// Most connections at a time; further ones are closed.
const CONNECTIONS: usize = 256;

/// How long to wait when no connection can be accepted, as with too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is told of each request, in order. Nobody waits for it: if it is over a thousand requests behind it misses some.
pub type Observer = Arc<dyn Fn(&Served) + Send + Sync>;

/// A running QGS. It stops when dropped, and leaves no socket file behind.
pub struct QgsServer {
    shared: Arc<Shared>,
    path: PathBuf,
    /// The listening socket once more, to stop it.
    listening: UnixStream,
    thread: Option<JoinHandle<()>>,
    socket_file: Option<SocketFile>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file is there: of a server that runs, or of one that could not clean up.
    #[error("cannot listen at unix:{path}: the file is there already; remove it if no server uses it", path = .0.display())]
    FileExists(PathBuf),
    /// The socket cannot be made there.
    #[error("cannot listen at unix:{path}: {fault}", path = path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        fault: io::Error,
    },
    /// The quoting enclave does not start.
    #[error("the quoting enclave does not start: {0}")]
    Enclave(#[from] MintError),
    /// The system gives no thread.
    #[error("cannot start a server: {0}")]
    Thread(io::Error),
}

/// What all connections share.
struct Shared {
    platform: Platform,
    enclave: QuotingEnclave,
    misbehaviour: Mutex<Option<Misbehaviour>>,
    teller: Option<Teller>,
    stopping: AtomicBool,
    /// The connections that are open, to end them.
    open: Mutex<HashMap<u64, UnixStream>>,
}

impl QgsServer {
    /// Starts a server for a platform, with its own threads.
    ///
    /// It answers whoever can reach the socket; nothing that it knows is secret.
    ///
    /// # Errors
    /// When it cannot listen at the path. Then nothing is left behind.
    pub fn start(platform: &Platform, path: &Path) -> Result<Self, StartError> {
        Self::start_observed(platform, path, None)
    }

    /// The same, and somebody is told of each request, in a thread of its own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_observed(
        platform: &Platform,
        path: &Path,
        observer: Option<Observer>,
    ) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            platform: platform.clone(),
            enclave: QuotingEnclave::new(platform)?,
            misbehaviour: Mutex::new(None),
            teller: observer.map(Teller::start).transpose().map_err(StartError::Thread)?,
            stopping: AtomicBool::new(false),
            open: Mutex::new(HashMap::new()),
        });
        let at_path = |fault: io::Error| match fault.kind() {
            io::ErrorKind::AddrInUse => StartError::FileExists(path.into()),
            _ => StartError::Socket { path: path.into(), fault },
        };
        let listener = UnixListener::bind(path).map_err(at_path)?;
        // From here on, whatever goes wrong removes the file.
        let socket_file = Some(SocketFile::of(path));
        let listening = UnixStream::from(OwnedFd::from(listener.try_clone().map_err(at_path)?));
        let accepting = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("qgs".into()).spawn(move || accept(&listener, &accepting));
        let thread = Some(thread.map_err(StartError::Thread)?);
        Ok(Self { shared, path: path.into(), listening, thread, socket_file })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Misbehaves from now on in one way, or in none.
    pub fn misbehave(&self, misbehaviour: Option<Misbehaviour>) {
        *locked(&self.shared.misbehaviour) = misbehaviour;
    }
}

impl fmt::Debug for QgsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QgsServer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for QgsServer {
    fn drop(&mut self) {
        // While the socket is open no other file can be taken for this one.
        drop(self.socket_file.take());
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Whoever accepts, reads or writes hears of it at once. A socket that is closed already is none to worry about.
        let _ = self.listening.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped as well.
            let _ = thread.join();
        }
        if let Some(teller) = &self.shared.teller {
            teller.finish();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What stands under these locks is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts until it is stopped, then ends every connection and waits for its thread.
fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    let mut serving: Vec<JoinHandle<()>> = Vec::new();
    for number in 0.. {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        serving.retain(|thread| !thread.is_finished());
        match accepted {
            Ok((stream, _)) if serving.len() < CONNECTIONS => {
                serving.extend(spawn(stream, number, shared));
            }
            Ok(_) => {}
            // A client that went at once, or too many open files: the others are to be served.
            Err(_) => thread::sleep(PAUSE),
        }
    }
    for stream in locked(&shared.open).values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in serving {
        let _ = thread.join();
    }
}

/// Serves a connection in a thread of its own. If there is none to be had the client sees it closed.
fn spawn(stream: UnixStream, number: u64, shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    locked(&shared.open).insert(number, stream.try_clone().ok()?);
    let serving = Arc::clone(shared);
    let spawned = thread::Builder::new().name("qgs connection".into()).spawn(move || {
        connection::serve(stream, &serving);
        locked(&serving.open).remove(&number);
    });
    if spawned.is_err() {
        locked(&shared.open).remove(&number);
    }
    spawned.ok()
}
