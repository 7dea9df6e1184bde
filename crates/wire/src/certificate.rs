//! X.509 certificates and the parts they share with CRLs: borrowed, field by field, with the exact signed bytes.
//!
//! Source: RFC 5280, "Certificate and Certificate Extensions Profile".
//! Must stay true: [`Certificate::tbs`] is the slice of the input that the issuer signed, never an encoding made anew.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Reader as _, Sequence, SliceReader, Tag, Tagged as _};
use x509_cert::ext::pkix::name::{DirectoryString, DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, KeyUsage, SubjectKeyIdentifier,
};
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

/// The extensions of a certificate or CRL, by OID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a>(Vec<Extension<'a>>);

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Which extension it is.
    pub oid: ObjectIdentifier,
    /// Whether whoever does not know it must refuse the certificate.
    pub critical: bool,
    /// Its value, DER.
    pub value: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(crate) fn new(
        raw: Option<Vec<RawExtension<'a>>>,
        structure: &'static str,
    ) -> Result<Self, ParseError> {
        let raw = raw.unwrap_or_default();
        if raw.len() > limits::EXTENSIONS {
            let kind = ParseErrorKind::TooLarge {
                limit: limits::EXTENSIONS,
                found: raw.len(),
                unit: "extensions",
            };
            return Err(ParseError::new(structure, kind));
        }
        let mut extensions = Self::default();
        for RawExtension { oid, critical, value } in raw {
            if extensions.get(oid).is_some() {
                return Err(ParseError::invalid(
                    structure,
                    alloc::format!("extension {oid} stands twice"),
                ));
            }
            extensions.0.push(Extension { oid, critical, value: value.as_bytes() });
        }
        Ok(extensions)
    }

    /// The extension with this OID.
    pub fn get(&self, oid: ObjectIdentifier) -> Option<&Extension<'a>> {
        self.0.iter().find(|extension| extension.oid == oid)
    }

    /// All of them, in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Extension<'a>> {
        self.0.iter()
    }

    /// The subject key identifier; `None` when absent or malformed.
    pub fn subject_key_id(&self) -> Option<Vec<u8>> {
        let value = self.get(oid::SUBJECT_KEY_ID)?.value;
        SubjectKeyIdentifier::from_der(value).ok().map(|id| id.0.as_bytes().to_vec())
    }

    /// The key identifier of the authority key identifier; `None` when absent or malformed.
    pub fn authority_key_id(&self) -> Option<Vec<u8>> {
        let value = self.get(oid::AUTHORITY_KEY_ID)?.value;
        let id = AuthorityKeyIdentifier::from_der(value).ok()?.key_identifier?;
        Some(id.as_bytes().to_vec())
    }

    /// CA flag and path length of the basic constraints; `None` when absent or malformed.
    pub fn basic_constraints(&self) -> Option<(bool, Option<u8>)> {
        let value = self.get(oid::BASIC_CONSTRAINTS)?.value;
        BasicConstraints::from_der(value).ok().map(|it| (it.ca, it.path_len_constraint))
    }

    /// The key usage; `None` when absent or malformed.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        KeyUsage::from_der(self.get(oid::KEY_USAGE)?.value).ok()
    }

    /// The first address at which the CRL that the certificate may be in is published.
    pub fn crl_address(&self) -> Option<String> {
        let value = self.get(oid::CRL_DISTRIBUTION_POINTS)?.value;
        let CrlDistributionPoints(points) = CrlDistributionPoints::from_der(value).ok()?;
        points.into_iter().find_map(|point| match point.distribution_point? {
            DistributionPointName::FullName(names) => {
                names.into_iter().find_map(|name| match name {
                    GeneralName::UniformResourceIdentifier(address) => {
                        Some(address.as_str().into())
                    }
                    _ => None,
                })
            }
            DistributionPointName::NameRelativeToCRLIssuer(_) => None,
        })
    }

    /// The CRL number, big endian; `None` when absent or malformed.
    pub fn crl_number(&self) -> Option<&'a [u8]> {
        UintRef::from_der(self.get(oid::CRL_NUMBER)?.value).ok().map(|number| number.as_bytes())
    }
}

/// A distinguished name: compared byte for byte, shown as RFC 4514 does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(pub(crate) AnyRef<'a>);

impl<'a> Name<'a> {
    /// The encoded name, which is what names are compared by.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.value()
    }

    /// The first common name; empty if there is none or it is not a string.
    pub fn common_name(&self) -> String {
        let text = self.attribute(oid::COMMON_NAME).ok().flatten();
        let text = text.and_then(|value| value.decode_as::<DirectoryString>().ok());
        text.map(|text| text.value().into()).unwrap_or_default()
    }

    /// The value of the first attribute of a kind. The others are passed over, not decoded.
    fn attribute(&self, wanted: ObjectIdentifier) -> der::Result<Option<AnyRef<'a>>> {
        self.0.tag().assert_eq(Tag::Sequence)?;
        let mut sets = SliceReader::new(self.0.value())?;
        let mut found = None;
        while !sets.is_finished() {
            let set = AnyRef::decode(&mut sets)?;
            set.tag().assert_eq(Tag::Set)?;
            let mut attributes = SliceReader::new(set.value())?;
            while !attributes.is_finished() {
                let (kind, value) = attributes.sequence(|attribute| {
                    let kind = ObjectIdentifier::decode(attribute)?;
                    Ok::<_, der::Error>((kind, AnyRef::decode(attribute)?))
                })?;
                if kind == wanted && found.is_none() {
                    found = Some(value);
                }
            }
        }
        Ok(found)
    }

    fn decoded(&self) -> Option<x509_cert::name::Name> {
        let der = self.0.to_der().ok()?;
        x509_cert::name::Name::from_der(&der).ok()
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decoded() {
            // A CRL's issuer may be as long as the CRL.
            Some(name) => alloc::format!("{name}")
                .chars()
                .take(SHOWN_CHARACTERS)
                .try_for_each(|c| f.write_char(c)),
            None => f.write_str("(not a distinguished name)"),
        }
    }
}

/// Most characters of a name that are shown. Intel's names have about 100.
const SHOWN_CHARACTERS: usize = 256;

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
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
pub(crate) struct RawExtension<'a> {
    pub(crate) oid: ObjectIdentifier,
    #[asn1(default = "Default::default")]
    pub(crate) critical: bool,
    pub(crate) value: &'a OctetStringRef,
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
