//! The devices of a simulated TD, over real FUSE mounts: what the kernel's do, and what the attester makes of it.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

mod attester;
mod configfs;
mod registers;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use tdattest_attester::Paths;
use tdattest_simulator::td_devices::namespace::{self, NamespaceError};
use tdattest_simulator::td_devices::{DeviceError, Mounted, QuoteSource, TdDevices};
use tdattest_simulator::{Platform, Seed};
use tdattest_wire::bytes::ReportData;
use tdattest_wire::quote::Quote;
use tempfile::TempDir;

fn platform() -> Platform {
    Platform::new(Seed::of("the tests of the devices"))
}

/// A running TD with its devices mounted.
struct Td {
    devices: TdDevices,
    paths: Paths,
    // In this order: unmounted, then removed.
    _mounted: Mounted,
    folder: TempDir,
}

/// A TD whose quotes come from the platform; `None`, with the reason printed, where there is no FUSE.
fn td() -> Option<Td> {
    td_with(|_| QuoteSource::Platform)
}

/// A TD whose quotes come from a source that may live in the test's folder.
fn td_with(source: impl FnOnce(&Path) -> QuoteSource) -> Option<Td> {
    if let Err(fault) = OpenOptions::new().read(true).write(true).open("/dev/fuse") {
        // Seen with `--nocapture`, and in the log of a failure.
        eprintln!("skipped: /dev/fuse: {fault}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let devices = TdDevices::launch(&platform(), source(folder.path())).unwrap();
    let mounted = match devices.mount(&root) {
        Err(DeviceError::Mount(fault)) if !rustix::process::geteuid().is_root() => {
            eprintln!("skipped: not for this user: {fault}");
            return None;
        }
        mounted => mounted.unwrap(),
    };
    Some(Td { devices, paths: Paths::below(&root), _mounted: mounted, folder })
}

#[test]
fn a_process_with_threads_enters_no_namespace() {
    let (end, ended) = mpsc::channel::<()>();
    let other = thread::spawn(move || ended.recv());
    let entered = namespace::enter();
    assert!(matches!(entered, Err(NamespaceError::Threads(2..))), "{entered:?}");
    drop(end);
    assert!(other.join().unwrap().is_err());
}

impl Td {
    /// A new entry of configfs-tsm.
    fn entry(&self, name: &str) -> PathBuf {
        let entry = self.paths.tsm_report.join(name);
        fs::create_dir(&entry).unwrap();
        entry
    }
}

/// Writes as a program does: open, write, close.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    writer(path)?.write_all(bytes)
}

fn writer(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn error_of<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|fault| fault.raw_os_error())
}

fn report_data_of(quote: &[u8]) -> ReportData {
    *Quote::parse(quote).unwrap().body().report_data()
}
