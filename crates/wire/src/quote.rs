//! The quote: header, body and signature data, versions 3, 4 and 5, for SGX and TDX.
//!
//! Source: Intel TDX DCAP Quoting Library API, "Quote Format"; Intel SGX DCAP Quoting Library API, appendix A.4.
//! Must stay true: [`Quote::signed_bytes`] is the very slice of the input that the attestation key signed.

mod body;
mod certification;
mod header;
mod signature;

pub use body::{Body, BodyType, TdReport10, TdReport15, TdReport15Ex};
pub use certification::{CertificationData, CertificationDataType, PpidCertification};
pub use header::{Header, QE_VENDOR_ID_INTEL, TeeType, Version};
pub use signature::SignatureData;

use alloc::vec::Vec;

use crate::error::{ParseError, ParseErrorKind};
use crate::limits;
use crate::reader::Reader;

/// A parsed quote: what the bytes say, untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    // Private and without setters: what a verifier reads here is what the signature covers.
    header: Header,
    body: Body,
    signature: SignatureData<'a>,
    trailing: &'a [u8],
    signed: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Parses a quote of version 3, 4 or 5.
    ///
    /// Checks structure only. Reserved bytes may have any value, and bytes may follow (see [`Quote::trailing`]):
    /// production quotes have both.
    ///
    /// # Errors
    /// Every kind but the JSON, DER and PEM ones; the structure and offset say where.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_with(bytes, SignatureData::parse)
    }

    /// Parses a quote as Intel's library does: [`Quote::parse`], but in version 3, too, bytes may follow inside the
    /// declared size of the signature data. They are reported in [`SignatureData::trailing`].
    ///
    /// # Errors
    /// As [`Quote::parse`].
    pub fn parse_lenient(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_with(bytes, SignatureData::parse_lenient)
    }

    fn parse_with(
        bytes: &'a [u8],
        parse_signature: impl FnOnce(&mut Reader<'a>, Version) -> Result<SignatureData<'a>, ParseError>,
    ) -> Result<Self, ParseError> {
        if bytes.len() > limits::QUOTE_BYTES {
            let kind = ParseErrorKind::TooLarge {
                limit: limits::QUOTE_BYTES,
                found: bytes.len(),
                unit: "bytes",
            };
            return Err(ParseError::new("quote", kind));
        }
        let mut reader = Reader::new(bytes, "quote");
        let header = Header::parse(&mut reader)?;
        let body = Body::parse(&mut reader, &header)?;
        let (signed, _) = bytes.split_at_checked(reader.offset()).unwrap_or((bytes, &[]));
        let signature = parse_signature(&mut reader, header.version)?;
        Ok(Self { header, body, signature, trailing: reader.rest(), signed })
    }

    /// Version, TEE and QE vendor.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The TD's or enclave's report.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The signature and what certifies its key.
    pub fn signature(&self) -> &SignatureData<'a> {
        &self.signature
    }

    /// Bytes after the quote: padding of the buffer that carried it, under no signature.
    pub fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// The bytes under the attestation key's signature: header and body, in version 5 with the body descriptor.
    pub fn signed_bytes(&self) -> &'a [u8] {
        self.signed
    }

    /// Which TEE made the quote.
    pub fn tee(&self) -> TeeType {
        self.header.tee_type
    }

    /// Writes the quote without what followed it.
    pub fn write(&self) -> Vec<u8> {
        write(self.signed, self.header.version, &self.signature)
    }
}

/// Writes the part of a quote that gets signed: header and body.
pub fn write_signed_part(header: &Header, body: &Body) -> Vec<u8> {
    let mut out = Vec::new();
    header.write(&mut out);
    body.write(header.version, &mut out);
    out
}

/// Writes a quote from its signed part and its signature data.
pub fn write(signed_part: &[u8], version: Version, signature: &SignatureData<'_>) -> Vec<u8> {
    let mut out = signed_part.to_vec();
    signature.write(version, &mut out);
    out
}
