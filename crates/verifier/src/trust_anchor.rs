//! The root that everything hangs from: a value, never a default of some call.
//!
//! An anchor is a public key. Intel has issued several root certificates for one key (some to 2033, one to
//! 2049), and production quotes carry three of them. A root certificate is good if it has the anchor's key and its own signature holds; for the
//! anchor's own certificate, known by its digest, that is known beforehand.

use alloc::string::{String, ToString as _};

use data_encoding::HEXLOWER;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::error::{ParseError, ParseErrorKind};

use crate::crypto::sha256;

/// Which root key is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    name: String,
    subject: String,
    point: [u8; 65],
    certificate_sha256: [u8; 32],
}

/// The key of the Intel SGX Root CA.
#[rustfmt::skip]
const INTEL_ROOT_CA_POINT: [u8; 65] = [
    0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda,
    0x10, 0xa8, 0xbb, 0xd4, 0xe8, 0x8e, 0x48, 0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25,
    0xf5, 0x67, 0x91, 0x8e, 0x2e, 0xdc, 0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a,
    0xac, 0xc9, 0x88, 0xe5, 0x05, 0xa9, 0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73,
    0x94,
];

/// SHA-256 of the root certificate that Intel publishes today (valid to 2049).
const INTEL_ROOT_CA_SHA256: [u8; 32] = [
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
    0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3,
];

impl TrustAnchor {
    /// The Intel SGX Root CA, under which every production SGX and TDX platform stands.
    pub fn intel() -> Self {
        Self {
            name: "Intel SGX Root CA".into(),
            subject: "C=US,ST=CA,L=Santa Clara,O=Intel Corporation,CN=Intel SGX Root CA".into(),
            point: INTEL_ROOT_CA_POINT,
            certificate_sha256: INTEL_ROOT_CA_SHA256,
        }
    }

    /// A root certificate of your own, DER: for a simulator or a private PKI.
    ///
    /// # Errors
    /// When it is not a certificate, or its key is not an uncompressed point of 65 bytes.
    pub fn from_der(certificate: &[u8]) -> Result<Self, ParseError> {
        let parsed = Certificate::parse(certificate)?;
        let point = parsed.public_key.key.try_into().map_err(|_| ParseError {
            kind: ParseErrorKind::Invalid("public key is not an uncompressed P-256 point".into()),
            structure: "root CA certificate",
            offset: 0,
        })?;
        let (name, subject) = (parsed.subject.common_name(), parsed.subject.to_string());
        Ok(Self { name, subject, point, certificate_sha256: sha256(&[certificate]) })
    }

    /// The root's common name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root's whole name: two roots of one common name can differ in who they say they are.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether it is Intel's key, and not one that was merely named like it.
    pub fn is_intel(&self) -> bool {
        self.point == INTEL_ROOT_CA_POINT
    }

    /// SHA-256 of the root's public key (an uncompressed point), in hexadecimal.
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(&sha256(&[&self.point]))
    }

    /// Whether a certificate is for the anchor's key. Says nothing about what else is in it.
    pub(crate) fn has_key_of(&self, certificate: &Certificate<'_>) -> bool {
        certificate.public_key.key == self.point
    }

    /// Whether a certificate is the anchor's own, whose signature is known to hold.
    pub(crate) fn is(&self, certificate: &Certificate<'_>) -> bool {
        sha256(&[certificate.der]) == self.certificate_sha256
    }
}
