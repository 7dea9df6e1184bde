//! The TDX guest device: which one is here, and TDREPORTs from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::td_report::TdReport;

use crate::aside;
use crate::deadline::Deadline;
use crate::error::ReportError;
use crate::ioctl;
use crate::paths::Paths;

/// The device of Linux 6.2 and later, and of the downstream drivers for TDX 1.5.
const DEVICE: &str = "tdx_guest";

/// The devices of older drivers, with what they are.
const OLD_DEVICES: [(&str, &str); 2] = [
    ("tdx-guest", "a TDX 1.0 preview kernel (5.19 to 6.1)"),
    ("tdx-attest", "the first TDX preview kernels (5.15)"),
];

/// The guest device, open: the one thing that its ioctls are ever made on.
#[derive(Debug)]
pub struct GuestDevice {
    file: File,
    path: PathBuf,
}

impl GuestDevice {
    /// Opens the device, or says which other one is there.
    ///
    /// Whether the TDX guest driver is behind it shows with the first ioctl.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(paths: &Paths) -> Result<Self, ReportError> {
        let path = paths.devices.join(DEVICE);
        // Downstream drivers want it writable; upstream's is content with less, and so are some udev rules.
        let writable = OpenOptions::new().read(true).write(true).open(&path);
        let opened = match writable {
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
            other => other,
        };
        match opened {
            Ok(file) => Ok(Self { file, path }),
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                Err(ReportError::Permission(path))
            }
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(old_device(paths, path)),
            Err(fault) => Err(ReportError::Io { path, fault: fault.to_string() }),
        }
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for GuestDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Asks the CPU for a TDREPORT: the raw 1,024 bytes, which parse as a [`TdReport`] with this report data.
///
/// # Errors
/// Why there is none.
pub fn report(
    paths: &Paths,
    report_data: &ReportData,
) -> Result<[u8; ioctl::REPORT_BYTES], ReportError> {
    report_within(&Deadline::after(Deadline::DEFAULT), paths, report_data)
}

/// The same until another deadline. The kernel needs no time for it, but may wait for its turn.
pub(crate) fn report_within(
    deadline: &Deadline,
    paths: &Paths,
    report_data: &ReportData,
) -> Result<[u8; ioctl::REPORT_BYTES], ReportError> {
    let device = GuestDevice::open(paths)?;
    let (path, end, asked_for) = (device.path.clone(), *deadline, *report_data);
    let asked = aside::within(deadline, move || {
        // Newer kernels can be interrupted while they wait for their turn.
        end.uninterrupted(|| ioctl::get_report(&device, &asked_for))
    });
    let bytes = asked.and_then(|asked| asked).map_err(|fault| refusal(path, &fault, deadline))?;
    let report =
        TdReport::parse(&bytes).map_err(|fault| ReportError::Implausible(fault.to_string()))?;
    if report.report_mac.report_data != *report_data {
        return Err(ReportError::Implausible("it has other report data than was asked for".into()));
    }
    Ok(bytes)
}

fn refusal(path: PathBuf, fault: &io::Error, deadline: &Deadline) -> ReportError {
    match Errno::from_io_error(fault) {
        Some(Errno::NOTTY) => ReportError::NotTheDriver(path),
        None if fault.kind() == io::ErrorKind::TimedOut => {
            ReportError::Deadline { path, allowed: deadline.allowed() }
        }
        _ => ReportError::Io { path, fault: fault.to_string() },
    }
}

fn old_device(paths: &Paths, missing: PathBuf) -> ReportError {
    for (name, driver) in OLD_DEVICES {
        let path = paths.devices.join(name);
        if path.exists() {
            return ReportError::OldDevice { path, driver };
        }
    }
    ReportError::NoDevice(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_refusal_of_the_device_is_told_apart() {
        let deadline = Deadline::after(Duration::from_secs(3));
        let told = |fault: io::Error| refusal(DEVICE.into(), &fault, &deadline);
        assert_eq!(told(Errno::NOTTY.into()), ReportError::NotTheDriver(DEVICE.into()));
        let late = ReportError::Deadline { path: DEVICE.into(), allowed: Duration::from_secs(3) };
        assert_eq!(told(io::ErrorKind::TimedOut.into()), late);
        // The kernel's own words are no deadline of ours.
        for errno in [Errno::TIMEDOUT, Errno::IO] {
            assert!(matches!(told(errno.into()), ReportError::Io { .. }), "{errno}");
        }
    }

    #[test]
    fn a_device_is_not_asked_after_the_deadline() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { devices: home.path().into(), ..Paths::below(home.path()) };
        std::fs::write(home.path().join(DEVICE), "").unwrap();
        let over = Deadline::after(Duration::ZERO);
        let late =
            ReportError::Deadline { path: home.path().join(DEVICE), allowed: Duration::ZERO };
        assert_eq!(report_within(&over, &paths, &ReportData::default()), Err(late));
    }
}
