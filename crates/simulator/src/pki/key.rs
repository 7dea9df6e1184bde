//! A key of the simulated PKI: ECDSA on P-256, deterministic (RFC 6979).

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha256, Sha384};
use tdattest_wire::bytes::{EcdsaPublicKey, EcdsaSignature};

use super::certificate::Algorithm;
use crate::error::MintError;
use crate::seed::Seed;

/// A signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(SigningKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

impl Key {
    pub(crate) fn derive(seed: &Seed, owner: &str) -> Self {
        // One in 2^32 values is no scalar of the curve: then the next is taken.
        let mut round = 0_u32;
        loop {
            let candidate = seed.bytes::<32>(&format!("key {round} of {owner}"));
            match SigningKey::from_slice(&candidate) {
                Ok(key) => return Self(key),
                Err(_) => round = round.wrapping_add(1),
            }
        }
    }

    /// The public key: an uncompressed point of 65 bytes.
    pub fn point(&self) -> [u8; 65] {
        // The tag of an uncompressed point comes first.
        let mut point = [4; 65];
        point.iter_mut().skip(1).zip(self.public().0).for_each(|(to, from)| *to = from);
        point
    }

    /// The public key as quotes carry it.
    pub fn public(&self) -> EcdsaPublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let mut public = EcdsaPublicKey::default();
        public.0.iter_mut().zip(point.as_bytes().iter().skip(1)).for_each(|(to, from)| *to = *from);
        public
    }

    /// The key identifier of its certificates (RFC 7093, section 2, method 1).
    pub fn identifier(&self) -> [u8; 20] {
        let mut identifier = [0; 20];
        let hash = Sha256::digest(self.point());
        identifier.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        identifier
    }

    /// A signature with SHA-256, as quotes and documents carry it.
    pub fn sign(&self, message: &[u8]) -> EcdsaSignature {
        let signature: Signature = self.0.sign(message);
        EcdsaSignature(signature.to_bytes().into())
    }

    /// A signature in DER, as certificates and CRLs carry it.
    pub(crate) fn sign_der(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, MintError> {
        let signature: Signature = match algorithm {
            Algorithm::EcdsaWithSha256 => self.0.sign(message),
            Algorithm::EcdsaWithSha384 => {
                let digest = Sha384::digest(message);
                self.0.sign_prehash(&digest).map_err(|_| MintError::Signature)?
            }
        };
        Ok(signature.to_der().as_bytes().to_vec())
    }
}
