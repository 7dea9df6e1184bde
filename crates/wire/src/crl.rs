//! Certificate revocation lists: who issued one, when, and which serial numbers it revokes.
//!
//! Source: RFC 5280, "CRL and CRL Extensions Profile". Revocation dates and reasons are not kept: Intel's library
//! ignores them, and a revoked key is revoked from the start.

use alloc::vec::Vec;

use der::asn1::{AnyRef, UintRef};
use der::{Decode, Sequence};
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use crate::certificate::{Extensions, Name, RawExtension, SerialNumber, Signature, SignedDer};
use crate::error::{ParseError, ParseErrorKind};
use crate::limits;
use crate::time::UnixTime;

/// A parsed CRL, untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl<'a> {
    /// The bytes under the issuer's signature.
    pub tbs: &'a [u8],
    /// Who signed it.
    pub issuer: Name<'a>,
    /// When it was issued.
    pub this_update: UnixTime,
    /// When the next one is due, which Intel always says.
    pub next_update: UnixTime,
    /// The revoked serial numbers, sorted.
    pub revoked: Vec<SerialNumber>,
    /// Its extensions; no two have the same OID.
    pub extensions: Extensions<'a>,
    /// The issuer's signature and its algorithm.
    pub signature: Signature<'a>,
}

impl<'a> Crl<'a> {
    /// Parses one DER CRL with nothing after it.
    ///
    /// # Errors
    /// When it is too long, not DER, or does not say when the next one is due.
    pub fn parse(der: &'a [u8]) -> Result<Self, ParseError> {
        const STRUCTURE: &str = "CRL";
        if der.len() > limits::CRL_BYTES {
            let (limit, found) = (limits::CRL_BYTES, der.len());
            let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
            return Err(ParseError::new(STRUCTURE, kind));
        }
        let outer = SignedDer::parse(der).map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        let tbs = TbsCrl::from_der(outer.tbs).map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        let next_update = tbs
            .next_update
            .ok_or_else(|| ParseError::invalid(STRUCTURE, "nextUpdate is missing"))?;
        let revoked = tbs.revoked.unwrap_or_default();
        let mut revoked: Vec<SerialNumber> = revoked
            .iter()
            .map(|entry| SerialNumber::new(entry.serial))
            .collect::<Result<_, _>>()?;
        revoked.sort_unstable();
        Ok(Self {
            tbs: outer.tbs,
            issuer: Name(tbs.issuer),
            this_update: UnixTime::from_x509(&tbs.this_update),
            next_update: UnixTime::from_x509(&next_update),
            revoked,
            extensions: Extensions::new(tbs.extensions, STRUCTURE)?,
            signature: outer.signature(tbs.signature),
        })
    }
}

#[derive(Sequence)]
struct RevokedCertificate<'a> {
    serial: UintRef<'a>,
    date: Time,
    extensions: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct TbsCrl<'a> {
    version: Option<u8>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: AnyRef<'a>,
    this_update: Time,
    next_update: Option<Time>,
    revoked: Option<Vec<RevokedCertificate<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<RawExtension<'a>>>,
}
