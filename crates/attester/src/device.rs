//! The TDX guest device: which one is here, and TDREPORTs from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::td_report::TdReport;

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

/// Asks the CPU for a TDREPORT: the raw 1,024 bytes, which parse as a [`TdReport`] with this report data.
///
/// # Errors
/// Why there is none.
pub fn report(
    paths: &Paths,
    report_data: &ReportData,
) -> Result<[u8; ioctl::REPORT_BYTES], ReportError> {
    let (device, path) = open(paths)?;
    let asked = loop {
        // Newer kernels can be interrupted while they wait for their turn.
        match ioctl::get_report(&device, report_data) {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    let bytes = asked.map_err(|fault| {
        if Errno::from_io_error(&fault) == Some(Errno::NOTTY) {
            return ReportError::NotTheDriver(path.clone());
        }
        ReportError::Io { path, fault: fault.to_string() }
    })?;
    let report =
        TdReport::parse(&bytes).map_err(|fault| ReportError::Implausible(fault.to_string()))?;
    if report.report_mac.report_data != *report_data {
        return Err(ReportError::Implausible("it has other report data than was asked for".into()));
    }
    Ok(bytes)
}

/// Opens the device, or says which other one is there.
///
/// # Errors
/// Why it cannot be opened.
pub fn open(paths: &Paths) -> Result<(File, PathBuf), ReportError> {
    let path = paths.devices.join(DEVICE);
    // Downstream drivers want it writable; upstream's is content with less, and so are some udev rules.
    let writable = OpenOptions::new().read(true).write(true).open(&path);
    let opened = match writable {
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
        other => other,
    };
    match opened {
        Ok(device) => Ok((device, path)),
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
            Err(ReportError::Permission(path))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(old_device(paths, path)),
        Err(fault) => Err(ReportError::Io { path, fault: fault.to_string() }),
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
