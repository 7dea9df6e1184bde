//! The tree as a FUSE file system.
//!
//! Source: Linux `fs/configfs/file.c`, `fs/fuse/`.
//! Must stay true: nothing is cached by the kernel; `inblob` is taken in FLUSH, which the closing program waits for;
//! modes hold for root as well; no thread that serves the kernel waits for a quote.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, IoctlFlags, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use tdattest_wire::bytes::ReportData;

use super::host::Asker;
use super::nodes::{Kind, Node};
use super::open_files::OpenFiles;
use super::tree::{Content, Tree};

/// The kernel asks anew each time.
const NEVER_CACHED: Duration = Duration::ZERO;

/// TDX_CMD_GET_REPORT0.
const GET_REPORT0: u32 = 0xc440_5401;

#[derive(Debug)]
pub(super) struct FileSystem {
    tree: Arc<Tree>,
    open: Arc<OpenFiles>,
    /// Whose the files are: root's on a TD, here whoever mounts them.
    owner: (u32, u32),
}

impl FileSystem {
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { tree, open: Arc::default(), owner }
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

    fn open_file(&self, node: Node, flags: OpenFlags) -> Result<(FileHandle, FopenFlags), Errno> {
        let handle = self.open.open(node, flags.acc_mode())?;
        let flags = match node.kind {
            // Binary attributes of configfs know no positions.
            Kind::InBlob | Kind::OutBlob => {
                FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NONSEEKABLE
            }
            _ => FopenFlags::FOPEN_DIRECT_IO,
        };
        Ok((handle, flags))
    }

    fn write_file(&self, handle: FileHandle, at: u64, data: &[u8]) -> Result<(), Errno> {
        let (node, _) = self.open.find(handle)?;
        match node.kind {
            Kind::Register(index) => self.tree.extend(index, at, data),
            Kind::InBlob if !self.tree.exists(node) => Err(Errno::ENOENT),
            Kind::InBlob => self.open.append(handle, data),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes what was written through an open file.
    fn commit(&self, handle: FileHandle) {
        if let Some((entry, commit)) = self.open.take(handle) {
            self.tree.commit(entry, commit);
        }
    }

    /// Reads a file that is not `outblob`.
    fn read_file(&self, node: Node, handle: FileHandle) -> Result<Content, Errno> {
        if node.kind == Kind::Device {
            return Err(Errno::EINVAL);
        }
        let content = self.tree.content(node)?;
        // Sysfs looks each time, configfs once for each opening.
        if matches!(node.kind, Kind::Provider | Kind::Generation) {
            self.open.keep(handle, &content);
        }
        Ok(content)
    }

    /// Answers a read of `outblob` from a thread of its own.
    fn read_quote(
        &self,
        entry: u64,
        handle: FileHandle,
        asker: Asker,
        (at, size): (u64, u32),
        reply: ReplyData,
    ) {
        let (tree, open) = (Arc::clone(&self.tree), Arc::clone(&self.open));
        let answer = move || match tree.quote(entry, asker) {
            Ok(quote) => {
                open.keep(handle, &quote);
                reply.data(part(&quote, at, size));
            }
            Err(fault) => reply.error(fault),
        };
        // Without a thread the reply is dropped, which says EIO.
        let _ = thread::Builder::new().name("outblob".into()).spawn(answer);
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

/// The part of a content that a read asks for.
fn part(content: &[u8], at: u64, size: u32) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let rest = content.get(at..).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    rest.get(..size).unwrap_or(rest)
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
        request: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = match self.open.find(handle) {
            Ok((_, Some(snapshot))) => Ok(snapshot),
            Ok((Node { kind: Kind::OutBlob, entry, .. }, None)) => {
                return self.read_quote(entry, handle, Asker(request.pid()), (at, size), reply);
            }
            Ok((node, None)) => self.read_file(node, handle),
            Err(fault) => Err(fault),
        };
        match read {
            Ok(content) => reply.data(part(&content, at, size)),
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
        self.open.close(handle);
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
