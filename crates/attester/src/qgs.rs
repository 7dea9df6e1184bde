//! A quote from the host's Quote Generation Service, over vsock or a Unix socket.
//!
//! Source: Intel DCAP, `qgs_msg_lib`; `tdattest_wire::qgs` has the messages.
//! Must stay true: the request goes out in one write, for services that read it in one; the answer is read exactly,
//! however it is split, and nothing waits beyond the deadline, connecting and signals without end included.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with,
};
use tdattest_wire::qgs::{self, NoAnswer, PREFIX_BYTES, QuoteResponse, Request};
use vsock::VsockStream;

use crate::aside;
use crate::deadline::Deadline;
use crate::error::{Hop, ProviderError};

/// Where a QGS listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// On the host, or wherever the CID says: 2 is the host.
    Vsock {
        /// The context id.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// On this machine: a QGS in the same system, or a socket passed into a container.
    Unix(PathBuf),
}

impl Endpoint {
    /// The host's CID.
    pub const HOST: u32 = 2;
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Sends a TDREPORT and returns the quote that the service makes of it.
pub(crate) fn quote(
    endpoint: &Endpoint,
    report: &[u8],
    deadline: &Deadline,
) -> Result<Vec<u8>, ProviderError> {
    let mut connection = Connection::open(endpoint, deadline)?;
    connection.send(&Request::Quote { report, id_list: &[] }.write())?;
    let answer = connection.receive()?;
    match QuoteResponse::parse(&answer) {
        Ok(response) => Ok(response.quote.to_vec()),
        Err(fault) => Err(ProviderError::Qgs(fault)),
    }
}

/// A stream whose waiting can be bounded.
trait Stream: Read + Write + Send {
    fn bound(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn bound(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
}

impl Stream for VsockStream {
    fn bound(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
}

struct Connection<'d> {
    stream: Box<dyn Stream>,
    deadline: &'d Deadline,
}

impl<'d> Connection<'d> {
    fn open(endpoint: &Endpoint, deadline: &'d Deadline) -> Result<Self, ProviderError> {
        let (place, end) = (endpoint.clone(), *deadline);
        Self::open_by(endpoint, deadline, move || connect(&place, &end))
    }

    /// Opens by a call that may wait for longer: a host that drops packets is waited for by the kernel as it likes.
    fn open_by(
        endpoint: &Endpoint,
        deadline: &'d Deadline,
        connect: impl FnOnce() -> io::Result<Box<dyn Stream>> + Send + 'static,
    ) -> Result<Self, ProviderError> {
        let connected = aside::within(deadline, connect).and_then(|connected| connected);
        let stream = connected.map_err(|fault| match (endpoint, fault.raw_os_error()) {
            (_, None) if fault.kind() == io::ErrorKind::TimedOut => {
                timed_out(Hop::Connect, deadline)
            }
            // The backlog is full, and nobody accepts.
            (Endpoint::Unix(_), _) if fault.kind() == io::ErrorKind::WouldBlock => {
                timed_out(Hop::Connect, deadline)
            }
            (Endpoint::Unix(path), _) if fault.kind() == io::ErrorKind::PermissionDenied => {
                ProviderError::Permission(path.clone())
            }
            // Among them the kernel's own patience with vsock, 2 s.
            _ => ProviderError::Io { hop: Hop::Connect, fault: format!("{endpoint}: {fault}") },
        })?;
        Ok(Self { stream, deadline })
    }

    /// Limits the next wait to what is left.
    fn bound(&self, hop: Hop) -> Result<(), ProviderError> {
        let left = self.deadline.left().ok_or_else(|| timed_out(hop, self.deadline))?;
        let bounded = self.stream.bound(left);
        bounded.map_err(|fault| ProviderError::Io { hop, fault: fault.to_string() })
    }

    /// A fault after `received` bytes of those `expected`.
    fn fault(
        &self,
        hop: Hop,
        fault: &io::Error,
        (received, expected): (usize, usize),
    ) -> ProviderError {
        match fault.kind() {
            _ if is_timeout(fault) => timed_out(hop, self.deadline),
            // How the system says that the other side has gone, if it went without reading everything.
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                ProviderError::ClosedEarly { received, expected }
            }
            _ => ProviderError::Io { hop, fault: fault.to_string() },
        }
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ProviderError> {
        let mut rest = frame;
        while !rest.is_empty() {
            self.bound(Hop::Send)?;
            // One write takes it whole: no socket buffer is that small.
            match self.stream.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(self.fault(Hop::Send, &fault, (0, PREFIX_BYTES))),
            }
        }
        Ok(())
    }

    /// The message after its prefix.
    fn receive(&mut self) -> Result<Vec<u8>, ProviderError> {
        let mut prefix = [0; PREFIX_BYTES];
        self.fill(&mut prefix)?;
        let length = qgs::message_length(prefix)
            .map_err(|fault| ProviderError::Qgs(NoAnswer::Malformed(fault)))?;
        let mut message = vec![0; length];
        self.fill(&mut message)?;
        Ok(message)
    }

    /// Fills a buffer from however many pieces.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ProviderError> {
        let (mut received, expected) = (0, buffer.len());
        while let Some(rest) = buffer.get_mut(received..).filter(|rest| !rest.is_empty()) {
            self.bound(Hop::Receive)?;
            match self.stream.read(rest) {
                Ok(0) => return Err(ProviderError::ClosedEarly { received, expected }),
                Ok(count) => received = received.saturating_add(count),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(self.fault(Hop::Receive, &fault, (received, expected))),
            }
        }
        Ok(())
    }
}

fn connect(endpoint: &Endpoint, deadline: &Deadline) -> io::Result<Box<dyn Stream>> {
    deadline.uninterrupted(|| match endpoint {
        Endpoint::Vsock { cid, port } => {
            Ok(Box::new(VsockStream::connect_with_cid_port(*cid, *port)?) as Box<dyn Stream>)
        }
        Endpoint::Unix(path) => Ok(Box::new(connect_unix(path, deadline)?)),
    })
}

/// Connects with a limit: a full backlog would else be waited for without end.
fn connect_unix(path: &Path, deadline: &Deadline) -> io::Result<UnixStream> {
    let left = deadline.left().ok_or(io::ErrorKind::TimedOut)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    connect_to(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn is_timeout(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn timed_out(hop: Hop, deadline: &Deadline) -> ProviderError {
    ProviderError::Deadline { hop, allowed: deadline.allowed() }
}

#[cfg(test)]
mod tests;
