//! HTTP: connections in, requests to who answers them, answers out, each within its bounds.
//!
//! Must stay true: whoever was let in is answered, also while the service drains; no client can keep another from its
//! answer; nothing of a request outlives its connection.

mod body;
mod connection;
mod exchange;
mod listen;
mod log;
mod patience;
mod peers;
mod request_id;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use rustix::io::Errno;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use self::body::Room;
use self::exchange::Desk;
use self::listen::Socket;
use self::peers::{Peer, Peers};
use self::request_id::RequestIds;
use crate::answer::Answer;
use crate::api::{Admission, Pccs, REFRESH_DEADLINE};
use crate::ending::{Ending, until_ending};
use crate::health::Health;
use crate::records::Records;
use crate::refresh::RefreshReport;
use crate::request::Request;

pub(crate) use self::body::Whole;
pub use self::exchange::Answering;
pub use self::listen::{ListenAt, ListenError, Listener};

/// How long to wait when the system gives no connections, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest bodies that may be read at one time.
const BODIES_AT_ONCE: usize = 16;

/// What answers requests. [`Pccs`] does.
pub trait Answers: Send + Sync {
    /// Whether the body that a request brings is wanted, by its head alone.
    fn admit<'a>(&'a self, head: &'a Request) -> Answering<'a, Admission>;
    /// Answers a request.
    fn answer(&self, request: Request) -> Answering<'_, Answer>;
    /// Fetches anew what is due.
    fn refresh(&self) -> Answering<'_, RefreshReport>;
    /// Forgets what others have changed.
    fn follow_changes(&self) -> Answering<'_, ()>;
}

impl Answers for Pccs {
    fn admit<'a>(&'a self, head: &'a Request) -> Answering<'a, Admission> {
        Box::pin(Self::admit(self, head))
    }

    fn answer(&self, request: Request) -> Answering<'_, Answer> {
        Box::pin(Self::answer(self, request))
    }

    fn refresh(&self) -> Answering<'_, RefreshReport> {
        Box::pin(Self::refresh(self))
    }

    fn follow_changes(&self) -> Answering<'_, ()> {
        Box::pin(Self::follow_changes(self))
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; some further ones wait, and the rest are closed. Those of this machine are counted apart.
    pub connections: usize,
    /// Those of one address on another machine, or of one IPv6 network of 64 bits; further ones are closed.
    pub connections_per_address: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, from its first byte.
    pub head: Duration,
    /// For the rest of a request.
    pub request: Duration,
    /// For the answer to be made. The API keeps to less by itself.
    pub answer: Duration,
    /// For some of an answer to be taken.
    pub send: Duration,
    /// For the next request on the same connection.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
            header_bytes: 16 * 1024,
            body_bytes: 2 * 1024 * 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            request: Duration::from_secs(15),
            answer: REFRESH_DEADLINE.saturating_add(Duration::from_secs(30)),
            send: Duration::from_secs(15),
            keep_alive: Duration::from_secs(60),
        }
    }
}

/// Takes connections until it is told to end.
pub(crate) struct Server {
    desk: Arc<Desk>,
    acceptor: Option<TlsAcceptor>,
    peers: Arc<Peers>,
    ending: Ending,
    alive: mpsc::Sender<()>,
}

/// What a server needs of the service.
pub(crate) struct Hall {
    pub(crate) answers: Arc<dyn Answers>,
    pub(crate) health: Arc<Health>,
    pub(crate) records: Arc<Records>,
    pub(crate) limits: Limits,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) ending: Ending,
    /// Kept by each connection for as long as it lasts.
    pub(crate) alive: mpsc::Sender<()>,
}

impl Server {
    pub(crate) fn new(hall: Hall) -> Arc<Self> {
        let Hall { answers, health, records, limits, acceptor, ending, alive } = hall;
        let keep_alive = format!("timeout={}", limits.keep_alive.as_secs());
        let desk = Desk {
            answers,
            health,
            records,
            limits,
            ids: RequestIds::new(),
            room: Room::new(limits.body_bytes, BODIES_AT_ONCE),
            keep_alive: HeaderValue::try_from(keep_alive)
                .unwrap_or(HeaderValue::from_static("timeout=60")),
        };
        let peers = Peers::new(&limits);
        Arc::new(Self { desk: Arc::new(desk), acceptor, peers, ending, alive })
    }

    /// Takes the connections of one listener, until the service ends.
    pub(crate) async fn accept(self: Arc<Self>, listener: Listener) -> io::Result<()> {
        until_ending(self.accept_all(listener), self.ending.clone()).await.unwrap_or(Ok(()))
    }

    async fn accept_all(&self, listener: Listener) -> io::Result<()> {
        let tls = match listener.at() {
            ListenAt::Https(_) => self.acceptor.clone(),
            ListenAt::PlainHttp(_) | ListenAt::Unix(_) => None,
        };
        if tls.is_none() && matches!(listener.at(), ListenAt::Https(_)) {
            return Err(io::Error::other("there is no certificate to listen with"));
        }
        match &listener.socket {
            Socket::Tcp(socket) => self.accept_tcp(socket, tls).await,
            Socket::Unix(socket) => self.accept_unix(socket).await,
        }
    }

    async fn accept_tcp(
        &self,
        socket: &std::net::TcpListener,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<()> {
        let socket = TcpListener::from_std(socket.try_clone()?)?;
        loop {
            let (stream, address) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(fault) => {
                    pause(&fault).await;
                    continue;
                }
            };
            // An answer is one write: it need not wait for another. If it cannot be set, it is slower.
            let _ = stream.set_nodelay(true);
            let tls = tls.clone();
            self.welcome(Peer::at(address.ip()), move |desk, ending| async move {
                match &tls {
                    Some(tls) => connection::serve_tls(stream, tls, desk, ending).await,
                    None => connection::serve_plain(stream, desk, ending).await,
                }
            });
        }
    }

    async fn accept_unix(&self, socket: &std::os::unix::net::UnixListener) -> io::Result<()> {
        let socket = UnixListener::from_std(socket.try_clone()?)?;
        loop {
            match socket.accept().await {
                Ok((stream, _)) => self.welcome(Peer::Local, move |desk, ending| async move {
                    connection::serve_plain(stream, desk, ending).await;
                }),
                Err(fault) => pause(&fault).await,
            }
        }
    }

    /// Serves a connection once there is a place for it. The listener goes on: who waits stands in nobody's way.
    fn welcome<F, S>(&self, peer: Peer, serve: F)
    where
        F: FnOnce(Arc<Desk>, Ending) -> S + Send + 'static,
        S: Future<Output = ()> + Send,
    {
        let (desk, ending) = (Arc::clone(&self.desk), self.ending.clone());
        let (peers, alive) = (Arc::clone(&self.peers), self.alive.clone());
        tokio::spawn(async move {
            let connected = until_ending(peers.connect(peer), ending.clone()).await.flatten();
            if connected.is_some() {
                serve(desk, ending).await;
            }
            drop((connected, alive));
        });
    }
}

/// After a connection that could not be taken: at once if its peer went away, else later.
async fn pause(fault: &io::Error) {
    let number = fault.raw_os_error().map(Errno::from_raw_os_error);
    if !matches!(number, Some(Errno::CONNABORTED | Errno::INTR)) {
        tracing::error!(cause = %fault, "cannot take connections");
        sleep(PAUSE).await;
    }
}
