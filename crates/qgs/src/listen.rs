//! Where peers come in: Unix sockets, vsock, and sockets that systemd has opened.
//!
//! Source: Intel's daemon of 2026 (path, mode and group of the socket; what makes a socket stale); sd_listen_fds(3).
//! Must stay true: a socket is never reachable with other permissions than it is to have; that of a running service is
//! never taken away.

mod activation;
mod private_folder;
mod stream;
mod unix;

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::sockopt::socket_peercred;
use tokio::io::Interest;
use tokio::net::UnixStream;
use vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener};

use crate::peers::Peer;
pub(crate) use stream::Stream;
use stream::watched;

pub use activation::inherited;
pub use unix::{SocketFile, UnixSettings, connect};

/// A socket that listens.
pub struct Listener {
    socket: Socket,
    address: Address,
    /// Removes the file when the socket goes.
    _file: Option<SocketFile>,
}

enum Socket {
    Unix(UnixListener),
    Vsock(VsockListener),
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At this path; empty for a socket of systemd's without one.
    Unix(PathBuf),
    /// At this port, for all virtual machines of the host.
    Vsock(u32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock(port) => write!(f, "vsock:{port}"),
        }
    }
}

/// Why a socket does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody answers there.
    #[error("cannot listen at unix:{}: a service listens there already", .0.display())]
    InUse(PathBuf),
    /// Another service is about to.
    #[error("cannot listen at unix:{}: another service is starting there", .0.display())]
    Starting(PathBuf),
    /// It is no socket of ours to replace.
    #[error("cannot listen at unix:{}: a file is there that is no socket", .0.display())]
    NoSocket(PathBuf),
    /// There is no group of that name.
    #[error("cannot listen at unix:{}: there is no group {group}", path.display())]
    NoGroup {
        /// Where.
        path: PathBuf,
        /// The name.
        group: String,
    },
    /// The system refuses.
    #[error("cannot listen at {address}: {fault}")]
    System {
        /// Where.
        address: Address,
        /// What it says.
        fault: io::Error,
    },
    /// A socket of systemd's cannot be used.
    #[error("cannot use a socket from systemd: {0}")]
    Inherited(io::Error),
}

impl Listener {
    /// Listens at a path.
    ///
    /// # Errors
    /// When another service listens there, or the system refuses. What was there is then left.
    pub fn unix(settings: &UnixSettings) -> Result<Self, ListenError> {
        let (socket, file) = unix::bind(settings)?;
        let address = Address::Unix(settings.path.clone());
        Self::ready(Socket::Unix(socket), address, Some(file))
    }

    /// Listens for virtual machines.
    ///
    /// # Errors
    /// When the port is taken, or the kernel has no vsock.
    pub fn vsock(port: u32) -> Result<Self, ListenError> {
        let address = Address::Vsock(port);
        let socket = VsockListener::bind(&VsockAddr::new(VMADDR_CID_ANY, port))
            .map_err(|fault| ListenError::System { address: address.clone(), fault })?;
        Self::ready(Socket::Vsock(socket), address, None)
    }

    fn ready(
        socket: Socket,
        address: Address,
        file: Option<SocketFile>,
    ) -> Result<Self, ListenError> {
        let nonblocking = match &socket {
            Socket::Unix(socket) => socket.set_nonblocking(true),
            Socket::Vsock(socket) => socket.set_nonblocking(true),
        };
        nonblocking.map_err(|fault| ListenError::System { address: address.clone(), fault })?;
        Ok(Self { socket, address, _file: file })
    }

    /// Where.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the next connection; `WouldBlock` if there is none.
    fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        match &self.socket {
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                let peer = Peer::User(socket_peercred(&stream)?.uid.as_raw());
                Ok((stream.into(), peer))
            }
            Socket::Vsock(socket) => {
                let (stream, address) = socket.accept()?;
                Ok((stream.into(), Peer::Machine(address.cid())))
            }
        }
    }
}

/// A listener that is waited for.
pub(crate) struct Watched {
    listener: Listener,
    ready: UnixStream,
}

impl Watched {
    /// Registers it with the reactor of the runtime that this is called in.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let socket = match &listener.socket {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Vsock(socket) => socket.as_fd(),
        };
        let ready = watched(socket.try_clone_to_owned()?)?;
        Ok(Self { listener, ready })
    }

    /// Waits for the next connection.
    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        self.ready.async_io(Interest::READABLE, || self.listener.accept()).await
    }

    /// Where.
    pub(crate) fn address(&self) -> &Address {
        self.listener.address()
    }
}
