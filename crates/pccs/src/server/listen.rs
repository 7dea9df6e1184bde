//! The ways in: addresses, Unix sockets, and what systemd has opened.
//!
//! Must stay true: plain HTTP is spoken where its name was said and nobody else can listen, or where that was accepted by name.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Who may open a Unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// HTTPS: `127.0.0.1:8081`, or `https://127.0.0.1:8081`.
    Https(SocketAddr),
    /// HTTP that anybody on the way can read and change: `http://127.0.0.1:8080`.
    PlainHttp(SocketAddr),
    /// HTTP over a Unix socket: `unix:/run/tdattest-pccs/http.socket`.
    Unix(PathBuf),
}

impl ListenAt {
    /// Whether a stranger could listen to what is said there.
    pub fn is_exposed(&self) -> bool {
        matches!(self, Self::PlainHttp(address) if !address.ip().is_loopback())
    }
}

impl FromStr for ListenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let (plain, address) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(address), _) => (true, address),
            (None, Some(address)) => (false, address),
            (None, None) => (false, text),
        };
        let address = address.parse().map_err(|_| {
            let found = text.escape_debug();
            format!("`{found}`, expected HOST:PORT in numbers, http://HOST:PORT or unix:PATH, such as 127.0.0.1:8081")
        })?;
        Ok(if plain { Self::PlainHttp(address) } else { Self::Https(address) })
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(address) => write!(f, "https://{address}"),
            Self::PlainHttp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why there is no listening at a place.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system does not let us.
    #[error("cannot listen at {at}: {fault}")]
    System {
        /// Where.
        at: String,
        /// What the system says.
        fault: io::Error,
    },
    /// Somebody else does.
    #[error("somebody else listens at {0}")]
    InUse(String),
    /// What systemd has passed on cannot be used.
    #[error("a socket that systemd has opened cannot be used: {0}")]
    Inherited(io::Error),
}

/// Somewhere to listen, open.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    at: ListenAt,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Starts to listen. A Unix socket that nobody listens at any more is replaced.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(at: &ListenAt) -> Result<Self, ListenError> {
        match at {
            ListenAt::Https(address) | ListenAt::PlainHttp(address) => {
                let socket = TcpListener::bind(address).map_err(|fault| refused(at, fault))?;
                let plain = matches!(at, ListenAt::PlainHttp(_));
                Self::tcp(socket, plain).map_err(|fault| refused(at, fault))
            }
            ListenAt::Unix(path) => unix(path, at),
        }
    }

    /// The sockets that were passed to this process; none if it was not started by a socket. Those with an address
    /// speak HTTPS, those with a path plain HTTP.
    ///
    /// Source: sd_listen_fds(3). The kernel is asked for a duplicate of each: a number in the environment is no proof
    /// that the descriptor is ours to close.
    ///
    /// # Errors
    /// When one is no listening socket of a kind that is known here.
    pub fn inherited() -> Result<Vec<Self>, ListenError> {
        let numbers = sd_notify::listen_fds().map_err(ListenError::Inherited)?;
        if numbers.len() == 0 {
            // Nothing is asked of the kernel that it need not have: pidfds are there since Linux 5.3.
            return Ok(Vec::new());
        }
        let own = pidfd_open(getpid(), PidfdFlags::empty());
        let own = own.map_err(|fault| ListenError::Inherited(fault.into()))?;
        let adopt = |number| {
            let socket = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?;
            adopted(socket)
        };
        numbers.map(adopt).collect::<io::Result<_>>().map_err(ListenError::Inherited)
    }

    /// Where it listens: the port that the system has chosen, where the port was 0.
    pub fn at(&self) -> &ListenAt {
        &self.at
    }

    fn tcp(socket: TcpListener, plain: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let at = if plain { ListenAt::PlainHttp(address) } else { ListenAt::Https(address) };
        Ok(Self { socket: Socket::Tcp(socket), at, _file: None })
    }
}

fn adopted(socket: OwnedFd) -> io::Result<Listener> {
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
    if !socket_acceptconn(&socket)? {
        return Err(wrong("it does not listen"));
    }
    match socket_domain(&socket)? {
        AddressFamily::UNIX => {
            let socket = UnixListener::from(socket);
            socket.set_nonblocking(true)?;
            let path = socket.local_addr()?.as_pathname().map(Into::into).unwrap_or_default();
            Ok(Listener { socket: Socket::Unix(socket), at: ListenAt::Unix(path), _file: None })
        }
        AddressFamily::INET | AddressFamily::INET6 => {
            Listener::tcp(TcpListener::from(socket), false)
        }
        _ => Err(wrong("it is neither a TCP nor a Unix socket")),
    }
}

fn unix(path: &Path, at: &ListenAt) -> Result<Listener, ListenError> {
    let system = |fault| refused(at, fault);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(system(io::Error::other("there is a file that is no socket")));
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(system)?;
            }
            _ => return Err(ListenError::InUse(at.to_string())),
        },
        Err(_) => {}
    }
    let socket = UnixListener::bind(path).map_err(system)?;
    let file = SocketFile(path.into());
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(system)?;
    socket.set_nonblocking(true).map_err(system)?;
    Ok(Listener { socket: Socket::Unix(socket), at: at.clone(), _file: Some(file) })
}

fn refused(at: &ListenAt, fault: io::Error) -> ListenError {
    match fault.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(at.to_string()),
        _ => ListenError::System { at: at.to_string(), fault },
    }
}

/// The file of a socket, removed with it.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What cannot be removed, the next service finds stale.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_spoken_there() {
        let address = "127.0.0.1:8081".parse().unwrap();
        for (text, at) in [
            ("127.0.0.1:8081", ListenAt::Https(address)),
            ("https://127.0.0.1:8081", ListenAt::Https(address)),
            ("http://127.0.0.1:8081", ListenAt::PlainHttp(address)),
            ("unix:/run/a", ListenAt::Unix("/run/a".into())),
        ] {
            assert_eq!(text.parse(), Ok(at), "{text}");
        }
        for text in ["", "8081", "localhost:8081", "unix:", "ftp://127.0.0.1:1", "127.0.0.1"] {
            assert!(text.parse::<ListenAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_exposed_where_others_are_on_the_way() {
        for (text, exposed) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://0.0.0.0:1", true),
            ("http://192.0.2.1:1", true),
            ("0.0.0.0:1", false),
            ("unix:/run/a", false),
        ] {
            assert_eq!(text.parse::<ListenAt>().unwrap().is_exposed(), exposed, "{text}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = ListenAt::Unix(folder.path().join("http.socket"));
        drop(UnixListener::bind(folder.path().join("http.socket")).unwrap());
        let listener = Listener::open(&at).unwrap();
        assert!(matches!(Listener::open(&at), Err(ListenError::InUse(_))));
        drop(listener);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            Listener::open(&ListenAt::Unix(path.clone())),
            Err(ListenError::System { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
