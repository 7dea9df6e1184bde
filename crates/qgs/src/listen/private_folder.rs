//! A folder in which a socket is made, and which nobody else can write or lock.
//!
//! The folder of the socket may belong to the service's user while root starts the service. So what root changes is
//! named within this one, by its descriptor: no link that somebody plants leads anywhere else.
//!
//! Must stay true: it has been seen to be ours before anything in it is changed; it is there for as long as it is locked.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The name of the socket in it: a short one, as there is little room in an address.
const SOCKET: &str = "s";

/// The folder. With this it goes, and what is in it.
pub(super) struct PrivateFolder {
    path: PathBuf,
    folder: OwnedFd,
}

impl PrivateFolder {
    /// Makes it beside where the socket will be, or takes what one that was killed has left. `WouldBlock` if another
    /// holds it.
    pub(super) fn beside(socket: &Path) -> io::Result<Self> {
        let mut name = std::ffi::OsString::from(".");
        name.push(socket.file_name().unwrap_or_default());
        name.push(".new");
        let path = socket.with_file_name(name);
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|fault| match fault {
                Errno::LOOP | Errno::NOTDIR | Errno::ACCESS => strange(&path),
                fault => fault.into(),
            })?;
        let found = rustix::fs::fstat(&folder)?;
        if found.st_uid != geteuid().as_raw() || found.st_mode & 0o077 != 0 {
            return Err(strange(&path));
        }
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        // Who held it before has removed it: the lock is of a folder that has no name.
        if !is_at(&path, &found) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let made = Self { path, folder };
        made.remove_socket()?;
        Ok(made)
    }

    /// Where the socket is to be bound.
    pub(super) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Gives the file of the socket its group and its mode; its identity.
    pub(super) fn dress(&self, group: Option<u32>, mode: u32) -> io::Result<(u64, u64)> {
        if let Some(group) = group {
            let group = Some(rustix::fs::Gid::from_raw(group));
            rustix::fs::chownat(&self.folder, SOCKET, None, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::chmodat(&self.folder, SOCKET, Mode::from_raw_mode(mode), AtFlags::empty())?;
        let found = rustix::fs::statat(&self.folder, SOCKET, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((found.st_dev, found.st_ino))
    }

    /// Puts the file of the socket in its place.
    pub(super) fn move_to(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.folder, SOCKET, CWD, path)?)
    }

    fn remove_socket(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, SOCKET, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // While it is still locked. What cannot be removed, the next service takes over.
        let _ = self.remove_socket();
        let _ = fs::remove_dir(&self.path);
    }
}

/// Whether a path names what was found.
fn is_at(path: &Path, found: &Stat) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (found.st_dev, found.st_ino))
}

fn strange(path: &Path) -> io::Error {
    io::Error::other(format!("{} is no folder of this user's alone: remove it", path.display()))
}
