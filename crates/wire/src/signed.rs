//! Documents that Intel signs: the bytes and the signature, closed until the signature has been checked.
//!
//! Must stay true: [`Signed::open`] is the only way from the bytes to the content that does not say `untrusted`.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bytes::EcdsaSignature;
use crate::error::ParseError;
use crate::json;
use crate::limits;
use crate::pem::without_nuls;

/// A kind of document that Intel signs.
pub trait Document: Sized {
    /// The member of the outer object that holds it: `tcbInfo`.
    const MEMBER: &'static str;

    /// What it is called in messages: `TCB info`.
    const NAME: &'static str;

    /// Parses the inner object.
    ///
    /// # Errors
    /// When it is not JSON of this document's shape, or breaks one of its rules.
    #[doc(hidden)]
    fn parse_untrusted(text: &[u8]) -> Result<Self, ParseError>;
}

/// A document and its signature, not yet checked against each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<T> {
    body: Vec<u8>,
    signature: EcdsaSignature,
    document: PhantomData<fn() -> T>,
}

/// Why a [`Signed`] document could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The signature is not of these bytes with that key.
    Signature,
    /// The signature is good, but the bytes are not the document.
    Malformed(ParseError),
}

impl<T: Document> Signed<T> {
    /// From the exact bytes of the inner object and the signature that came with them.
    pub fn new(body: Vec<u8>, signature: EcdsaSignature) -> Self {
        Self { body, signature, document: PhantomData }
    }

    /// From an answer of a PCS: an object with the document under its member name, and `signature`.
    ///
    /// The bytes of the inner object are kept as they arrived.
    ///
    /// # Errors
    /// When the text is too long, or is not such an object.
    pub fn from_outer(text: &[u8]) -> Result<Self, ParseError> {
        let text = without_nuls(text);
        json::bounded(text, limits::DOCUMENT_BYTES, T::NAME)?;
        let outer: Outer<'_> = serde_json::from_slice(text)
            .map_err(|fault| json::json_error(text, T::NAME, &fault))?;
        let body = outer.member(T::MEMBER).ok_or_else(|| {
            ParseError::invalid(T::NAME, alloc::format!("member `{}` is missing", T::MEMBER))
        })?;
        Ok(Self::new(body.get().as_bytes().to_vec(), outer.signature))
    }

    /// The bytes that the signature covers.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The signature.
    pub fn signature(&self) -> &EcdsaSignature {
        &self.signature
    }

    /// Checks the signature with `is_signed`, then parses the document.
    ///
    /// # Errors
    /// [`OpenError::Signature`] when `is_signed` says no, before any of the document is read.
    pub fn open(
        &self,
        is_signed: impl FnOnce(&[u8], &EcdsaSignature) -> bool,
    ) -> Result<T, OpenError> {
        if !is_signed(&self.body, &self.signature) {
            return Err(OpenError::Signature);
        }
        T::parse_untrusted(&self.body).map_err(OpenError::Malformed)
    }

    /// Parses the document without a look at its signature: to show it, never to rely on it.
    ///
    /// # Errors
    /// When the bytes are not the document.
    pub fn open_untrusted(&self) -> Result<T, ParseError> {
        T::parse_untrusted(&self.body)
    }

    /// Writes the outer object, the inner bytes verbatim.
    pub fn write(&self) -> Vec<u8> {
        let mut out = alloc::format!("{{\"{}\":", T::MEMBER).into_bytes();
        out.extend_from_slice(&self.body);
        out.extend_from_slice(alloc::format!(",\"signature\":\"{}\"}}", self.signature).as_bytes());
        out
    }
}

impl<T: Document> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({}, {} bytes)", T::NAME, self.body.len())
    }
}

/// Other members are let pass, as Intel's library does: they are under no signature, and nothing reads them.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, rename = "tcbInfo")]
    tcb_info: Option<&'a RawValue>,
    #[serde(borrow, rename = "enclaveIdentity")]
    enclave_identity: Option<&'a RawValue>,
    #[serde(borrow, rename = "tcbEvaluationDataNumbers")]
    evaluation_data_numbers: Option<&'a RawValue>,
    signature: EcdsaSignature,
}

impl<'a> Outer<'a> {
    fn member(&self, name: &str) -> Option<&'a RawValue> {
        match name {
            "tcbInfo" => self.tcb_info,
            "enclaveIdentity" => self.enclave_identity,
            "tcbEvaluationDataNumbers" => self.evaluation_data_numbers,
            _ => None,
        }
    }
}
