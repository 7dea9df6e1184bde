//! Where the PCS listens: a TCP address, or the path of a Unix socket.
//!
//! Must stay true: a socket file is removed by the server that made it, and by no other.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::StartError;

/// A TCP address or a Unix socket. As text: `127.0.0.1:8081`, where port 0 is any free one, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address to listen at, expected numbers such as 127.0.0.1:8081 (names are not looked up), or unix:PATH"
)]
pub struct InvalidAddress(pub String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddress(text.into());
        match text.strip_prefix("unix:") {
            Some("") => Err(invalid()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| invalid()),
        }
    }
}

/// What accepts connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// One connection, whatever it runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// The file of a Unix socket, gone when this is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another one under its name belongs to another server.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.into(), identity: identity(path) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // It is being removed by hand, or cannot be: there is nobody left to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// What listening yields: a listener, where it really listens, and the file to remove.
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: Address,
    pub(super) socket_file: Option<SocketFile>,
}

/// Starts to listen. Runs in the context of a runtime.
pub(super) fn bind(address: &Address) -> Result<Bound, StartError> {
    match address {
        Address::Tcp(asked) => bind_tcp(*asked).map_err(|fault| StartError::at(address, fault)),
        Address::Unix(path) => bind_unix(path).map_err(|fault| StartError::at(address, fault)),
    }
}

fn bind_tcp(asked: SocketAddr) -> io::Result<Bound> {
    let listener = std::net::TcpListener::bind(asked)?;
    listener.set_nonblocking(true)?;
    let address = Address::Tcp(listener.local_addr()?);
    let listener = Listener::Tcp(TcpListener::from_std(listener)?);
    Ok(Bound { listener, address, socket_file: None })
}

#[cfg(unix)]
fn bind_unix(path: &Path) -> io::Result<Bound> {
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    // From here on, whatever goes wrong removes the file.
    let socket_file = Some(SocketFile::of(path));
    listener.set_nonblocking(true)?;
    let listener = Listener::Unix(UnixListener::from_std(listener)?);
    Ok(Bound { listener, address: Address::Unix(path.into()), socket_file })
}

#[cfg(not(unix))]
fn bind_unix(_: &Path) -> io::Result<Bound> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no Unix sockets on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        for text in ["127.0.0.1:8081", "[::1]:0", "unix:pcs.sock", "unix:/run/pcs.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_a_text_that_is_no_address() {
        for text in ["", "8081", "127.0.0.1", "localhost:8081", "unix:", "/run/pcs.sock"] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress(text.into())));
        }
    }
}
