//! The Quote Generation Service of a TDX host: a TD cannot sign its own quote, so its TDREPORT comes here.
//!
//! ```text
//! listener ──▶ connection ──▶ session ──▶ pool ──▶ backend
//!    │             │         (bytes in,  (bounded  (Intel's enclave,
//!  peers ──────────┘          ask out)    queue)    or a simulated one)
//!    └ limits                      │         │
//!                                  └─────────┴──▶ records ──▶ log, metrics, status
//! ```
//!
//! Source: Intel DCAP, `qgs_msg_lib` and the daemon as observed; QEMU, `tdx-quote-generator.c`.
//! Must stay true: no peer can keep another from its quote; every failure has a code, a hop and a cause.
#![deny(unsafe_code)]

mod ask;
mod failure;
mod report_check;
mod session;

pub mod backend;

#[cfg(target_os = "linux")]
pub mod config;
#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod health;
#[cfg(target_os = "linux")]
pub mod listen;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod records;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
pub mod status;

pub use ask::{Answer, Ask, Collateral, Form, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES};
#[cfg(target_os = "linux")]
pub use connection::Deadlines;
pub use failure::{Failure, Hop};
#[cfg(target_os = "linux")]
pub use peers::{Limits, Peer};
#[cfg(target_os = "linux")]
pub use pool::PoolSettings;
#[cfg(target_os = "linux")]
pub use service::{Service, Settings};
pub use session::{Session, Step};
pub use tdattest_wire as wire;
