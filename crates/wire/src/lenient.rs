//! Documents as Intel's library reads them, for programs that want its answers: more is let pass, and faults have
//! Intel's classes in Intel's order.
//!
//! Source: QVL, the JSON parsers of TCB info and enclave identity.
//! Must stay true: what the strict reading ([`Signed`](crate::signed::Signed)) accepts is read alike here; nothing that is
//! read here is trusted by a strict verifier.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::bytes::EcdsaSignature;
use crate::json::canonical;
use crate::json::tree::{NotJson, Tree, Value};
use crate::limits;
use crate::signed::Document;
use crate::time::UnixTime;

/// A document and its signature, neither checked against the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lenient<T> {
    /// What the inner object says, untrusted.
    pub document: T,
    /// The signature; `None` if it has 128 characters of which not all are hexadecimal digits: it is then a signature
    /// of nothing.
    pub signature: Option<EcdsaSignature>,
    body: Vec<u8>,
}

impl<T> Lenient<T> {
    /// The bytes of the inner object as they arrived.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes that the signature covers in Intel's reading: the inner object as rapidjson's compact writer gives it.
    ///
    /// For documents as Intel serves them, these are those of [`Lenient::body`]. `None` if there is a number in it that
    /// is no integer of 64 bits, which no document of Intel's has.
    pub fn canonical_body(&self) -> Option<Vec<u8>> {
        canonical(&self.body)
    }
}

/// A JSON text as rapidjson's compact writer gives it: up to its first NUL, without whitespace, with members in their
/// order and doubled ones kept.
///
/// `None` if it is not JSON, or if there is a number in it that is no integer of 64 bits.
pub fn canonical(text: &[u8]) -> Option<Vec<u8>> {
    canonical::write(Tree::parse(text).ok()?.root())
}

/// Why a document cannot be read, as Intel's library sorts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{structure}: {problem}")]
pub struct Fault {
    /// How Intel's library sorts it.
    pub class: FaultClass,
    /// The document: `TCB info`.
    pub structure: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

/// The kinds of faults that Intel's library has statuses for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// `…_UNSUPPORTED_FORMAT`.
    Format,
    /// `…_INVALID`.
    Content,
    /// `…_UNSUPPORTED_VERSION`, of enclave identities alone.
    Version,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is longer than its bound.
    #[error("{found} exceeds the limit of {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
        /// What was found.
        found: usize,
    },
    /// It is not JSON.
    #[error("not a JSON object (at byte {at})")]
    NotJson {
        /// Where it ceases to be.
        at: usize,
    },
    /// A member is missing.
    #[error("member `{0}` is missing")]
    Missing(&'static str),
    /// A member is of another type or form, or has a value that is not known.
    #[error("member `{0}` is not what it must be")]
    Malformed(&'static str),
    /// An element of a list is not what it must be.
    #[error("an element of `{0}` is not an object")]
    Element(&'static str),
    /// A member stands where it must not.
    #[error("member `{0}` stands in TCB info for SGX")]
    Unexpected(&'static str),
    /// Two levels of a list are equal.
    #[error("two elements of `{0}` are equal")]
    Twice(&'static str),
    /// A list has no elements.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// Values stand too deep in each other.
    #[error("nested more than {limit} deep")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
}

/// A fault before it is known of which document.
pub(crate) type Outcome<T> = Result<T, (FaultClass, Problem)>;

/// What was read out of an outer object.
pub(crate) struct Found<T> {
    pub(crate) document: T,
    pub(crate) signature: Option<EcdsaSignature>,
    /// Where the inner object stands.
    pub(crate) body: Range<usize>,
}

/// Reads an outer object, which may end at a NUL, with `read`.
pub(crate) fn parse<T: Document>(
    text: &[u8],
    read: impl FnOnce(Value<'_, '_>) -> Outcome<Found<T>>,
) -> Result<Lenient<T>, Fault> {
    let fault = |(class, problem)| Fault { class, structure: T::NAME, problem };
    let tree = tree(text).map_err(fault)?;
    let Found { document, signature, body } = read(tree.root()).map_err(fault)?;
    let body = text.get(body).unwrap_or_default().to_vec();
    Ok(Lenient { document, signature, body })
}

fn tree(text: &[u8]) -> Outcome<Tree<'_>> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.len() > limits::DOCUMENT_BYTES {
        let (limit, found) = (limits::DOCUMENT_BYTES, text.len());
        return Err((FaultClass::Format, Problem::TooLarge { limit, found }));
    }
    match Tree::parse(text) {
        Ok(tree) if tree.root().is_object() => Ok(tree),
        Ok(_) => Err((FaultClass::Format, Problem::NotJson { at: 0 })),
        Err(NotJson { at }) => Err((FaultClass::Format, Problem::NotJson { at })),
    }
}

/// The classes of the faults of a member: when it is missing, and when it is not what it must be.
#[derive(Clone, Copy)]
pub(crate) struct Classes(FaultClass, FaultClass);

impl Classes {
    pub(crate) const FORMAT: Self = Self(FaultClass::Format, FaultClass::Format);
    pub(crate) const CONTENT: Self = Self(FaultClass::Content, FaultClass::Content);
    /// Missing is a fault of format, malformed one of content.
    pub(crate) const FORMAT_THEN_CONTENT: Self = Self(FaultClass::Format, FaultClass::Content);
}

/// A member that must be there; `read` says what it is, or that it is not what it must be.
pub(crate) fn required<'t, 'a, T>(
    object: Value<'t, 'a>,
    name: &'static str,
    Classes(missing, malformed): Classes,
    read: impl FnOnce(Value<'t, 'a>) -> Option<T>,
) -> Outcome<T> {
    let value = object.member(name).ok_or((missing, Problem::Missing(name)))?;
    read(value).ok_or((malformed, Problem::Malformed(name)))
}

/// A member that may be missing.
pub(crate) fn optional<'t, 'a, T>(
    object: Value<'t, 'a>,
    name: &'static str,
    malformed: FaultClass,
    read: impl FnOnce(Value<'t, 'a>) -> Option<T>,
) -> Outcome<Option<T>> {
    let Some(value) = object.member(name) else { return Ok(None) };
    read(value).map(Some).ok_or((malformed, Problem::Malformed(name)))
}

/// The value itself, if it is an object.
pub(crate) fn object<'t, 'a>(value: Value<'t, 'a>) -> Option<Value<'t, 'a>> {
    Some(value).filter(|value| value.is_object())
}

/// A text that says it in the form of its type.
pub(crate) fn from_text<T: core::str::FromStr>(value: Value<'_, '_>) -> Option<T> {
    value.text()?.parse().ok()
}

pub(crate) fn date(value: Value<'_, '_>) -> Option<UnixTime> {
    from_text(value)
}

pub(crate) fn text(value: Value<'_, '_>) -> Option<String> {
    value.text().map(String::from)
}

/// A list of texts.
pub(crate) fn texts(value: Value<'_, '_>) -> Option<Vec<String>> {
    value.elements()?.map(text).collect()
}

/// The signature: 128 characters, of hexadecimal or not.
pub(crate) fn signature(value: Value<'_, '_>) -> Option<Option<EcdsaSignature>> {
    let text = value.whole_text()?;
    (text.len() == EcdsaSignature::SIZE.saturating_mul(2)).then(|| text.parse().ok())
}

/// Fails for an inner object that is nested deeper than Intel's library goes.
pub(crate) fn require_depth(inner: Value<'_, '_>) -> Outcome<()> {
    let limit = limits::DOCUMENT_DEPTH;
    if inner.depth() <= limit {
        return Ok(());
    }
    Err((FaultClass::Content, Problem::TooDeep { limit }))
}
