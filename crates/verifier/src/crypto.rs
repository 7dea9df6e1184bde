//! ECDSA P-256 with SHA-256, and the hashes: the only file that names a cryptography crate.
//!
//! A provider is a value handed to [`Verifier::new`](crate::Verifier::new). All providers give the same answers: each
//! runs Project Wycheproof's vectors and every other test.

use alloc::boxed::Box;

use sha2::{Digest, Sha256, Sha384};

/// Verifies ECDSA P-256/SHA-256 signatures.
///
/// Sealed: a provider that said yes to everything would make every witness of this crate worthless.
pub trait Crypto: Send + Sync + sealed::Sealed {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// A key from an uncompressed point (0x04, x, y); `None` if the point is not on the curve.
    fn verifying_key(&self, point: &[u8; 65]) -> Option<Box<dyn VerifyingKey>>;
}

/// A public key on P-256.
pub trait VerifyingKey: Send + Sync + sealed::Sealed {
    /// Whether `signature` (r then s, 32 bytes each, big endian) is of `message`.
    fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> bool;

    /// Whether `signature` (a DER sequence of r and s) is of `message`.
    fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::RustCrypto {}
    impl Sealed for p256::ecdsa::VerifyingKey {}
    #[cfg(feature = "aws-lc-rs")]
    impl Sealed for super::AwsLc {}
    #[cfg(feature = "aws-lc-rs")]
    impl Sealed for super::AwsLcKey {}
}

/// The portable provider: pure Rust, for every target.
pub fn rust_crypto() -> &'static dyn Crypto {
    &RustCrypto
}

struct RustCrypto;

impl Crypto for RustCrypto {
    fn name(&self) -> &'static str {
        "p256"
    }

    fn verifying_key(&self, point: &[u8; 65]) -> Option<Box<dyn VerifyingKey>> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
        Some(Box::new(key))
    }
}

impl VerifyingKey for p256::ecdsa::VerifyingKey {
    fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        use p256::ecdsa::signature::Verifier;
        p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.verify(message, &signature).is_ok())
    }

    fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool {
        use p256::ecdsa::signature::Verifier;
        p256::ecdsa::Signature::from_der(signature)
            .is_ok_and(|signature| self.verify(message, &signature).is_ok())
    }
}

/// The fastest native provider: AWS-LC.
#[cfg(feature = "aws-lc-rs")]
pub fn aws_lc() -> &'static dyn Crypto {
    &AwsLc
}

#[cfg(feature = "aws-lc-rs")]
struct AwsLc;

/// One parsed key for both forms of signature: parsing it costs a tenth of a verification.
#[cfg(feature = "aws-lc-rs")]
struct AwsLcKey(aws_lc_rs::signature::ParsedPublicKey);

#[cfg(feature = "aws-lc-rs")]
impl Crypto for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn verifying_key(&self, point: &[u8; 65]) -> Option<Box<dyn VerifyingKey>> {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()?;
        Some(Box::new(AwsLcKey(key)))
    }
}

#[cfg(feature = "aws-lc-rs")]
impl VerifyingKey for AwsLcKey {
    fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // AWS-LC itself goes by way of DER for a signature of this form.
        let (r, s) = signature.split_at(32);
        der_signature(r, s).is_ok_and(|der| self.verify_der(message, &der))
    }

    fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// The DER sequence of r and s.
#[cfg(feature = "aws-lc-rs")]
fn der_signature(r: &[u8], s: &[u8]) -> der::Result<alloc::vec::Vec<u8>> {
    use der::{Encode, asn1::UintRef};
    alloc::vec![UintRef::new(r)?, UintRef::new(s)?].to_der()
}

/// SHA-256 of the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-384 of `bytes`.
pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    Sha384::digest(bytes).into()
}

/// An uncompressed point from x and y.
pub(crate) fn uncompressed(xy: &[u8; 64]) -> [u8; 65] {
    let mut point = [4; 65];
    let [_, rest @ ..] = &mut point;
    rest.copy_from_slice(xy);
    point
}
