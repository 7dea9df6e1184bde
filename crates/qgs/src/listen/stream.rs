//! A connection, of whichever family: bytes in, bytes out, without waiting in the kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// A connection. It is registered with the reactor when it first has to wait; most never do.
pub(crate) enum Stream {
    Fresh(OwnedFd),
    Registered(UnixStream),
    /// Between the two.
    Gone,
}

impl Stream {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&socket, true)?;
        Ok(Self::Fresh(socket))
    }

    /// Takes what has arrived, waiting for it if need be; nothing when the peer has said all.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Fresh(socket) = self {
            match recv(&*socket, &mut *buffer, RecvFlags::empty()) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok((count, _)) => return Ok(count),
                Err(fault) => return Err(fault.into()),
            }
        }
        let socket = self.registered()?;
        let receive = || Ok(recv(socket, &mut *buffer, RecvFlags::empty())?.0);
        socket.async_io(Interest::READABLE, receive).await
    }

    /// Sends all of it. As much as the socket takes goes in one write: some clients read no further than one.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = match self {
                Self::Fresh(socket) => match send(&*socket, rest, SendFlags::NOSIGNAL) {
                    Err(Errno::AGAIN | Errno::INTR) => 0,
                    sent => sent?,
                },
                _ => 0,
            };
            let sent = match sent {
                0 => {
                    let socket = self.registered()?;
                    let send = || Ok(send(socket, rest, SendFlags::NOSIGNAL)?);
                    socket.async_io(Interest::WRITABLE, send).await?
                }
                sent => sent,
            };
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        // If it fails, the peer has gone.
        let _ = match self {
            Self::Fresh(socket) => shutdown(socket, Shutdown::Write),
            Self::Registered(socket) => shutdown(socket, Shutdown::Write),
            Self::Gone => Ok(()),
        };
    }

    fn registered(&mut self) -> io::Result<&UnixStream> {
        if let Self::Fresh(_) = self
            && let Self::Fresh(socket) = std::mem::replace(self, Self::Gone)
        {
            *self = Self::Registered(watched(socket)?);
        }
        match self {
            Self::Registered(socket) => Ok(socket),
            Self::Fresh(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Registers a socket with the reactor, to wait until it is ready.
///
/// Of whichever family: tokio has a safe way to wait for sockets of these types alone, and waiting is the same for all.
/// What is then done with the socket is done by calls of its own.
pub(crate) fn watched(socket: OwnedFd) -> io::Result<UnixStream> {
    let socket = net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
