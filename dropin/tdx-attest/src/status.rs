//! The statuses of Intel's library, and which of them tells what went wrong.
//!
//! Source: Intel's `tdx_attest.h`; the ways to a quote fail differently, so each has its own mapping.

use tdattest_attester::{ProviderError, ReportError, RtmrError};

/// What a call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// `TDX_ATTEST_SUCCESS`.
    Success = 0,
    /// `TDX_ATTEST_ERROR_UNEXPECTED`.
    Unexpected = 1,
    /// `TDX_ATTEST_ERROR_INVALID_PARAMETER`.
    InvalidParameter = 2,
    /// `TDX_ATTEST_ERROR_OUT_OF_MEMORY`.
    OutOfMemory = 3,
    /// `TDX_ATTEST_ERROR_VSOCK_FAILURE`.
    VsockFailure = 4,
    /// `TDX_ATTEST_ERROR_REPORT_FAILURE`.
    ReportFailure = 5,
    /// `TDX_ATTEST_ERROR_EXTEND_FAILURE`.
    ExtendFailure = 6,
    /// `TDX_ATTEST_ERROR_NOT_SUPPORTED`.
    NotSupported = 7,
    /// `TDX_ATTEST_ERROR_QUOTE_FAILURE`.
    QuoteFailure = 8,
    /// `TDX_ATTEST_ERROR_BUSY`.
    Busy = 9,
    /// `TDX_ATTEST_ERROR_DEVICE_FAILURE`.
    DeviceFailure = 10,
    /// `TDX_ATTEST_ERROR_INVALID_RTMR_INDEX`.
    InvalidRtmrIndex = 11,
    /// `TDX_ATTEST_ERROR_UNSUPPORTED_ATT_KEY_ID`.
    UnsupportedKeyId = 12,
}

impl Status {
    /// The number, as C has it.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// No TDREPORT: the device cannot be opened, or does not give one.
    pub fn of_report(error: &ReportError) -> Self {
        match error {
            ReportError::NoDevice(_)
            | ReportError::OldDevice { .. }
            | ReportError::Permission(_) => Self::DeviceFailure,
            _ => Self::ReportFailure,
        }
    }

    /// No quote over vsock: the way there is broken, or what came is not a quote.
    pub fn of_vsock(error: &ProviderError) -> Self {
        match error {
            ProviderError::Report(error) => Self::of_report(error),
            ProviderError::Unavailable(_)
            | ProviderError::NoProvider
            | ProviderError::Permission(_)
            | ProviderError::Io { .. }
            | ProviderError::Busy { .. }
            | ProviderError::Deadline { .. }
            | ProviderError::ClosedEarly { .. } => Self::VsockFailure,
            _ => Self::Unexpected,
        }
    }

    /// No quote from configfs-tsm; `NotSupported` only where there is none.
    pub fn of_configfs(error: &ProviderError) -> Self {
        match error {
            ProviderError::Report(error) => Self::of_report(error),
            ProviderError::Unavailable(_) | ProviderError::NoProvider => Self::NotSupported,
            ProviderError::Busy { .. }
            | ProviderError::Deadline { .. }
            | ProviderError::Generation { .. } => Self::Busy,
            _ => Self::QuoteFailure,
        }
    }

    /// No quote by GET_QUOTE: the ioctl fails, or it works and the host has none.
    pub fn of_ioctl(error: &ProviderError) -> Self {
        match error {
            ProviderError::Report(error) => Self::of_report(error),
            ProviderError::Busy { .. } => Self::Busy,
            ProviderError::NoService => Self::NotSupported,
            ProviderError::Unavailable(_)
            | ProviderError::NoProvider
            | ProviderError::Permission(_)
            | ProviderError::Io { .. }
            | ProviderError::Deadline { .. } => Self::QuoteFailure,
            _ => Self::Unexpected,
        }
    }

    /// A register was not extended.
    pub fn of_rtmr(error: &RtmrError) -> Self {
        match error {
            RtmrError::NoSuchRegister(_) => Self::InvalidParameter,
            RtmrError::Refused(_) => Self::InvalidRtmrIndex,
            RtmrError::Unsupported(_) => Self::NotSupported,
            RtmrError::Report(ReportError::NoDevice(_) | ReportError::OldDevice { .. }) => {
                Self::DeviceFailure
            }
            _ => Self::ExtendFailure,
        }
    }
}

/// A status that is no success, and the reason, which C programs find in syslog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// The status.
    pub status: Status,
    /// The reason.
    pub reason: String,
}

impl Failure {
    /// An argument that cannot be.
    pub fn parameter(reason: impl Into<String>) -> Self {
        Self { status: Status::InvalidParameter, reason: reason.into() }
    }
}
