//! `libtdx_attest.so.1`: Intel's attestation library for TDs, replaced for the programs written for it.
//!
//! ```text
//! C program ──▶ ffi (unsafe: pointers) ──▶ calls (which check comes first) ──▶ Machine ──▶ attester
//!                     ◀── one of 13 statuses; the reason goes to syslog ◀──
//! ```
//!
//! Source: Intel's `tdx_attest.h`, and its library as observed; `docs/guides/replace-libtdx-attest.md` has what differs.
//! Must stay true: exactly five symbols are exported; of several faults, the one that Intel's library notices first is
//! told; no panic leaves, no wait is unbounded, and a quote is freed with `free`.
//!
//! What this crate does not do: it prints nothing. As a Rust library it is for tests alone; Rust programs use
//! `tdattest-attester`.
#![deny(unsafe_code)]

pub mod calls;
pub mod ffi;
pub mod machine;
pub mod status;
