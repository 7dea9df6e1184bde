//! The tree as a FUSE file system.
//!
//! Source: Linux `fs/configfs/file.c`, `fs/fuse/`.
//! Must stay true: nothing is cached by the kernel; `inblob` is taken in FLUSH, which the closing program waits for;
//! modes hold for root as well; no thread that serves the kernel waits for a quote.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, IoctlFlags, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use tdattest_wire::bytes::ReportData;

use super::nodes::{Kind, Node};
use super::tree::{Content, IN_BLOB_BYTES, Tree};

/// The kernel asks anew each time.
const NEVER_CACHED: Duration = Duration::ZERO;

/// TDX_CMD_GET_REPORT0.
const GET_REPORT0: u32 = 0xc440_5401;

/// A file that is open.
#[derive(Debug)]
struct Open {
    node: Node,
    /// What its first read found: later ones go on in that.
    snapshot: Option<Content>,
    /// What was written and not yet taken.
    pending: Option<Vec<u8>>,
}

type OpenFiles = Arc<Mutex<HashMap<u64, Open>>>;

#[derive(Debug)]
pub(super) struct FileSystem {
    tree: Arc<Tree>,
    open: OpenFiles,
    opened: AtomicU64,
    /// Whose the files are: root's on a TD, here whoever mounts them.
    owner: (u32, u32),
}

impl FileSystem {
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { tree, open: OpenFiles::default(), opened: AtomicU64::new(1), owner }
    }

    fn node(&self, inode: INodeNo) -> Result<Node, Errno> {
        Node::of(inode.0).filter(|node| self.tree.exists(*node)).ok_or(Errno::ENOENT)
    }

    fn attributes(&self, node: Node) -> FileAttr {
        let size = match node.kind {
            Kind::EventLog => self.tree.event_log().ok().and_then(|log| log.len().try_into().ok()),
            kind => Some(kind.size()),
        };
        let (uid, gid) = self.owner;
        FileAttr {
            ino: INodeNo(node.inode),
            size: size.unwrap_or_default(),
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: node.kind.file_type(),
            perm: node.kind.mode(),
            nlink: 1,
            uid,
            gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    /// Opens a file if its mode lets anybody: configfs and sysfs refuse root as well.
    fn open_file(&self, node: Node, flags: OpenFlags) -> Result<(FileHandle, FopenFlags), Errno> {
        let wanted = match flags.acc_mode() {
            OpenAccMode::O_RDONLY => 0o444,
            OpenAccMode::O_WRONLY => 0o222,
            OpenAccMode::O_RDWR => 0o666,
        };
        let readable = wanted & 0o444 == 0 || node.kind.mode() & 0o444 != 0;
        let writable = wanted & 0o222 == 0 || node.kind.mode() & 0o222 != 0;
        if !readable || !writable {
            return Err(Errno::EACCES);
        }
        let handle = self.opened.fetch_add(1, Ordering::Relaxed);
        locked(&self.open).insert(handle, Open { node, snapshot: None, pending: None });
        let flags = match node.kind {
            // Binary attributes of configfs know no positions.
            Kind::InBlob | Kind::OutBlob => {
                FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NONSEEKABLE
            }
            _ => FopenFlags::FOPEN_DIRECT_IO,
        };
        Ok((FileHandle(handle), flags))
    }

    /// The node of an open file and what an earlier read of it found.
    fn opened(&self, handle: FileHandle) -> Result<(Node, Option<Content>), Errno> {
        let open = locked(&self.open);
        open.get(&handle.0).map(|it| (it.node, it.snapshot.clone())).ok_or(Errno::EBADF)
    }

    fn write_file(&self, handle: FileHandle, at: u64, data: &[u8]) -> Result<(), Errno> {
        let (node, _) = self.opened(handle)?;
        match node.kind {
            Kind::Register(index) => self.tree.extend(index, at, data),
            Kind::InBlob if !self.tree.exists(node) => Err(Errno::ENOENT),
            Kind::InBlob => {
                let mut open = locked(&self.open);
                let file = open.get_mut(&handle.0).ok_or(Errno::EBADF)?;
                let pending = file.pending.get_or_insert_default();
                if pending.len().saturating_add(data.len()) > IN_BLOB_BYTES {
                    return Err(Errno::EFBIG);
                }
                pending.extend_from_slice(data);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes what was written through an open file, once.
    fn commit(&self, handle: FileHandle) {
        let pending = locked(&self.open).get_mut(&handle.0).and_then(|file| {
            let entry = file.node.entry;
            file.pending.take().filter(|bytes| !bytes.is_empty()).map(|bytes| (entry, bytes))
        });
        if let Some((entry, bytes)) = pending {
            self.tree.commit(entry, bytes);
        }
    }

    fn get_report(&self, node: Node, command: u32, request: &[u8]) -> Result<Vec<u8>, Errno> {
        if node.kind != Kind::Device || command != GET_REPORT0 {
            return Err(Errno::ENOTTY);
        }
        let report_data = *request.first_chunk::<64>().ok_or(Errno::EFAULT)?;
        let report = self.tree.report(ReportData(report_data))?;
        Ok([report_data.as_slice(), &report].concat())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of a content that a read asks for.
fn part(content: &[u8], at: u64, size: u32) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let rest = content.get(at..).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    rest.get(..size).unwrap_or(rest)
}

/// Answers a read of `outblob` from a thread of its own.
fn read_quote(
    tree: Arc<Tree>,
    files: OpenFiles,
    handle: FileHandle,
    entry: u64,
    (at, size): (u64, u32),
    reply: ReplyData,
) {
    let answer = move || match tree.quote(entry) {
        Ok(quote) => {
            if let Some(file) = locked(&files).get_mut(&handle.0) {
                file.snapshot = Some(Arc::clone(&quote));
            }
            reply.data(part(&quote, at, size));
        }
        Err(fault) => reply.error(fault),
    };
    // Without a thread the reply is dropped, which says EIO.
    let _ = thread::Builder::new().name("outblob".into()).spawn(answer);
}

impl Filesystem for FileSystem {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = Node::of(parent.0).and_then(|folder| self.tree.child(folder, name));
        match found {
            Some(node) => reply.entry(&NEVER_CACHED, &self.attributes(node), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(inode) {
            Ok(node) => reply.attr(&NEVER_CACHED, &self.attributes(node)),
            Err(fault) => reply.error(fault),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if mode.is_some() || uid.is_some() || gid.is_some() {
            return reply.error(Errno::EPERM);
        }
        // Many programs truncate what they are about to write, and the kernel lets them.
        match self.node(inode) {
            Ok(node) => reply.attr(&NEVER_CACHED, &self.attributes(node)),
            Err(fault) => reply.error(fault),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.node(parent).and_then(|folder| self.tree.make(folder, name)) {
            Ok(node) => reply.entry(&NEVER_CACHED, &self.attributes(node), Generation(0)),
            Err(fault) => reply.error(fault),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.node(parent).and_then(|folder| self.tree.remove(folder, name)) {
            Ok(()) => reply.ok(),
            Err(fault) => reply.error(fault),
        }
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: INodeNo,
        _: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EPERM);
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.node(inode).and_then(|node| self.open_file(node, flags)) {
            Ok((handle, flags)) => reply.opened(handle, flags),
            Err(fault) => reply.error(fault),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let found = Node::of(parent.0).and_then(|folder| self.tree.child(folder, name));
        // Only a file that is there: no folder of the kernel's takes new ones.
        let Some(node) = found else { return reply.error(Errno::EACCES) };
        match self.open_file(node, OpenFlags(flags)) {
            Ok((handle, flags)) => {
                let attributes = self.attributes(node);
                reply.created(&NEVER_CACHED, &attributes, Generation(0), handle, flags);
            }
            Err(fault) => reply.error(fault),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let node = match self.opened(handle) {
            Ok((_, Some(snapshot))) => return reply.data(part(&snapshot, at, size)),
            Ok((node, None)) => node,
            Err(fault) => return reply.error(fault),
        };
        match node.kind {
            Kind::OutBlob => {
                let (tree, files) = (Arc::clone(&self.tree), Arc::clone(&self.open));
                return read_quote(tree, files, handle, node.entry, (at, size), reply);
            }
            Kind::Device => return reply.error(Errno::EINVAL),
            _ => {}
        }
        match self.tree.content(node) {
            Ok(content) => {
                let data = part(&content, at, size);
                // Sysfs looks each time, configfs once for each file that is open.
                if matches!(node.kind, Kind::Provider | Kind::Generation)
                    && let Some(file) = locked(&self.open).get_mut(&handle.0)
                {
                    file.snapshot = Some(Arc::clone(&content));
                }
                reply.data(data);
            }
            Err(fault) => reply.error(fault),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_file(handle, at, data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(fault) => reply.error(fault),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.commit(handle);
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.commit(handle);
        locked(&self.open).remove(&handle.0);
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        after: u64,
        mut reply: ReplyDirectory,
    ) {
        let folder = match self.node(inode) {
            Ok(folder) => folder,
            Err(fault) => return reply.error(fault),
        };
        // A place is a number that stays, whatever comes and goes meanwhile.
        let dots =
            [(1, inode.0, FileType::Directory, "."), (2, inode.0, FileType::Directory, "..")];
        let dots =
            dots.map(|(place, inode, kind, name)| (place, inode, kind, OsString::from(name)));
        let children = self.tree.children(folder).into_iter().map(|(name, node)| {
            (node.inode.saturating_add(2), node.inode, node.kind.file_type(), name)
        });
        for (place, inode, kind, name) in dots.into_iter().chain(children) {
            if place > after && reply.add(INodeNo(inode), place, kind, &name) {
                break;
            }
        }
        reply.ok();
    }

    fn ioctl(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        command: u32,
        request: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        match self.node(inode).and_then(|node| self.get_report(node, command, request)) {
            Ok(answer) => reply.ioctl(0, &answer),
            Err(fault) => reply.error(fault),
        }
    }
}
