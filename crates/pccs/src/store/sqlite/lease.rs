//! A lease among the processes that use one file: a lock on a small file beside it, which ends with its process.
//!
//! Must stay true: only what lies at the path counts. Who locked a file that was removed meanwhile has nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use super::super::{Lease, StoreError};

/// How often another one may remove the file between opening and locking it.
const ATTEMPTS: usize = 16;

/// A locked file; removed when dropped.
#[derive(Debug)]
pub(super) struct FileLease {
    path: PathBuf,
    _locked: File,
}

impl Lease for FileLease {}

impl FileLease {
    /// Takes the lease on `what` among the users of a database, if nobody has it.
    pub(super) fn try_take(database: &Path, what: &str) -> Result<Option<Self>, StoreError> {
        let mut folder = database.as_os_str().to_owned();
        folder.push("-leases");
        let folder = PathBuf::from(folder);
        let name = HEXLOWER.encode(&Sha256::digest(what));
        lock(database, &folder, &folder.join(name))
            .map_err(|fault| StoreError::Unwritable(format!("{}: {fault}", folder.display())))
    }
}

impl Drop for FileLease {
    fn drop(&mut self) {
        // Still locked: whoever opened it already finds, once it has the lock, that it is gone. One that is left
        // over does no harm: it belongs to whoever has the database.
        let _ = fs::remove_file(&self.path);
    }
}

/// Gives what root has just made to whoever has the database, as SQLite does with its files.
fn give_to_owner_of(database: &Path, made: &File) -> io::Result<()> {
    let database = fs::metadata(database)?;
    match geteuid().is_root() && database.uid() != 0 {
        true => fchown(made, Some(database.uid()), Some(database.gid())),
        false => Ok(()),
    }
}

fn make_folder(database: &Path, folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(folder) {
        Ok(()) => {
            // Nothing that was put in its place meanwhile is given away.
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::open(folder, flags, Mode::empty())?;
            give_to_owner_of(database, &File::from(made))
        }
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn open(database: &Path, path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Ok(made) => give_to_owner_of(database, &made).map(|()| made),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)
        }
        Err(fault) => Err(fault),
    }
}

fn lock(database: &Path, folder: &Path, path: &Path) -> io::Result<Option<FileLease>> {
    make_folder(database, folder)?;
    for _ in 0..ATTEMPTS {
        let file = open(database, path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            other => other?,
        }
        let locked = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => {
                return Ok(Some(FileLease { path: path.into(), _locked: file }));
            }
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
    }
    Ok(None)
}
