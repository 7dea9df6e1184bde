//! The extensions of Intel's certificates and CRLs, by what they mean.

use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier, OctetString, UintRef};
use tdattest_wire::certificate::oid;
use tdattest_wire::pck::PckExtension;
use x509_cert::ext::pkix::crl::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};

use super::sgx_extension;
use crate::error::MintError;

/// An extension to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The key of the issuer.
    AuthorityKeyId([u8; 20]),
    /// Where the issuer's CRL is.
    CrlDistributionPoint(String),
    /// The key of the subject.
    SubjectKeyId([u8; 20]),
    /// What the key is for: signing certificates and CRLs, or everything else.
    KeyUsage {
        /// Whether it is that of a CA.
        ca: bool,
    },
    /// Whether the subject is a CA, and how many CAs may follow.
    BasicConstraints {
        /// Whether it is a CA.
        ca: bool,
        /// How many CAs may stand below it.
        path_length: Option<u8>,
    },
    /// The number of a CRL.
    CrlNumber(u64),
    /// Intel's SGX extension.
    Sgx(Box<PckExtension>),
    /// Any other.
    Other {
        /// Which.
        oid: ObjectIdentifier,
        /// Whether whoever does not know it must refuse the certificate.
        critical: bool,
        /// Its value, DER.
        value: Vec<u8>,
    },
}

impl Extension {
    /// Which extension it is.
    pub fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::AuthorityKeyId(_) => oid::AUTHORITY_KEY_ID,
            Self::CrlDistributionPoint(_) => oid::CRL_DISTRIBUTION_POINTS,
            Self::SubjectKeyId(_) => oid::SUBJECT_KEY_ID,
            Self::KeyUsage { .. } => oid::KEY_USAGE,
            Self::BasicConstraints { .. } => oid::BASIC_CONSTRAINTS,
            Self::CrlNumber(_) => oid::CRL_NUMBER,
            Self::Sgx(_) => oid::SGX_EXTENSION,
            Self::Other { oid, .. } => *oid,
        }
    }

    fn critical(&self) -> bool {
        match self {
            Self::KeyUsage { .. } | Self::BasicConstraints { .. } => true,
            Self::Other { critical, .. } => *critical,
            _ => false,
        }
    }

    fn value(&self) -> Result<Vec<u8>, MintError> {
        Ok(match self {
            Self::AuthorityKeyId(id) => {
                let key_identifier = Some(OctetString::new(&id[..])?);
                AuthorityKeyIdentifier { key_identifier, ..Default::default() }.to_der()?
            }
            Self::CrlDistributionPoint(url) => distribution_point(url)?.to_der()?,
            Self::SubjectKeyId(id) => SubjectKeyIdentifier(OctetString::new(&id[..])?).to_der()?,
            Self::KeyUsage { ca: true } => {
                KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign).to_der()?
            }
            Self::KeyUsage { ca: false } => {
                KeyUsage(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation).to_der()?
            }
            Self::BasicConstraints { ca, path_length } => {
                BasicConstraints { ca: *ca, path_len_constraint: *path_length }.to_der()?
            }
            Self::CrlNumber(number) => UintRef::new(&number.to_be_bytes())?.to_der()?,
            Self::Sgx(extension) => sgx_extension::to_der(extension)?,
            Self::Other { value, .. } => value.clone(),
        })
    }

    pub(super) fn encode(&self) -> Result<x509_cert::ext::Extension, MintError> {
        Ok(x509_cert::ext::Extension {
            extn_id: self.oid(),
            critical: self.critical(),
            extn_value: OctetString::new(self.value()?)?,
        })
    }
}

fn distribution_point(url: &str) -> Result<CrlDistributionPoints, MintError> {
    let name = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
    Ok(CrlDistributionPoints(vec![DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![name])),
        reasons: None,
        crl_issuer: None,
    }]))
}

/// The extensions of a certificate or CRL, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions(pub Vec<Extension>);

impl Extensions {
    /// Puts an extension in the place of the one with its OID, or at the end.
    pub fn set(&mut self, extension: Extension) {
        match self.0.iter_mut().find(|found| found.oid() == extension.oid()) {
            Some(found) => *found = extension,
            None => self.0.push(extension),
        }
    }

    /// Takes an extension away.
    pub fn remove(&mut self, oid: ObjectIdentifier) {
        self.0.retain(|found| found.oid() != oid);
    }

    /// What Intel's SGX extension says, open to change.
    pub fn sgx_mut(&mut self) -> Option<&mut PckExtension> {
        self.0.iter_mut().find_map(|extension| match extension {
            Extension::Sgx(sgx) => Some(&mut **sgx),
            _ => None,
        })
    }

    pub(super) fn encode(&self) -> Result<Vec<x509_cert::ext::Extension>, MintError> {
        self.0.iter().map(Extension::encode).collect()
    }
}
