//! A software Intel and a software TD, for everyone without the hardware.
//!
//! ```text
//! Platform ── launch_td ──▶ TrustDomain ── report ──▶ TdReport ── QuoteDraft ── mint ──▶ quote
//!    └─────────────── CollateralDraft ── mint ──▶ Collateral
//! ```
//!
//! A [`Platform`] is a value: hardware, TDX module, TD, PKI and TCB levels, all from a seed. What it mints is drafted
//! first, every field open to change, and then sealed; a [`Fault`] is a change that one check of a verifier must notice.
//!
//! What this crate does not do: it judges nothing and shares no code with the verifier it tests. Nothing of it is
//! Intel's or is accepted by anyone who trusts Intel's root: every certificate says so. It reads no clock; signatures
//! are deterministic (RFC 6979), so the same platform and time give the same bytes.
//!
//! ```
//! use tdattest_simulator::{CollateralDraft, Format, Platform, QuoteDraft, Seed};
//! use tdattest_simulator::wire::{bytes::ReportData, pcs::EvaluationDataSet, quote::TeeType};
//!
//! # fn main() -> Result<(), tdattest_simulator::MintError> {
//! let platform = Platform::new(Seed::of("an example"));
//! let at = "2026-11-01T00:00:00Z".parse().unwrap();
//! let quote = QuoteDraft::new(&platform, Format::V4_TD_1_0, ReportData([7; 64]), at)?.mint()?;
//! let set = EvaluationDataSet::Standard;
//! let collateral = CollateralDraft::new(&platform, TeeType::Tdx, set, at)?.mint()?;
//! let trust_anchor = platform.root_ca().der()?;
//! # assert!(quote.len() > 1020 && !trust_anchor.is_empty() && !collateral.pck_crl.is_empty());
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub use tdattest_wire as wire;

mod collateral;
mod cpu;
pub mod documents;
mod error;
mod fault;
pub mod folder;
#[cfg(feature = "server")]
pub mod pcs_server;
pub mod pki;
pub mod platform;
#[cfg(all(feature = "server", unix))]
pub mod qgs_server;
mod quote;
mod seed;
pub mod td;
#[cfg(all(feature = "devices", target_os = "linux"))]
pub mod td_devices;
mod time;

pub use collateral::CollateralDraft;
pub use cpu::ForgedReport;
pub use error::MintError;
pub use fault::{Broken, Fault};
pub use platform::Platform;
pub use quote::{CertificationDraft, Format, QuoteDraft, QuotingEnclave};
pub use seed::Seed;
pub use td::TrustDomain;
