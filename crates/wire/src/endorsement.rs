//! One signed document of the collateral with the chain of its signer: what one request to a PCS brings.
//!
//! Source: RFC 9334, "Endorsements"; PCS API v4. An [`Endorsement`] is untrusted, and so is what it says of itself; its
//! [`Validity`] is what a verifier found in it once every signature had held.
//! Must stay true: the body is, byte for byte, what arrived, save for the encoding around a CRL.

use alloc::vec::Vec;

use crate::pck::PckExtension;
use crate::pcs::{PckCa, PcsRequest};
use crate::time::UnixTime;

/// A signed document and its issuer chain, as they arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    /// What was asked for.
    pub request: PcsRequest,
    /// The document: JSON as it arrived, a CRL as DER.
    pub body: Vec<u8>,
    /// The chain of its signer, PEM, the signer first. For the root CA's CRL the root certificate alone.
    pub issuer_chain: Vec<u8>,
}

/// How long an [`Endorsement`] holds, and which edition it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When the document was made.
    pub issued: UnixTime,
    /// When a newer one is due.
    pub next_update: UnixTime,
    /// When the first certificate of its issuer chain ends.
    pub chain_ends: UnixTime,
    /// The TCB evaluation data number of a TCB info or identity; none for other documents.
    pub evaluation_data_number: Option<u32>,
}

impl Validity {
    /// The last second at which the document can be relied on: its own end, or that of its chain.
    pub fn ends(&self) -> UnixTime {
        self.next_update.min(self.chain_ends)
    }
}

/// What a PCK certificate says of its platform, once its chain had held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckCertificate {
    /// The CA that issued it.
    pub ca: PckCa,
    /// Intel's extension: PPID, FMSPC, PCEID, TCB.
    pub extension: PckExtension,
    /// When the first certificate of its chain ends.
    pub chain_ends: UnixTime,
}
