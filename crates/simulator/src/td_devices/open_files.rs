//! The files that are open: what each has read and what was written through it.
//!
//! Source: Linux `fs/configfs/file.c`.
//! Must stay true: what is written through one opening is taken as a whole and counts once, however many processes have
//! it open; a file that was read goes on in what its first read found.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{Errno, FileHandle, OpenAccMode};

use super::nodes::Node;
use super::tree::{Commit, Content, IN_BLOB_BYTES};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    files: Mutex<HashMap<u64, OpenFile>>,
    opened: AtomicU64,
}

#[derive(Debug)]
struct OpenFile {
    node: Node,
    /// What its first read found.
    snapshot: Option<Content>,
    written: Vec<u8>,
    /// How many bytes of that the tree has.
    taken: usize,
}

impl OpenFiles {
    /// Opens a file if its mode lets anybody: configfs and sysfs refuse root as well.
    pub(super) fn open(&self, node: Node, access: OpenAccMode) -> Result<FileHandle, Errno> {
        let (reads, writes) = match access {
            OpenAccMode::O_RDONLY => (true, false),
            OpenAccMode::O_WRONLY => (false, true),
            OpenAccMode::O_RDWR => (true, true),
        };
        let mode = node.kind.mode();
        if (reads && mode & 0o444 == 0) || (writes && mode & 0o222 == 0) {
            return Err(Errno::EACCES);
        }
        let handle = self.opened.fetch_add(1, Ordering::Relaxed);
        let file = OpenFile { node, snapshot: None, written: Vec::new(), taken: 0 };
        self.locked().insert(handle, file);
        Ok(FileHandle(handle))
    }

    pub(super) fn close(&self, handle: FileHandle) {
        self.locked().remove(&handle.0);
    }

    /// What it is, and what an earlier read of it found.
    pub(super) fn find(&self, handle: FileHandle) -> Result<(Node, Option<Content>), Errno> {
        let files = self.locked();
        files.get(&handle.0).map(|it| (it.node, it.snapshot.clone())).ok_or(Errno::EBADF)
    }

    /// Lets later reads go on in this.
    pub(super) fn keep(&self, handle: FileHandle, content: &Content) {
        if let Some(file) = self.locked().get_mut(&handle.0) {
            file.snapshot = Some(Arc::clone(content));
        }
    }

    /// Adds to what was written.
    pub(super) fn append(&self, handle: FileHandle, data: &[u8]) -> Result<(), Errno> {
        let mut files = self.locked();
        let file = files.get_mut(&handle.0).ok_or(Errno::EBADF)?;
        if file.written.len().saturating_add(data.len()) > IN_BLOB_BYTES {
            return Err(Errno::EFBIG);
        }
        file.written.extend_from_slice(data);
        Ok(())
    }

    /// What the tree has to take, and of which entry.
    ///
    /// The kernel takes it when the last who has the file closes it. Nobody would wait for us until then, so the tree takes
    /// it each time that somebody closes it, and counts it the first time.
    pub(super) fn take(&self, handle: FileHandle) -> Option<(u64, Commit)> {
        let mut files = self.locked();
        let file = files.get_mut(&handle.0)?;
        let in_blob = file.written.clone();
        let commit = match file.taken {
            taken if taken == in_blob.len() => return None,
            0 => Commit::First(in_blob),
            _ => Commit::Longer(in_blob),
        };
        file.taken = file.written.len();
        Some((file.node.entry, commit))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, OpenFile>> {
        // What stands under this lock is whole after each statement.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
