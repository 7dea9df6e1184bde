//! Collateral: asked of a PCS, a PCCS, bundles or folders, in the order of the operator, and kept.
//!
//! ```text
//! PcsRequest ──▶ cache ──▶ client ──▶ source ──▶ transport ──▶ PCS or PCCS     the only arrow that leaves
//!                  ▲          │          └──▶ bundle, folder
//!                  └── guard ◀┘ authenticate
//! ```
//!
//! Source: PCS API v4; Intel DCAP, `sgx_default_qcnl.conf` and the PCCS as observed.
//! Must stay true: nothing is kept or handed on as good that [`Authenticate`] did not pass; this crate does not know
//! the verifier, so that no verification can ever start a download.
#![forbid(unsafe_code)]

mod answer;
pub mod archive;
mod authenticate;
pub mod cache;
mod chain;
mod client;
mod crl_address;
mod deadline;
pub mod diff;
mod error;
mod family;
mod fetch;
mod files;
pub mod guard;
pub mod intel_cache;
mod opening;
mod platform;
pub mod qcnl;
mod retry;
mod service;
mod source;
mod transport;
mod trust;
pub mod windows;

pub use archive::Archive;
pub use authenticate::Authenticate;
pub use cache::Cache;
pub use client::Client;
pub use crl_address::crl_request;
pub use error::{FetchError, SourceError};
pub use family::PlatformFamily;
pub use fetch::{Accepts, Fetch, Fetching};
pub use opening::ClientBuilder;
pub use retry::RetryPolicy;
pub use source::{ApiVersion, Proxy, ServiceKind, Source};
pub use tdattest_wire as wire;
pub use trust::{Pin, Trust};
