//! The public key of any certificate, version 1 included, and whether a handshake was signed with it.
//!
//! Source: RFC 5280, "Basic Certificate Fields"; RFC 5246, "CertificateVerify". TLS libraries refuse to open a
//! certificate of version 1, and a pinned one needs nothing but its key.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};

/// A SubjectPublicKeyInfo, and its two parts.
#[derive(Debug)]
pub(super) struct PublicKey<'a> {
    info: &'a [u8],
    algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> PublicKey<'a> {
    pub(super) fn of(certificate: &'a [u8]) -> Result<Self, Error> {
        read(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    /// The whole of it, DER.
    pub(super) fn info(&self) -> &'a [u8] {
        self.info
    }

    /// Whether a message of TLS 1.2 was signed with the key.
    pub(super) fn verify(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        provider: &CryptoProvider,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mapping = provider.signature_verification_algorithms.mapping;
        let (_, algorithms) = mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        // In TLS 1.2 a scheme leaves the curve open: the key says which it is.
        let fits = algorithms.iter().any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == self.algorithm
                && algorithm.verify_signature(self.key, message, signed.signature()).is_ok()
        });
        if fits {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}

/// Walks to the key: the seventh field of a certificate with a version, the sixth of one without.
fn read(certificate: &[u8]) -> der::Result<PublicKey<'_>> {
    let outer = AnyRef::from_der(certificate)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(outer.value())?;
    let signed = AnyRef::decode(&mut fields)?;
    signed.tag().assert_eq(Tag::Sequence)?;

    let mut fields = SliceReader::new(signed.value())?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    if Tag::peek(&fields)? == version {
        AnyRef::decode(&mut fields)?;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        AnyRef::decode(&mut fields)?;
    }
    let info = fields.tlv_bytes()?;
    let parts = AnyRef::from_der(info)?;
    parts.tag().assert_eq(Tag::Sequence)?;
    let mut parts = SliceReader::new(parts.value())?;
    let algorithm = AnyRef::decode(&mut parts)?;
    let key = BitStringRef::decode(&mut parts)?;
    let key = key
        .as_bytes()
        .ok_or_else(|| der::Error::from(der::ErrorKind::Value { tag: Tag::BitString }))?;
    Ok(PublicKey { info, algorithm: algorithm.value(), key })
}
