//! Every format that crosses a boundary in Intel TDX remote attestation: bytes to types and back.
//!
//! Nothing here is judged. A parsed [`Quote`](quote::Quote) says what its bytes say and is untrusted until
//! `tdattest-verifier` has verified it. The crate has no I/O, clock, randomness, log or cryptography, works without
//! `std`, borrows variable-length parts of its input, bounds every length (see [`limits`]) and does not panic on
//! hostile bytes.
//!
//! ```text
//! bytes ──▶ quote · td_report            evidence
//! PEM, DER ──▶ certificate · crl · pck   X.509 and Intel's SGX extension
//! JSON ──▶ tcb_info · qe_identity · evaluation_data   documents Intel signs, opened through `signed`
//! collateral ◀── endorsement ◀── pcs      which documents a quote needs, each of them, the set of them
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[macro_use]
mod layout;
#[macro_use]
pub mod bytes;

pub mod attributes;
pub mod certificate;
pub mod collateral;
pub mod crl;
pub mod enclave_report;
pub mod endorsement;
pub mod error;
pub mod evaluation_data;
pub mod event_log;
mod json;
pub mod lenient;
pub mod limits;
pub mod pck;
pub mod pck_certificates;
pub mod pcs;
pub mod pem;
pub mod qe_identity;
pub mod qgs;
pub mod quote;
mod reader;
pub mod signed;
pub mod tcb_info;
pub mod tcb_status;
pub mod td_report;
pub mod time;

pub use layout::{Field, Fixed};
