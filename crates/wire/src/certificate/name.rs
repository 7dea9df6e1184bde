//! Distinguished names: of issuers and subjects.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Reader as _, SliceReader, Tag, Tagged as _};
use x509_cert::ext::pkix::name::DirectoryString;

use super::oid;

/// A distinguished name: compared byte for byte, shown as RFC 4514 does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(pub(crate) AnyRef<'a>);

impl<'a> Name<'a> {
    /// The encoded name, which is what names are compared by.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.value()
    }

    /// The first common name; empty if there is none or it is not a string.
    pub fn common_name(&self) -> String {
        let text = self.attribute(oid::COMMON_NAME).ok().flatten();
        let text = text.and_then(|value| value.decode_as::<DirectoryString>().ok());
        text.map(|text| text.value().into()).unwrap_or_default()
    }

    /// Whether common name, country, organisation, locality and state are the same: what Intel's library compares
    /// names by. An attribute that is missing, empty or not plain text counts as empty there.
    pub fn five_fields_eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
            || oid::FIVE_FIELDS.iter().all(|kind| self.plain_text(*kind) == other.plain_text(*kind))
    }

    /// Whether both are the same as text: the same attributes in the same order and groups, whatever the type of the
    /// strings that hold them. Intel's library compares issuers so, by the line that OpenSSL prints.
    pub fn text_eq(&self, other: &Self) -> bool {
        if self.as_bytes() == other.as_bytes() {
            return true;
        }
        let (Ok(own), Ok(others)) = (self.attributes(), other.attributes()) else { return false };
        own.len() == others.len() && own.iter().zip(&others).all(|(one, other)| one.text_eq(other))
    }

    /// The first attribute of a kind as Intel's library has it.
    fn plain_text(&self, kind: ObjectIdentifier) -> Cow<'a, str> {
        let text = self.attribute(kind).ok().flatten().and_then(|value| {
            // Text that takes another number of bytes in UTF-8 is dropped there.
            text(value).filter(|text| text.len() == value.value().len())
        });
        text.unwrap_or_default()
    }

    /// The value of the first attribute of a kind.
    fn attribute(&self, wanted: ObjectIdentifier) -> der::Result<Option<AnyRef<'a>>> {
        let found = self.attributes()?.into_iter().find(|attribute| attribute.kind == wanted);
        Ok(found.map(|attribute| attribute.value))
    }

    /// All attributes, their values not decoded.
    fn attributes(&self) -> der::Result<Vec<Attribute<'a>>> {
        self.0.tag().assert_eq(Tag::Sequence)?;
        let mut sets = SliceReader::new(self.0.value())?;
        let mut found = Vec::new();
        while !sets.is_finished() {
            let set = AnyRef::decode(&mut sets)?;
            set.tag().assert_eq(Tag::Set)?;
            let mut attributes = SliceReader::new(set.value())?;
            let mut is_first = true;
            while !attributes.is_finished() {
                let (kind, value) = attributes.sequence(|attribute| {
                    let kind = ObjectIdentifier::decode(attribute)?;
                    Ok::<_, der::Error>((kind, AnyRef::decode(attribute)?))
                })?;
                found.push(Attribute { is_first, kind, value });
                is_first = false;
            }
        }
        Ok(found)
    }

    fn decoded(&self) -> Option<x509_cert::name::Name> {
        let der = self.0.to_der().ok()?;
        x509_cert::name::Name::from_der(&der).ok()
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decoded() {
            // A CRL's issuer may be as long as the CRL.
            Some(name) => alloc::format!("{name}")
                .chars()
                .take(SHOWN_CHARACTERS)
                .try_for_each(|c| f.write_char(c)),
            None => f.write_str("(not a distinguished name)"),
        }
    }
}

/// Most characters of a name that are shown. Intel's names have about 100.
const SHOWN_CHARACTERS: usize = 256;

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// An attribute of a name.
struct Attribute<'a> {
    /// Whether it begins a group of attributes; nearly every group has one.
    is_first: bool,
    kind: ObjectIdentifier,
    value: AnyRef<'a>,
}

impl Attribute<'_> {
    fn text_eq(&self, other: &Self) -> bool {
        if (self.is_first, self.kind) != (other.is_first, other.kind) {
            return false;
        }
        if self.value == other.value {
            return true;
        }
        // What OpenSSL has no name for, it prints as DER.
        let is_named = self.kind.parent() == Some(X520);
        let (one, other) = (text(self.value), text(other.value));
        is_named && one.is_some() && one == other
    }
}

/// Attributes of X.520, all of which OpenSSL knows.
const X520: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4");

/// The text of a string; `None` if it is of no type that is one, or not well formed.
fn text(value: AnyRef<'_>) -> Option<Cow<'_, str>> {
    let bytes = value.value();
    match value.tag() {
        Tag::Utf8String => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Tag::NumericString
        | Tag::PrintableString
        | Tag::TeletexString
        | Tag::Ia5String
        | Tag::VisibleString => match core::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Some(Cow::Borrowed(text)),
            _ => Some(bytes.iter().copied().map(char::from).collect::<String>().into()),
        },
        Tag::BmpString => {
            let (pairs, []) = bytes.as_chunks::<2>() else { return None };
            let characters =
                pairs.iter().map(|pair| char::from_u32(u16::from_be_bytes(*pair).into()));
            characters.collect::<Option<String>>().map(Cow::Owned)
        }
        _ => None,
    }
}
