//! What can go wrong inside a TD, on which hop, with what is known about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tdattest_wire::error::ParseError;
use tdattest_wire::qgs::NoAnswer;

/// The parts of the way from a program in a TD to the quoting enclave and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The kernel's guest device, and the TDX module below it.
    Device,
    /// The kernel's configfs-tsm, and the hypervisor below it.
    Configfs,
    /// Reaching the QGS.
    Connect,
    /// Sending the request to the QGS.
    Send,
    /// Waiting for the QGS's answer.
    Receive,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Device => "guest device",
            Self::Configfs => "configfs-tsm",
            Self::Connect => "connecting to the QGS",
            Self::Send => "sending to the QGS",
            Self::Receive => "waiting for the QGS",
        })
    }
}

/// Why a way to a quote brought none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// This way does not exist here.
    #[error("not available here: {0}")]
    Unavailable(String),
    /// configfs-tsm is there, and nobody behind it (ENXIO, ENODEV or EOPNOTSUPP).
    #[error(
        "not available here: configfs-tsm has no provider: this is no TDX guest, or its guest driver is not loaded"
    )]
    NoProvider,
    /// It exists, and not for this user.
    #[error("{}: permission denied", .0.display())]
    Permission(PathBuf),
    /// A system call failed.
    #[error("{hop}: {fault}")]
    Io {
        /// On which hop.
        hop: Hop,
        /// What the system says.
        fault: String,
    },
    /// An earlier request of somebody in this TD is still with the host.
    #[error("{hop}: busy, an earlier request of this TD is still with the host")]
    Busy {
        /// On which hop.
        hop: Hop,
    },
    /// Nobody answered in time.
    #[error("{hop}: no answer within {} s", allowed.as_secs_f32())]
    Deadline {
        /// On which hop.
        hop: Hop,
        /// How long was waited.
        allowed: Duration,
    },
    /// The kernel gave success and no quote.
    #[error(
        "configfs-tsm: the quote is empty: the host has no quote generation socket for this TD, its QGS does not answer, or the request timed out, and this kernel does not tell"
    )]
    Empty,
    /// Somebody else wrote into the entry.
    #[error(
        "configfs-tsm: generation is {found}, expected {expected}: somebody else used the entry"
    )]
    Generation {
        /// What it must be.
        expected: u64,
        /// What it is.
        found: String,
    },
    /// configfs-tsm is there for another kind of TEE.
    #[error("configfs-tsm: the provider is `{0}`, expected tdx_guest: this is no TDX guest")]
    OtherTee(String),
    /// The QGS closed the connection early.
    #[error("waiting for the QGS: it closed the connection after {received} of {expected} bytes")]
    ClosedEarly {
        /// Bytes that came.
        received: usize,
        /// Bytes that were to come.
        expected: usize,
    },
    /// The QGS answered something else than a quote.
    #[error("QGS: {0}")]
    Qgs(NoAnswer),
    /// The host says that it has nobody to make a quote.
    #[error("guest device: the host has no quote generation service for this TD")]
    NoService,
    /// The host could not make a quote; the status of GetQuote.
    #[error("guest device: the host answers GetQuote with status {0:#x}")]
    GetQuote(u64),
    /// The answer to GetQuote is longer than the buffer that it stands in.
    #[error(
        "guest device: the host says that it wrote {found} bytes; the buffer has room for {room}"
    )]
    AnswerLength {
        /// What the host says.
        found: usize,
        /// What there is room for.
        room: usize,
    },
    /// What came is a CBOR Web Token, as platforms with DICE-based attestation give it.
    #[error(
        "what came is a CBOR Web Token of {length} bytes (DICE-based attestation); expected a TD quote of version 4 or 5"
    )]
    CborWebToken {
        /// Its length, with padding.
        length: usize,
    },
    /// What came is no quote.
    #[error("what came is no quote: {0}")]
    NotAQuote(ParseError),
    /// The quote is for somebody else.
    #[error("the quote has other report data than was asked for")]
    OtherReportData,
    /// The TDREPORT that the quote is to be made of could not be had.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Why there is no TDREPORT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No guest device at all.
    #[error("{}: not there: this is no TD, or its kernel has no TDX guest driver", .0.display())]
    NoDevice(PathBuf),
    /// Only a device of an old driver.
    #[error("{}: the device of {driver}, whose ioctls this program does not speak", path.display())]
    OldDevice {
        /// The device.
        path: PathBuf,
        /// Which driver has it.
        driver: &'static str,
    },
    /// The device is there, and not for this user.
    #[error("{}: permission denied", .0.display())]
    Permission(PathBuf),
    /// The device does not know GET_REPORT0.
    #[error("{}: does not know GET_REPORT0: not the TDX guest driver of Linux 6.2 or later", .0.display())]
    NotTheDriver(PathBuf),
    /// The device did not answer in time.
    #[error("{}: no answer within {} s", path.display(), allowed.as_secs_f32())]
    Deadline {
        /// The device.
        path: PathBuf,
        /// How long was waited.
        allowed: Duration,
    },
    /// A system call failed.
    #[error("{}: {fault}", path.display())]
    Io {
        /// The device.
        path: PathBuf,
        /// What the system says.
        fault: String,
    },
    /// What came is no TDREPORT, or one for somebody else.
    #[error("the TDREPORT is not usable: {0}")]
    Implausible(String),
}

/// Why a run-time register cannot be read or extended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtmrError {
    /// There are four.
    #[error("there is no RTMR{0}; there are RTMR0 to RTMR3")]
    NoSuchRegister(u8),
    /// Neither sysfs nor the device can do it.
    #[error("not available here: {0}")]
    Unavailable(String),
    /// Not for this user.
    #[error("{}: permission denied", .0.display())]
    Permission(PathBuf),
    /// The kernel calls the register or the value invalid (EINVAL).
    #[error("{}: refused as invalid: the TDX module has no such register, or lets nobody extend it", .0.display())]
    Refused(PathBuf),
    /// The register is there, and cannot be extended (EOPNOTSUPP).
    #[error("{}: this kernel cannot extend it", .0.display())]
    Unsupported(PathBuf),
    /// A system call failed.
    #[error("{}: {fault}", path.display())]
    Io {
        /// The file or device.
        path: PathBuf,
        /// What the system says.
        fault: String,
    },
    /// The event log that goes with the registers cannot be kept; no register was extended.
    #[error("{}: {fault}; no register was extended", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The TDREPORT to read them from, or the device to extend them with, cannot be had.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl ProviderError {
    pub(crate) fn io(hop: Hop, path: &Path, fault: &io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission(path.into()),
            io::ErrorKind::ResourceBusy => Self::Busy { hop },
            _ => Self::Io { hop, fault: format!("{}: {fault}", path.display()) },
        }
    }

    /// Whether the way does not exist here, rather than having failed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NoProvider)
    }
}
