//! Verifies and appraises Intel TDX and SGX quotes: pure, offline, and able to say why.
//!
//! ```text
//! Quote ──┐
//!         ├─ verify ──▶ VerifiedQuote ── appraise ──▶ AttestationResult
//! Collateral, TrustAnchor, now      Policy ─┘            or Rejection
//! ```
//!
//! Two questions are answered here, each by one function. [`Verifier::verify`]: did genuine Intel hardware make this
//! quote, and how up to date is it? [`appraise`]: is that acceptable? The first succeeds on an `OutOfDate` platform and
//! says so; the second refuses it unless a [`Policy`] accepts it. A [`VerifiedQuote`] and an [`AttestationResult`] can
//! be had in no other way.
//!
//! What this crate does not do: it fetches nothing, reads no clock (`now` is an argument), writes no log, keeps no
//! global state, and does not know which TD you want; that is what appraisal policies with reference values are for.
//!
//! ```
//! use tdattest_verifier::{Policy, TrustAnchor, Verifier, appraise, crypto};
//! use tdattest_verifier::wire::{collateral::Collateral, quote::Quote, time::UnixTime};
//!
//! fn judge(quote: &[u8], bundle: &[u8], now: UnixTime) -> Result<(), Box<dyn std::error::Error>> {
//!     let quote = Quote::parse(quote)?;
//!     let collateral = Collateral::from_bundle(bundle)?;
//!     let verifier = Verifier::new(TrustAnchor::intel(), crypto::rust_crypto());
//!     let verified = verifier.verify(&quote, &collateral, now)?;
//!     let result = appraise(verified, &Policy::genuine_platform())?;
//!     println!("{}", result.verified().facts().tcb_status().unwrap());
//!     Ok(())
//! }
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
#[cfg(any(test, feature = "std"))]
extern crate std;

pub use tdattest_wire as wire;

mod appraise;
mod chain;
pub mod check;
mod codes;
mod crl;
pub mod crypto;
mod document;
pub mod endorsement;
pub mod error;
mod policy;
mod prepared;
mod qe;
mod relaunch;
pub mod result;
mod tcb_level;
mod tcb_status;
mod td_module;
pub mod td_report;
mod trust_anchor;
pub mod verified;
mod verify;

// The public interface is:
pub use appraise::{AttestationResult, Finding, Rejection, appraise};
pub use endorsement::EndorsementError;
pub use error::{Failure, VerifyError};
pub use policy::Policy;
pub use prepared::{PrepareError, PreparedCollateral};
pub use trust_anchor::TrustAnchor;
pub use verified::{Facts, VerifiedQuote};
pub use verify::{CLOCK_SKEW_S, Verifier};
