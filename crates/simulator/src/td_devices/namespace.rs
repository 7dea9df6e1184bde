//! A process that sees the simulated devices where a TD has them, and nobody else does.
//!
//! Source: Linux `Documentation/filesystems/sharedsubtree.rst`, `user_namespaces(7)`.
//! Must stay true: nothing is made or mounted outside the new namespaces, so that all of it is gone with the processes
//! inside, however they end; the devices of a real TD are never hidden.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuser::{BackgroundSession, Session, SessionACL};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{getegid, geteuid};

use super::tree::Tree;
use super::{NAME, TdDevices, config};

/// What a real TD has, of which nothing may be hidden: all that is presented, as kernels of any age have it.
const OF_A_REAL_TD: [&str; 8] = [
    "/dev/tdx_guest",
    "/dev/tdx-guest",
    "/dev/tdx-attest",
    "/sys/kernel/config/tsm/report",
    "/sys/devices/virtual/misc/tdx_guest",
    "/sys/class/misc/tdx_guest",
    "/sys/firmware/acpi/tables/CCEL",
    "/sys/firmware/acpi/tables/data/CCEL",
];

/// What is presented, and whether it is a folder.
const PRESENTED: [(&str, bool); 4] = [
    ("dev/tdx_guest", false),
    ("sys/kernel/config/tsm/report", true),
    ("sys/devices/virtual/misc/tdx_guest/measurements", true),
    ("sys/firmware/acpi/tables/data/CCEL", false),
];

/// Where the whole file system is for the moment between mounting it and taking its parts.
const FOR_A_MOMENT: &str = "/sys";

/// Why there is no such place here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// Other threads run, and would stay outside.
    #[error("cannot enter a namespace while {0} threads run: all but one would stay outside")]
    Threads(usize),
    /// This is a TD, or the inside of a simulated one.
    #[error("{path} is there already: this is a TD, whose devices are not to be hidden", path = .0.display())]
    RealTd(PathBuf),
    /// No mount namespace, and no user namespace to make one in.
    #[error("this system lets this user make no user namespace: {0}")]
    UserNamespace(io::Error),
    /// No FUSE, or not for this user.
    #[error("FUSE cannot be used: /dev/fuse: {0}")]
    Fuse(io::Error),
    /// The system does not let the devices be presented.
    #[error("cannot mount the simulated devices: {path}: {fault}", path = path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// What the system says.
        fault: io::Error,
    },
}

impl NamespaceError {
    fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |fault| Self::Mount { path, fault }
    }
}

/// A mount namespace of this thread's own, and of the threads and processes that it starts. Not to be sent to another
/// thread, which may be elsewhere.
#[derive(Debug)]
pub struct Private(PhantomData<*const ()>);

/// The devices, presented in a [`Private`] namespace.
#[derive(Debug)]
pub struct Presented {
    _session: BackgroundSession,
    tree: Arc<Tree>,
}

impl Drop for Presented {
    fn drop(&mut self) {
        self.tree.stop();
    }
}

/// Moves this process into a mount namespace of its own; without the rights for that, into a user namespace as well, in
/// which this user is root.
///
/// # Errors
/// When other threads run, this is a TD, or the system has no such namespaces for this user. Whatever the error, nothing
/// that anybody else sees has changed; after [`NamespaceError::UserNamespace`] and [`NamespaceError::Mount`] the process
/// may have the namespace, in which nothing is mounted.
pub fn enter() -> Result<Private, NamespaceError> {
    require_one_thread()?;
    let real = OF_A_REAL_TD.iter().map(Path::new).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = real {
        return Err(NamespaceError::RealTd(path.into()));
    }
    // Told before anything changes.
    open_fuse()?;
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        enter_user_namespace().map_err(NamespaceError::UserNamespace)?;
    }
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).map_err(io::Error::from).map_err(NamespaceError::at("/"))?;
    Ok(Private(PhantomData))
}

/// Namespaces are a thread's: the kernel moves the caller alone, and into a user namespace none that has company.
fn require_one_thread() -> Result<(), NamespaceError> {
    const THREADS: &str = "/proc/self/task";
    match fs::read_dir(THREADS).map_err(NamespaceError::at(THREADS))?.count() {
        1 => Ok(()),
        count => Err(NamespaceError::Threads(count)),
    }
}

fn enter_user_namespace() -> io::Result<()> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    // Without this the kernel lets nobody map groups.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn open_fuse() -> Result<File, NamespaceError> {
    OpenOptions::new().read(true).write(true).open("/dev/fuse").map_err(NamespaceError::Fuse)
}

impl Private {
    /// Presents devices at the paths where a TD has them. What was beside them stays.
    ///
    /// # Errors
    /// When the system does not let them be mounted.
    pub fn present(&self, devices: &TdDevices) -> Result<Presented, NamespaceError> {
        let session = start(devices)?;
        let presented = Presented { _session: session, tree: Arc::clone(&devices.tree) };
        let taken: Result<Vec<OwnedFd>, _> = PRESENTED.iter().map(|(path, _)| take(path)).collect();
        let path = Path::new(FOR_A_MOMENT);
        unmount(path, UnmountFlags::DETACH)
            .map_err(|fault| NamespaceError::at(path)(fault.into()))?;
        for (part, (path, is_folder)) in taken?.iter().zip(PRESENTED) {
            let target = Path::new("/").join(path);
            put(part, &target, is_folder).map_err(NamespaceError::at(target))?;
        }
        let link = Path::new("/sys/class/misc/tdx_guest");
        provide_folder_of(link)
            .and_then(|()| symlink("../../devices/virtual/misc/tdx_guest", link))
            .map_err(NamespaceError::at(link))?;
        Ok(presented)
    }
}

/// Mounts the whole file system for a moment, and starts to serve it.
fn start(devices: &TdDevices) -> Result<BackgroundSession, NamespaceError> {
    let device = open_fuse()?;
    let options = format!(
        "fd={},rootmode=40000,user_id={},group_id={},allow_other,default_permissions",
        device.as_raw_fd(),
        geteuid().as_raw(),
        getegid().as_raw(),
    );
    let options = std::ffi::CString::new(options).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount(NAME, FOR_A_MOMENT, "fuse", flags, Some(options.as_c_str()))
        .map_err(|fault| NamespaceError::at(FOR_A_MOMENT)(fault.into()))?;
    Session::from_fd(devices.file_system(), device.into(), SessionACL::All, config())
        .and_then(Session::spawn)
        .map_err(NamespaceError::Fuse)
}

/// A part of the file system, to be mounted elsewhere.
fn take(path: &str) -> Result<OwnedFd, NamespaceError> {
    let path = Path::new(FOR_A_MOMENT).join(path);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, &path, flags).map_err(|fault| NamespaceError::at(path)(fault.into()))
}

/// Mounts something at a path, which is made if it is not there.
fn put(part: impl AsFd, target: &Path, is_folder: bool) -> io::Result<()> {
    if target.symlink_metadata().is_err() {
        provide_folder_of(target)?;
        if is_folder { fs::create_dir(target)? } else { File::create_new(target).map(|_| ())? }
    }
    move_mount(part, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}

/// Makes the folder of a path, in memory: the nearest folder that is there is laid over with one that has all the same,
/// and can take more.
fn provide_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let is_there = |folder: &&Path| folder.is_dir();
    let nearest = folder.ancestors().find(is_there).unwrap_or(folder);
    if nearest.parent().is_none() {
        return Err(io::Error::other("nothing above it is there but /"));
    }
    lay_over(nearest)?;
    fs::create_dir_all(folder)
}

fn lay_over(folder: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let below = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
    let entries: Vec<(OsString, fs::FileType)> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name(), entry.file_type().ok()?)))
        .collect();
    let links: Vec<Option<PathBuf>> =
        entries.iter().map(|(name, _)| fs::read_link(folder.join(name)).ok()).collect();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(NAME, folder, "tmpfs", flags, Some(c"mode=755"))?;
    for ((name, kind), link) in entries.iter().zip(links) {
        // What has gone in the meantime, or may not be shown elsewhere, is missing inside, and nothing else.
        let _ = match link {
            Some(link) => symlink(link, folder.join(name)),
            None => keep(&below, folder, name, kind.is_dir()),
        };
    }
    Ok(())
}

/// Shows what was in a folder before it was laid over.
fn keep(below: &OwnedFd, folder: &Path, name: &OsStr, is_folder: bool) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let part = open_tree(below, name, flags)?;
    let target = folder.join(name);
    if is_folder {
        fs::create_dir(&target)?
    } else {
        File::create_new(&target).map(|_| ())?
    }
    move_mount(part, "", CWD, &target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}
