//! A stand-in for Intel's Provisioning Certification Service, on loopback or a Unix socket.
//!
//! ```text
//! Request ── api::answer ──▶ Answer          plain data, no I/O: everything the PCS says
//!    ▲            ▲ Platform, time  │
//!    └─── connection ◀── failure ───┘        HTTP/1.1 around it, and what is to go wrong
//! ```
//!
//! Source: PCS API v4, "Intel SGX and Intel TDX Provisioning Certification Service". It knows one platform.
//! Must stay true: it reads no wall clock, and the same requests in the same order get the same answers.
//!
//! ```
//! use std::sync::Arc;
//! use tdattest_simulator::pcs_server::{Address, PcsServer};
//! use tdattest_simulator::{Platform, Seed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = "2026-11-01T00:00:00Z".parse()?;
//! let platform = Platform::new(Seed::of("an example"));
//! let server = PcsServer::start(platform, &"127.0.0.1:0".parse()?, Arc::new(move || now))?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! server.fail("tcb=503,times=1".parse()?);
//! # Ok(()) }
//! ```

mod address;
mod answer;
pub mod api;
mod connection;
mod failure;
mod request;
mod shared;

pub(crate) use address::SocketFile;
pub use address::{Address, InvalidAddress};
pub use answer::Answer;
pub use failure::{Failure, FailureError, FailureRule, Times, Which};
pub use request::{Endpoint, Request, UnknownEndpoint};
pub use shared::{Clock, Observer, Served};

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};

use address::{Bound, Listener};
use shared::Shared;

use crate::platform::Platform;

/// Most connections at a time; further ones wait.
const CONNECTIONS: usize = 256;

/// How long to wait when no connection can be accepted, as with too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// A running PCS. It stops when dropped, and leaves neither a port nor a socket file behind.
pub struct PcsServer {
    shared: Arc<Shared>,
    address: Address,
    /// Dropped to stop the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    socket_file: Option<SocketFile>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another server listens there.
    #[error("cannot listen at {0}: the port is in use")]
    PortInUse(Address),
    /// A file is there: of a server that runs, or of one that could not clean up.
    #[error("cannot listen at unix:{path}: the file is there already", path = .0.display())]
    FileExists(PathBuf),
    /// Something else is wrong with the address.
    #[error("cannot listen at {address}: {fault}")]
    Address {
        /// The address.
        address: Address,
        /// What is wrong.
        fault: io::Error,
    },
    /// The system gives no thread, or no events.
    #[error("cannot start a server: {0}")]
    Thread(io::Error),
}

impl StartError {
    fn at(address: &Address, fault: io::Error) -> Self {
        match address {
            Address::Tcp(_) if fault.kind() == io::ErrorKind::AddrInUse => {
                Self::PortInUse(address.clone())
            }
            Address::Unix(path) if fault.kind() == io::ErrorKind::AddrInUse => {
                Self::FileExists(path.clone())
            }
            _ => Self::Address { address: address.clone(), fault },
        }
    }
}

impl PcsServer {
    /// Starts a server for a platform, with its own thread and the time of the given clock.
    ///
    /// It answers whoever can reach the address; nothing that it knows is secret.
    ///
    /// # Errors
    /// When it cannot listen at the address. Then nothing is left behind.
    pub fn start(platform: Platform, address: &Address, clock: Clock) -> Result<Self, StartError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let bound = {
            let _context = runtime.enter();
            address::bind(address)?
        };
        let Bound { listener, address, socket_file } = bound;
        let shared = Arc::new(Shared::new(platform, clock));
        let (stop, stopped) = oneshot::channel::<()>();
        let accepting = accept(listener, Arc::clone(&shared));
        let run = move || {
            runtime.block_on(async {
                tokio::spawn(accepting);
                // It never hears anything but that the sender is gone.
                let _ = stopped.await;
            });
        };
        let thread = thread::Builder::new().name("pcs".into()).spawn(run);
        let thread = Some(thread.map_err(StartError::Thread)?);
        Ok(Self { shared, address, stop: Some(stop), thread, socket_file })
    }

    /// Where it listens: the port is the one that it got.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What clients take for the address of the PCS: `http://127.0.0.1:8081`, or `unix:PATH`.
    pub fn url(&self) -> String {
        match &self.address {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(_) => self.address.to_string(),
        }
    }

    /// Makes requests fail from now on. Rules apply in the order in which they are set, each until it is used up.
    pub fn fail(&self, rule: FailureRule) {
        self.shared.rules().add(rule);
    }

    /// Ends all failures.
    pub fn recover(&self) {
        self.shared.rules().clear();
    }

    /// Serves another platform from now on, such as one after a TCB recovery.
    pub fn set_platform(&self, platform: Platform) {
        self.shared.set_platform(platform);
    }

    /// Has the time from elsewhere from now on.
    pub fn set_clock(&self, clock: Clock) {
        self.shared.set_clock(clock);
    }

    /// Tells somebody of every request from now on, before its answer is on its way.
    pub fn observe(&self, observer: Observer) {
        self.shared.set_observer(observer);
    }

    /// The requests so far, in the order in which they came; of very many, the latest.
    pub fn requests(&self) -> Vec<Served> {
        self.shared.requests()
    }

    /// How many requests for an endpoint there were so far.
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        self.shared.count(endpoint)
    }
}

impl fmt::Debug for PcsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcsServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for PcsServer {
    fn drop(&mut self) {
        // While the socket is open no other file can be taken for this one.
        drop(self.socket_file.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: Listener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let serving = connection::serve(stream, Arc::clone(&shared));
                tokio::spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            // A client that went at once, or too many open files: the others are to be served.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
