//! ECDSA P-256 with SHA-256, and the hashes: the only file that names a cryptography crate.
//!
//! A provider is a value handed to [`Verifier::new`](crate::Verifier::new). All providers give the same answers: each
//! runs Project Wycheproof's vectors and every other test.

use alloc::boxed::Box;

use sha2::{Digest, Sha256, Sha384};

/// Verifies ECDSA P-256/SHA-256 signatures.
pub trait Crypto: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// A key from an uncompressed point (0x04, x, y); `None` if the point is not on the curve.
    fn verifying_key(&self, point: &[u8; 65]) -> Option<Box<dyn VerifyingKey>>;
}

/// A public key on P-256.
pub trait VerifyingKey: Send + Sync {
    /// Whether `signature` (r then s, 32 bytes each, big endian) is of `message`.
    fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> bool;

    /// Whether `signature` (a DER sequence of r and s) is of `message`.
    fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool;
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

#[cfg(feature = "aws-lc-rs")]
struct AwsLcKey {
    fixed: aws_lc_rs::signature::ParsedPublicKey,
    der: aws_lc_rs::signature::ParsedPublicKey,
}

#[cfg(feature = "aws-lc-rs")]
impl Crypto for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn verifying_key(&self, point: &[u8; 65]) -> Option<Box<dyn VerifyingKey>> {
        use aws_lc_rs::signature::{
            ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey,
        };
        let fixed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
        let der = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()?;
        Some(Box::new(AwsLcKey { fixed, der }))
    }
}

#[cfg(feature = "aws-lc-rs")]
impl VerifyingKey for AwsLcKey {
    fn verify_fixed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.fixed.verify_sig(message, signature).is_ok()
    }

    fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool {
        self.der.verify_sig(message, signature).is_ok()
    }
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
