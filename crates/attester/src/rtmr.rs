//! Run-time measurement registers: read them, extend them.
//!
//! Source: Linux `Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest` (6.16 and later); TDX module ABI
//! specification, "TDG.MR.RTMR.EXTEND".

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tdattest_wire::bytes::{Measurement, ReportData};
use tdattest_wire::td_report::TdReport;

use crate::device::{self, GuestDevice};
use crate::error::RtmrError;
use crate::ioctl;
use crate::paths::Paths;

/// The registers, and where they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// RTMR0 to RTMR3.
    pub rtmrs: [Measurement; 4],
    /// Whether they come from sysfs rather than from a TDREPORT.
    pub from_sysfs: bool,
}

/// Reads the registers: from sysfs, or from a TDREPORT where there is none.
///
/// # Errors
/// When neither can be had.
pub fn read_rtmrs(paths: &Paths) -> Result<Measured, RtmrError> {
    if paths.measurements.is_dir() {
        let mut rtmrs = [Measurement::default(); 4];
        for (index, register) in (0..).zip(&mut rtmrs) {
            *register = read_register(&file(paths, index))?;
        }
        return Ok(Measured { rtmrs, from_sysfs: true });
    }
    let bytes = device::report(paths, &ReportData::default())?;
    let implausible =
        |fault| RtmrError::Unavailable(format!("the TDREPORT cannot be read: {fault}"));
    let td = TdReport::parse(&bytes).map_err(implausible)?.td_info;
    Ok(Measured { rtmrs: [td.rtmr_0, td.rtmr_1, td.rtmr_2, td.rtmr_3], from_sysfs: false })
}

/// Extends a register: it becomes the SHA-384 of itself and the digest.
///
/// Nothing is logged: [`extend_and_log`](crate::extend_and_log) does both.
///
/// # Errors
/// When there is no such register, or neither sysfs nor the device can do it.
pub fn extend_rtmr(paths: &Paths, index: u8, digest: &Measurement) -> Result<(), RtmrError> {
    Register::open(paths, index)?.extend(digest)
}

/// A register that can be extended, as far as anybody can tell before.
pub(crate) enum Register {
    /// Its file in sysfs.
    File { file: File, path: PathBuf },
    /// Where there is none: one of the device's.
    OfDevice { device: GuestDevice, index: u8, measurements: PathBuf },
}

impl Register {
    /// Opens the register's file in sysfs, or the device where there is none.
    pub(crate) fn open(paths: &Paths, index: u8) -> Result<Self, RtmrError> {
        if index > 3 {
            return Err(RtmrError::NoSuchRegister(index));
        }
        let path = file(paths, index);
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self::File { file, path }),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                let device = GuestDevice::open(paths)?;
                Ok(Self::OfDevice { device, index, measurements: paths.measurements.clone() })
            }
            Err(fault) => Err(error(path, &fault)),
        }
    }

    pub(crate) fn extend(self, digest: &Measurement) -> Result<(), RtmrError> {
        match self {
            Self::File { mut file, path } => {
                // All 48 bytes in one write at the start: the kernel refuses anything else.
                let written = file.write(&digest.0).and_then(|count| match count {
                    48 => Ok(()),
                    other => Err(io::Error::other(format!("took {other} of 48 bytes"))),
                });
                written.map_err(|fault| error(path, &fault))
            }
            Self::OfDevice { device, index, measurements } => {
                ioctl::extend_rtmr(&device, index, digest)
                    .map_err(|fault| device_error(&device, &fault, &measurements))
            }
        }
    }
}

fn device_error(device: &GuestDevice, fault: &io::Error, measurements: &Path) -> RtmrError {
    let path = device.path();
    if Errno::from_io_error(fault) != Some(Errno::NOTTY) {
        return error(path.into(), fault);
    }
    RtmrError::Unavailable(format!(
        "{} is not there (Linux 6.16 and later have it), and {} does not know EXTEND_RTMR",
        measurements.display(),
        path.display()
    ))
}

fn file(paths: &Paths, index: u8) -> PathBuf {
    paths.measurements.join(format!("rtmr{index}:sha384"))
}

fn read_register(path: &Path) -> Result<Measurement, RtmrError> {
    let bytes = fs::read(path).map_err(|fault| error(path.into(), &fault))?;
    let found = bytes.len();
    bytes.try_into().map(Measurement).map_err(|_| RtmrError::Io {
        path: path.into(),
        fault: format!("has {found} bytes, expected 48"),
    })
}

fn error(path: PathBuf, fault: &io::Error) -> RtmrError {
    match fault.kind() {
        io::ErrorKind::PermissionDenied => RtmrError::Permission(path),
        io::ErrorKind::InvalidInput => RtmrError::Refused(path),
        io::ErrorKind::Unsupported => RtmrError::Unsupported(path),
        _ => RtmrError::Io { path, fault: fault.to_string() },
    }
}
