//! The devices of a TD as a file system: configfs-tsm, the guest device, the registers and the event log.
//!
//! ```text
//! program ── kernel ── FUSE ──▶ FileSystem ── Tree          names, modes, entries
//!                                   │ TDREPORT ▲ registers
//!                                   ▼          │
//!                                 Host       Guest          with its QuoteSource, a QGS or the platform; the running TD
//! ```
//!
//! Source: Linux `drivers/virt/coco/guest/report.c`, `fs/configfs/file.c`, `drivers/virt/coco/tdx-guest/tdx-guest.c`,
//! `Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest`.
//! Must stay true: what programs can see is what those kernel sources do, faults included; the tree is never locked
//! while a quote is made. The device is a regular file: only GET_REPORT0 crosses FUSE.

mod device_fault;
mod file_system;
mod guest;
mod host;
pub mod namespace;
mod nodes;
mod open_files;
mod quote_source;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use rustix::mount::{UnmountFlags, unmount};

pub use device_fault::{DeviceFault, FaultRule, FaultTimes, UnknownDeviceFault};
pub use quote_source::QuoteSource;

use crate::error::MintError;
use crate::platform::Platform;
use file_system::FileSystem;
use tree::Tree;

/// Threads that answer the kernel. Quotes are made in others.
const THREADS: usize = 4;

/// The file system's name in `/proc/mounts`.
const NAME: &str = "tdattest-td";

/// A running TD whose devices can be mounted.
#[derive(Clone, Debug)]
pub struct TdDevices {
    tree: Arc<Tree>,
}

/// Why there are no devices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The quoting enclave does not start.
    #[error("the quoting enclave does not start: {0}")]
    Enclave(#[from] MintError),
    /// The system gives no thread.
    #[error("cannot start a simulated TD: {0}")]
    Thread(io::Error),
    /// FUSE is missing, or not for this user.
    #[error("cannot mount a FUSE file system: {0}")]
    Mount(io::Error),
}

impl TdDevices {
    /// Launches the TD of a platform; its quotes come from this source, and from nowhere without one.
    ///
    /// # Errors
    /// When the quoting enclave or a thread cannot be started.
    pub fn launch(platform: &Platform, source: QuoteSource) -> Result<Self, DeviceError> {
        let guest = guest::Guest::launch(platform).map_err(DeviceError::Thread)?;
        let source = quote_source::Quoting::start(platform, source)?;
        Ok(Self { tree: Arc::new(Tree::new(guest, source)) })
    }

    /// Makes the devices fail from now on. Rules for the same place apply in the order in which they are set, each
    /// until it is used up.
    pub fn fail(&self, rule: FaultRule) {
        self.tree.faults().add(rule);
    }

    /// Ends all failures.
    pub fn recover(&self) {
        self.tree.faults().clear();
    }

    /// The names of the entries of configfs-tsm that are there now.
    pub fn entries(&self) -> Vec<String> {
        self.tree.entries()
    }

    /// Mounts them at a folder, at the paths below it that Linux has them at below `/`.
    ///
    /// # Errors
    /// When the system has no FUSE, or not for this user.
    pub fn mount(&self, folder: &Path) -> Result<Mounted, DeviceError> {
        let mut config = config();
        config.mount_options = vec![
            MountOption::FSName(NAME.into()),
            MountOption::DefaultPermissions,
            MountOption::NoSuid,
            MountOption::NoDev,
        ];
        let session = Session::new(self.file_system(), folder, &config);
        let session = session.and_then(Session::spawn).map_err(DeviceError::Mount)?;
        let tree = Arc::clone(&self.tree);
        Ok(Mounted { session: Some(session), folder: folder.into(), tree })
    }

    fn file_system(&self) -> FileSystem {
        FileSystem::new(Arc::clone(&self.tree))
    }
}

fn config() -> Config {
    let mut config = Config::default();
    // As on a TD, the modes of the files decide who may do what. Without root, /etc/fuse.conf would have to let us.
    let is_root = rustix::process::geteuid().is_root();
    config.acl = if is_root { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config
}

/// Devices that are mounted. They are unmounted when this is dropped.
#[derive(Debug)]
pub struct Mounted {
    session: Option<BackgroundSession>,
    folder: PathBuf,
    tree: Arc<Tree>,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.tree.stop();
        // At once, although somebody may still have a file open; the threads end when the last one is closed.
        let detached = unmount(&self.folder, UnmountFlags::DETACH).is_ok();
        let session = self.session.take();
        if let Some(session) = session.filter(|_| !detached) {
            // Without root a program of FUSE's has to do it. If that fails nobody is left to tell.
            let _ = session.umount_and_join();
        }
    }
}
