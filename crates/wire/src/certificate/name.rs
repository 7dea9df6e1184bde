//! Distinguished names: of issuers and subjects.

use alloc::string::String;
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

    /// The value of the first attribute of a kind. The others are passed over, not decoded.
    fn attribute(&self, wanted: ObjectIdentifier) -> der::Result<Option<AnyRef<'a>>> {
        self.0.tag().assert_eq(Tag::Sequence)?;
        let mut sets = SliceReader::new(self.0.value())?;
        let mut found = None;
        while !sets.is_finished() {
            let set = AnyRef::decode(&mut sets)?;
            set.tag().assert_eq(Tag::Set)?;
            let mut attributes = SliceReader::new(set.value())?;
            while !attributes.is_finished() {
                let (kind, value) = attributes.sequence(|attribute| {
                    let kind = ObjectIdentifier::decode(attribute)?;
                    Ok::<_, der::Error>((kind, AnyRef::decode(attribute)?))
                })?;
                if kind == wanted && found.is_none() {
                    found = Some(value);
                }
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
