//! One certificate before it is sealed: every field open to change.

use der::asn1::{BitString, ObjectIdentifier, UintRef};
use der::{Encode, Sequence};
use tdattest_wire::certificate::oid;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::{Extension, Extensions, Key, Name, distinguished_name};
use crate::error::MintError;
use crate::platform::Window;
use crate::time::x509_time;

/// A certificate to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDraft {
    /// Serial number, big endian.
    pub serial: Vec<u8>,
    /// Common name of the issuer.
    pub issuer: String,
    /// Common name of the subject.
    pub subject: String,
    /// First and last second.
    pub window: Window,
    /// The subject's key.
    pub key: Key,
    /// The extensions, in order.
    pub extensions: Extensions,
    /// The signature's algorithm.
    pub algorithm: Algorithm,
    /// Whoever signs it.
    pub signer: Key,
}

/// Signature algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The only one of Intel's PKI.
    EcdsaWithSha256,
    /// A genuine signature that no verifier of Intel's PKI should accept.
    EcdsaWithSha384,
}

impl Algorithm {
    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::EcdsaWithSha256 => oid::ECDSA_WITH_SHA_256,
            Self::EcdsaWithSha384 => ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        }
    }

    pub(super) fn identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid(), parameters: None }
    }
}

/// Who issues a certificate.
pub(super) struct Issuer<'i> {
    pub(super) name: &'i str,
    pub(super) key: Key,
    pub(super) crl_url: String,
}

#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: UintRef<'a>,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<x509_cert::ext::Extension>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

/// X.509 version 3, as it is encoded.
const VERSION_3: u8 = 2;

impl CertificateDraft {
    /// A certificate with the extensions that every one of Intel's has; a CA if it may have CAs below it.
    pub(super) fn new(
        subject: &str,
        issuer: &Issuer<'_>,
        key: Key,
        window: Window,
        ca: Option<u8>,
    ) -> Self {
        let extensions = Extensions(vec![
            Extension::AuthorityKeyId(issuer.key.identifier()),
            Extension::CrlDistributionPoint(issuer.crl_url.clone()),
            Extension::SubjectKeyId(key.identifier()),
            Extension::KeyUsage { ca: ca.is_some() },
            Extension::BasicConstraints { ca: ca.is_some(), path_length: ca },
        ]);
        Self {
            // As in Intel's PKI: the key identifier is the serial number.
            serial: key.identifier().to_vec(),
            issuer: issuer.name.into(),
            subject: subject.into(),
            window,
            key,
            extensions,
            algorithm: Algorithm::EcdsaWithSha256,
            signer: issuer.key.clone(),
        }
    }

    /// Gives it to another signer, whose key it then also names.
    pub fn issued_by(&mut self, signer: &Key) {
        self.extensions.set(Extension::AuthorityKeyId(signer.identifier()));
        self.signer = signer.clone();
    }

    /// Whether its key may sign certificates.
    pub(crate) fn is_ca(&self) -> bool {
        self.extensions.0.contains(&Extension::KeyUsage { ca: true })
    }

    /// The same self-signed certificate for another key.
    pub(crate) fn with_key(mut self, key: &Key) -> Self {
        self.key = key.clone();
        self.extensions.set(Extension::SubjectKeyId(key.identifier()));
        self.issued_by(key);
        self
    }

    /// The signed certificate, DER.
    ///
    /// # Errors
    /// When a field cannot be encoded.
    pub fn der(&self) -> Result<Vec<u8>, MintError> {
        let public_key = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned {
                oid: oid::EC_PUBLIC_KEY,
                parameters: Some(der::Any::encode_from(&oid::P_256)?),
            },
            subject_public_key: BitString::from_bytes(&self.key.point())?,
        };
        let tbs = Tbs {
            version: VERSION_3,
            serial: UintRef::new(&self.serial)?,
            signature: self.algorithm.identifier(),
            issuer: distinguished_name(&self.issuer)?,
            validity: Validity {
                not_before: x509_time(self.window.from)?,
                not_after: x509_time(self.window.to)?,
            },
            subject: distinguished_name(&self.subject)?,
            public_key,
            extensions: self.extensions.encode()?,
        };
        seal(&tbs.to_der()?, self.algorithm, &self.signer)
    }
}

/// Certificate or CRL: what is signed, the algorithm, the signature.
pub(super) fn seal(tbs: &[u8], algorithm: Algorithm, signer: &Key) -> Result<Vec<u8>, MintError> {
    let signature = BitString::from_bytes(&signer.sign_der(algorithm, tbs)?)?.to_der()?;
    let content = [tbs, &algorithm.identifier().to_der()?, &signature].concat();
    Ok(der::Any::new(der::Tag::Sequence, content)?.to_der()?)
}
