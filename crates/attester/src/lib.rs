//! The attester: what a program inside an Intel TDX trust domain (TD) can learn and prove about it.
//!
//! ```text
//! report data ──▶ TDREPORT (/dev/tdx_guest)
//!            └──▶ Attester ──▶ quote: configfs-tsm, QGS over vsock or a Unix socket, GET_QUOTE
//! ```
//!
//! There are several ways to a quote, and which one works depends on kernel, hypervisor and host. [`Attester`] tries
//! them in an order of your choice and keeps why each one failed; a quote is checked before it is returned.
//!
//! What this crate does not do: it verifies no quote (that takes collateral, and another machine), reads no environment
//! variable and no clock but for deadlines. Every path is an argument ([`Paths`]), for containers and tests.
#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("a TD runs Linux here: the devices and file systems are Linux's");

pub use tdattest_wire as wire;

mod aside;
mod ccel;
pub mod config;
mod configfs;
mod cwt;
mod deadline;
mod device;
mod error;
mod get_quote;
#[allow(unsafe_code, reason = "ioctls; each block has its proof")]
pub mod ioctl;
mod paths;
mod provider;
mod qgs;
mod rtmr;
mod run_time_log;
mod shared_entry;

pub use ccel::event_log;
pub use deadline::Deadline;
pub use device::{GuestDevice, report};
pub use error::{Hop, ProviderError, ReportError, RtmrError};
pub use paths::Paths;
pub use provider::{Attempt, Attester, NoAnswer, ObtainedQuote, Provider, quote_from_report};
pub use qgs::Endpoint;
pub use rtmr::{Measured, extend_rtmr, read_rtmrs};
pub use run_time_log::{Measuring, RunTimeLog, extend_and_log, run_time_log};
pub use shared_entry::quote_in_entry;
