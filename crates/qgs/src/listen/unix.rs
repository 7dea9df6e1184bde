//! A Unix socket with its file: made with its permissions before anybody can see it, put in the place of a stale one.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::geteuid;

use super::private_folder::PrivateFolder;
use super::{Address, ListenError};

/// The group of Intel's package, which QEMU's user is in.
const INTELS_GROUP: &str = "qgsd";

/// Which socket, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSettings {
    /// Its path. Its folder is made if it is not there.
    pub path: PathBuf,
    /// The mode of the file.
    pub mode: u32,
    /// The group that it belongs to. `None` is `qgsd` if root makes it and there is such a group, else the process's.
    pub group: Option<String>,
}

impl Default for UnixSettings {
    /// As Intel's daemon has it: QEMU and libvirt look there.
    fn default() -> Self {
        Self { path: "/run/tdx-qgs/qgs.socket".into(), mode: 0o660, group: None }
    }
}

impl UnixSettings {
    /// The id of the group that the socket is to have; `None` is the process's own.
    ///
    /// # Errors
    /// [`ListenError::NoGroup`], or that the groups of the system cannot be read.
    pub fn group_id(&self) -> Result<Option<u32>, ListenError> {
        let refused =
            |fault| ListenError::System { address: Address::Unix(self.path.clone()), fault };
        match &self.group {
            Some(name) => {
                let id = group_id(name).map_err(refused)?;
                let (path, group) = (self.path.clone(), name.clone());
                Ok(Some(id.ok_or(ListenError::NoGroup { path, group })?))
            }
            // Root can give it to those whom Intel's package means; anybody else has their own group.
            None if geteuid().is_root() => group_id(INTELS_GROUP).map_err(refused),
            None => Ok(None),
        }
    }
}

/// The file of a socket. It is removed when this is dropped, if it is still the same.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // If it cannot be removed, the next service finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a socket and puts its file in place.
pub(super) fn bind(settings: &UnixSettings) -> Result<(UnixListener, SocketFile), ListenError> {
    let path = &settings.path;
    let refused = |fault| ListenError::System { address: Address::Unix(path.clone()), fault };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    make_folder(folder.unwrap_or(Path::new("."))).map_err(refused)?;
    // One at a time: two that start at once would each find the other's socket stale.
    let private = PrivateFolder::beside(path).map_err(|fault| match fault.kind() {
        io::ErrorKind::WouldBlock => ListenError::Starting(path.clone()),
        _ => refused(fault),
    })?;
    refuse_live(path)?;
    let group = settings.group_id()?;
    let socket = UnixListener::bind(private.socket()).map_err(refused)?;
    let identity = private.dress(group, settings.mode).map_err(refused)?;
    private.move_to(path).map_err(refused)?;
    Ok((socket, SocketFile { path: path.clone(), identity }))
}

/// Makes the folder, open to all who may use a socket in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(fault) => return Err(fault),
    }
    // Not by its name, which might be a link by now.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::open(folder, flags, Mode::empty())?;
    if rustix::fs::fstat(&made)?.st_uid != geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?)
}

/// Refuses a path where somebody answers, or may: only what certainly nobody uses is replaced.
fn refuse_live(path: &Path) -> Result<(), ListenError> {
    let refused = |fault| ListenError::System { address: Address::Unix(path.into()), fault };
    match fs::symlink_metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(refused(fault)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NoSocket(path.into()));
        }
        Ok(_) => {}
    }
    match connect(path) {
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        // Answering, full, or not ours to ask.
        _ => Err(ListenError::InUse(path.into())),
    }
}

/// Connects to a Unix socket without waiting for who listens there.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] when somebody listens there who takes no connections.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (flags, address) =
        (SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, SocketAddrUnix::new(path)?);
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Err(Errno::AGAIN) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "somebody listens there, and takes no connections",
        )),
        connected => {
            connected?;
            let stream = UnixStream::from(socket);
            stream.set_nonblocking(false)?;
            Ok(stream)
        }
    }
}

/// The id of a group: of /etc/group, or a number.
fn group_id(name: &str) -> io::Result<Option<u32>> {
    if let Ok(number) = name.parse() {
        // The last number means "leave it as it is" to the kernel.
        return Ok(Some(number).filter(|number| *number != u32::MAX));
    }
    let groups = fs::read_to_string("/etc/group")?;
    Ok(groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        found.then(|| fields.nth(1)).flatten()?.parse().ok()
    }))
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn settings(folder: &Path) -> UnixSettings {
        UnixSettings { path: folder.join("new/qgs.socket"), mode: 0o600, group: None }
    }

    #[test]
    fn the_file_has_its_mode_and_goes_with_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let (_socket, file) = bind(&settings).unwrap();
        let mode = fs::metadata(&settings.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
        drop(file);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        fs::create_dir(folder.path().join("new")).unwrap();
        // A service that was killed leaves its file.
        drop(UnixListener::bind(&settings.path).unwrap());
        let (socket, _file) = bind(&settings).unwrap();
        assert!(matches!(bind(&settings), Err(ListenError::InUse(_))));
        UnixStream::connect(&settings.path).unwrap();
        assert!(socket.accept().is_ok());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = UnixSettings { path: folder.path().join("file"), ..settings(folder.path()) };
        fs::write(&settings.path, "precious").unwrap();
        assert!(matches!(bind(&settings), Err(ListenError::NoSocket(_))));
        assert_eq!(fs::read(&settings.path).unwrap(), b"precious");
    }

    #[test]
    fn a_successor_keeps_its_file_when_the_predecessor_goes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let (socket, old) = bind(&settings).unwrap();
        drop(socket);
        let (_socket, _new) = bind(&settings).unwrap();
        drop(old);
        assert!(settings.path.exists());
    }

    #[test]
    fn an_unknown_group_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            UnixSettings { group: Some("no-such-group".into()), ..settings(folder.path()) };
        assert!(matches!(bind(&settings), Err(ListenError::NoGroup { .. })));
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn a_link_that_is_planted_where_the_socket_is_made_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            UnixSettings { path: folder.path().join("socket"), ..settings(folder.path()) };
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&target, folder.path().join(".socket.new")).unwrap();
        assert!(matches!(bind(&settings), Err(ListenError::System { .. })));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        assert!(!settings.path.exists());
    }

    #[test]
    fn what_others_may_enter_is_no_place_to_make_a_socket_in() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            UnixSettings { path: folder.path().join("socket"), ..settings(folder.path()) };
        let planted = folder.path().join(".socket.new");
        fs::create_dir(&planted).unwrap();
        for (mode, fits) in [(0o755, false), (0o700, true)] {
            fs::set_permissions(&planted, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(bind(&settings).is_ok(), fits, "{mode:o}");
        }
    }

    #[test]
    fn one_that_starts_does_not_wait_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            UnixSettings { path: folder.path().join("socket"), ..settings(folder.path()) };
        let other = PrivateFolder::beside(&settings.path).unwrap();
        assert!(matches!(bind(&settings), Err(ListenError::Starting(_))));
        drop(other);
        assert!(bind(&settings).is_ok());
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_in_use_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            UnixSettings { path: folder.path().join("socket"), ..settings(folder.path()) };
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&settings.path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match connect(&settings.path) {
                Ok(stream) => waiting.push(stream),
                Err(fault) => break fault,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(matches!(bind(&settings), Err(ListenError::InUse(_))));
    }
}
