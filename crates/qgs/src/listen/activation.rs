//! Sockets that systemd has opened and passes on.
//!
//! Source: sd_listen_fds(3). A number in the environment is no proof that the descriptor is ours to close: the kernel is
//! asked for a duplicate of each, and what stays behind is closed when a program is executed.

use std::io;
use std::os::unix::net::UnixListener;

use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};
use rustix::process::{ForeignRawFd, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use vsock::VsockListener;

use super::{Address, ListenError, Listener, Socket};

/// The sockets that were passed to this process; none if it was not started by a socket.
///
/// # Errors
/// When one is no listening Unix or vsock socket.
pub fn inherited() -> Result<Vec<Listener>, ListenError> {
    let numbers = sd_notify::listen_fds().map_err(ListenError::Inherited)?;
    numbers.map(adopt).collect()
}

fn adopt(number: ForeignRawFd) -> Result<Listener, ListenError> {
    let system = |fault: rustix::io::Errno| ListenError::Inherited(fault.into());
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(system)?;
    let socket = pidfd_getfd(own, number, PidfdGetfdFlags::empty()).map_err(system)?;
    let kind = |text: &str| {
        let text = format!("descriptor {number} {text}");
        ListenError::Inherited(io::Error::new(io::ErrorKind::InvalidInput, text))
    };
    if !socket_acceptconn(&socket).map_err(system)? {
        return Err(kind("does not listen"));
    }
    match socket_domain(&socket).map_err(system)? {
        AddressFamily::UNIX => {
            let socket = UnixListener::from(socket);
            let path = socket.local_addr().ok().and_then(|at| at.as_pathname().map(Into::into));
            Listener::ready(Socket::Unix(socket), Address::Unix(path.unwrap_or_default()), None)
        }
        AddressFamily::VSOCK => {
            let socket = VsockListener::from(socket);
            let port = socket.local_addr().map_err(ListenError::Inherited)?.port();
            Listener::ready(Socket::Vsock(socket), Address::Vsock(port), None)
        }
        _ => Err(kind("is neither a Unix nor a vsock socket")),
    }
}
