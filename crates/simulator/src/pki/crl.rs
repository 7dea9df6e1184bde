//! A CRL before it is sealed.

use der::asn1::UintRef;
use der::{Encode, Sequence};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use tdattest_wire::time::UnixTime;

use super::certificate::{Algorithm, seal};
use super::{CertificateDraft, Extension, Extensions, Key, Name, distinguished_name};
use crate::error::MintError;
use crate::platform::Window;
use crate::time::x509_time;

/// A CRL to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlDraft {
    /// Common name of the issuer.
    pub issuer: String,
    /// When it is issued.
    pub this_update: UnixTime,
    /// When the next is due.
    pub next_update: Option<UnixTime>,
    /// The serial numbers it revokes, big endian.
    pub revoked: Vec<Vec<u8>>,
    /// The extensions, in order.
    pub extensions: Extensions,
    /// The signature's algorithm.
    pub algorithm: Algorithm,
    /// Whoever signs it.
    pub signer: Key,
}

#[derive(Sequence)]
struct Tbs<'a> {
    version: u8,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    #[asn1(optional = "true")]
    next_update: Option<Time>,
    #[asn1(optional = "true")]
    revoked: Option<Vec<Entry<'a>>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    extensions: Vec<x509_cert::ext::Extension>,
}

#[derive(Sequence)]
struct Entry<'a> {
    serial: UintRef<'a>,
    date: Time,
}

/// CRL version 2, as it is encoded.
const VERSION_2: u8 = 1;

impl CrlDraft {
    /// A CRL of a CA.
    pub(crate) fn new(ca: &CertificateDraft, window: Window, revoked: Vec<Vec<u8>>) -> Self {
        Self {
            issuer: ca.subject.clone(),
            this_update: window.from,
            next_update: Some(window.to),
            revoked,
            extensions: Extensions(vec![
                // It grows with time, as a CRL number must.
                Extension::CrlNumber(window.from.as_secs()),
                Extension::AuthorityKeyId(ca.key.identifier()),
            ]),
            algorithm: Algorithm::EcdsaWithSha256,
            signer: ca.key.clone(),
        }
    }

    /// The signed CRL, DER.
    ///
    /// # Errors
    /// When a field cannot be encoded.
    pub fn der(&self) -> Result<Vec<u8>, MintError> {
        let this_update = x509_time(self.this_update)?;
        let entries: Vec<Entry<'_>> = self
            .revoked
            .iter()
            .map(|serial| Ok(Entry { serial: UintRef::new(serial)?, date: this_update }))
            .collect::<Result<_, der::Error>>()?;
        let tbs = Tbs {
            version: VERSION_2,
            signature: self.algorithm.identifier(),
            issuer: distinguished_name(&self.issuer)?,
            this_update,
            next_update: self.next_update.map(x509_time).transpose()?,
            // An empty list is left out (RFC 5280, section 5.1.2.6).
            revoked: if entries.is_empty() { None } else { Some(entries) },
            extensions: self.extensions.encode()?,
        };
        seal(&tbs.to_der()?, self.algorithm, &self.signer)
    }
}
