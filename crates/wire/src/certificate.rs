//! X.509 certificates and the parts they share with CRLs: borrowed, field by field, with the exact signed bytes.
//!
//! Source: RFC 5280, "Certificate and Certificate Extensions Profile".
//! Must stay true: [`Certificate::tbs`] is the slice of the input that the issuer signed, never an encoding made anew.

mod extensions;
mod name;

pub(crate) use extensions::RawExtension;
pub use extensions::{Extension, Extensions};
pub use name::Name;

use alloc::vec::Vec;
use core::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Reader as _, Sequence, SliceReader};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use x509_cert::time::Time;

use crate::error::{ParseError, ParseErrorKind};
use crate::limits;
use crate::time::UnixTime;

/// OIDs that certificates and CRLs of Intel's PKI carry.
pub mod oid {
    use der::asn1::ObjectIdentifier;

    /// ECDSA with SHA-256 (RFC 5758).
    pub const ECDSA_WITH_SHA_256: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    /// An elliptic-curve public key (RFC 5480).
    pub const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    /// The curve P-256 (RFC 5480).
    pub const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    /// Common name, of a distinguished name.
    pub const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    /// What Intel's library compares names by: common name, country, organisation, locality, state.
    pub(crate) const FIVE_FIELDS: [ObjectIdentifier; 5] = [
        COMMON_NAME,
        ObjectIdentifier::new_unwrap("2.5.4.6"),
        ObjectIdentifier::new_unwrap("2.5.4.10"),
        ObjectIdentifier::new_unwrap("2.5.4.7"),
        ObjectIdentifier::new_unwrap("2.5.4.8"),
    ];
    /// Subject key identifier.
    pub const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
    /// Key usage.
    pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
    /// Basic constraints.
    pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
    /// CRL number.
    pub const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
    /// CRL distribution points.
    pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
    /// Authority key identifier.
    pub const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
    /// Intel's SGX extension of a PCK certificate.
    pub const SGX_EXTENSION: ObjectIdentifier =
        ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
}

/// A parsed certificate, untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The whole certificate.
    pub der: &'a [u8],
    /// The bytes under the issuer's signature.
    pub tbs: &'a [u8],
    /// Its number among its issuer's certificates.
    pub serial: SerialNumber,
    /// Who signed it.
    pub issuer: Name<'a>,
    /// Who it speaks of.
    pub subject: Name<'a>,
    /// Not valid before this second.
    pub not_before: UnixTime,
    /// Not valid after this second.
    pub not_after: UnixTime,
    /// The subject's key.
    pub public_key: PublicKeyInfo<'a>,
    /// Its extensions; no two have the same OID.
    pub extensions: Extensions<'a>,
    /// The issuer's signature and its algorithm.
    pub signature: Signature<'a>,
}

/// A public key as a certificate gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyInfo<'a> {
    /// The key's algorithm.
    pub algorithm: ObjectIdentifier,
    /// The curve, if the algorithm has one.
    pub curve: Option<ObjectIdentifier>,
    /// The key: for an elliptic curve, an encoded point.
    pub key: &'a [u8],
}

/// A signature as a certificate or CRL carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The algorithm named beside the signature.
    pub algorithm: ObjectIdentifier,
    /// The algorithm named inside the signed bytes, which must be the same.
    pub signed_algorithm: ObjectIdentifier,
    /// The signature: for ECDSA, a DER sequence of r and s.
    pub bytes: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Parses one DER certificate with nothing after it.
    ///
    /// # Errors
    /// When it is too long, not DER, has the same extension twice, or a serial number of over 20 bytes.
    pub fn parse(der: &'a [u8]) -> Result<Self, ParseError> {
        const STRUCTURE: &str = "certificate";
        if der.len() > limits::CERTIFICATE_BYTES {
            let (limit, found) = (limits::CERTIFICATE_BYTES, der.len());
            let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
            return Err(ParseError::new(STRUCTURE, kind));
        }
        let outer = SignedDer::parse(der).map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        let tbs = TbsCertificate::from_der(outer.tbs)
            .map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        Ok(Self {
            der,
            tbs: outer.tbs,
            serial: SerialNumber::new(tbs.serial)?,
            issuer: Name(tbs.issuer),
            subject: Name(tbs.subject),
            not_before: UnixTime::from_x509(&tbs.validity.not_before),
            not_after: UnixTime::from_x509(&tbs.validity.not_after),
            public_key: PublicKeyInfo::new(&tbs.public_key)?,
            extensions: Extensions::new(tbs.extensions, STRUCTURE)?,
            signature: outer.signature(tbs.signature),
        })
    }
}

/// The serial number of a certificate: at most 20 significant bytes, big endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber {
    length: u8,
    bytes: [u8; 20],
}

impl SerialNumber {
    pub(crate) fn new(number: UintRef<'_>) -> Result<Self, ParseError> {
        let significant = number.as_bytes();
        let mut bytes = [0; 20];
        let (Ok(length), Some(target)) =
            (u8::try_from(significant.len()), bytes.get_mut(..significant.len()))
        else {
            return Err(ParseError::invalid("serial number", "has over 20 bytes"));
        };
        target.copy_from_slice(significant);
        Ok(Self { length, bytes })
    }

    /// The bytes, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&crate::bytes::Hex(self.as_bytes()), f)
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl<'a> PublicKeyInfo<'a> {
    fn new(raw: &SubjectPublicKeyInfoRef<'a>) -> Result<Self, ParseError> {
        let key = raw.subject_public_key.as_bytes();
        let key =
            key.ok_or_else(|| ParseError::invalid("certificate", "public key has unused bits"))?;
        let curve =
            raw.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        Ok(Self { algorithm: raw.algorithm.oid, curve, key })
    }
}

/// What certificates and CRLs have in common: signed bytes, an algorithm, a signature.
pub(crate) struct SignedDer<'a> {
    pub(crate) tbs: &'a [u8],
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

impl<'a> SignedDer<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let parts = reader.sequence(|reader| {
            Ok::<_, der::Error>(Self {
                tbs: reader.tlv_bytes()?,
                algorithm: AlgorithmIdentifierRef::decode(reader)?,
                signature: BitStringRef::decode(reader)?,
            })
        })?;
        reader.finish()?;
        Ok(parts)
    }

    pub(crate) fn signature(&self, signed: AlgorithmIdentifierRef<'_>) -> Signature<'a> {
        Signature {
            algorithm: self.algorithm.oid,
            signed_algorithm: signed.oid,
            bytes: self.signature.as_bytes().unwrap_or_default(),
        }
    }
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: u8,
    serial: UintRef<'a>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    public_key: SubjectPublicKeyInfoRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<RawExtension<'a>>>,
}
