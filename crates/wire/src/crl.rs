//! Certificate revocation lists: who issued one, when, and which serial numbers it revokes.
//!
//! Source: RFC 5280, "CRL and CRL Extensions Profile". Revocation dates and reasons are not kept: Intel's library
//! ignores them, and a revoked key is revoked from the start.

use alloc::vec::Vec;

use der::asn1::{AnyRef, UintRef};
use der::{Decode, Reader as _, SliceReader, Tag, TagMode, TagNumber, Tagged as _};
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use crate::certificate::{Extensions, Name, RawExtension, SerialNumber, Signature, SignedDer};
use crate::error::{ParseError, ParseErrorKind};
use crate::limits;
use crate::pem;
use crate::time::UnixTime;

/// A CRL as DER, from the texts that Intel's library takes for one.
///
/// PEM if `X509 CRL` begins within the first 13 characters, else hexadecimal of either case without white space. The
/// text ends at its first NUL; what follows the CRL within it is cut off. DER itself is no such text. Unlike OpenSSL,
/// this does not ask that the marker of a PEM block begins a line.
///
/// # Errors
/// When the text is too long or neither.
pub fn from_text(text: &[u8]) -> Result<Vec<u8>, ParseError> {
    pem::crl_text(text)
}

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
        let tbs = TbsCrl::decode(outer.tbs).map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        let next_update = tbs
            .next_update
            .ok_or_else(|| ParseError::invalid(STRUCTURE, "nextUpdate is missing"))?;
        let mut revoked = match tbs.revoked {
            None => Vec::new(),
            Some(entries) => serial_numbers(entries.value())?,
        };
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

/// The serial numbers of the entries `SEQUENCE { serial, date, extensions OPTIONAL }`. What follows a serial number is
/// not decoded: it would be half the time that reading a CRL takes, and nothing uses it.
fn serial_numbers(entries: &[u8]) -> Result<Vec<SerialNumber>, ParseError> {
    let fault = |fault| ParseError::der("CRL", fault);
    let mut reader = SliceReader::new(entries).map_err(fault)?;
    let mut serials = Vec::new();
    while !reader.is_finished() {
        let entry = AnyRef::decode(&mut reader).map_err(fault)?;
        entry.tag().assert_eq(Tag::Sequence).map_err(fault)?;
        let mut fields = SliceReader::new(entry.value()).map_err(fault)?;
        serials.push(SerialNumber::new(UintRef::decode(&mut fields).map_err(fault)?)?);
    }
    Ok(serials)
}

struct TbsCrl<'a> {
    signature: AlgorithmIdentifierRef<'a>,
    issuer: AnyRef<'a>,
    this_update: Time,
    next_update: Option<Time>,
    revoked: Option<AnyRef<'a>>,
    extensions: Option<Vec<RawExtension<'a>>>,
}

impl<'a> TbsCrl<'a> {
    /// Field by field, since the derive would decode every entry of `revokedCertificates`.
    fn decode(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let tbs = reader.sequence(|reader| {
            // version, if present 1 (v2)
            Option::<u8>::decode(reader)?;
            Ok::<_, der::Error>(Self {
                signature: reader.decode()?,
                issuer: reader.decode()?,
                this_update: reader.decode()?,
                next_update: reader.decode()?,
                revoked: match reader.is_finished() || Tag::peek(reader)? != Tag::Sequence {
                    true => None,
                    false => Some(reader.decode()?),
                },
                extensions: reader.context_specific(TagNumber(0), TagMode::Explicit)?,
            })
        })?;
        reader.finish()?;
        Ok(tbs)
    }
}
