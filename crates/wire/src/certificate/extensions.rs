//! The extensions of a certificate or CRL: which there are, and what those of RFC 5280 say.

use alloc::string::String;
use alloc::vec::Vec;

use der::asn1::{ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Sequence};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, KeyUsage, SubjectKeyIdentifier,
};

use super::oid;
use crate::error::{ParseError, ParseErrorKind};
use crate::limits;

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

#[derive(Sequence)]
pub(crate) struct RawExtension<'a> {
    pub(crate) oid: ObjectIdentifier,
    #[asn1(default = "Default::default")]
    pub(crate) critical: bool,
    pub(crate) value: &'a OctetStringRef,
}
