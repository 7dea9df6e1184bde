//! The messages of a Quote Generation Service: what a TD asks of it, and what it answers.
//!
//! Source: Intel DCAP, `qgs_msg_lib`; QEMU, `tdx-quote-generator.c`. On a stream, each message stands after its length
//! as a `u32`, big endian; everything inside is little endian.
//! Must stay true: what is written here is accepted by Intel's library and by QEMU, which demands version 1.1 exactly.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use crate::error::{ParseError, ParseErrorKind};
use crate::layout::Fixed as _;
use crate::limits;
use crate::reader::Reader;

mod request;
mod response;

pub use request::Request;
pub use response::{CollateralResponse, PlatformInfoResponse, QuoteResponse};

/// Bytes of the length before a message.
pub const PREFIX_BYTES: usize = 4;

/// Bytes of the header of a message.
const HEADER_BYTES: usize = 16;

/// The major version, which readers insist on.
const MAJOR: u16 = 1;

/// The minor version of everything written.
const MINOR: u16 = 1;

const STRUCTURE: &str = "QGS message";

/// The types of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// 0: a quote is asked for.
    QuoteRequest,
    /// 1: a quote.
    QuoteResponse,
    /// 2: collateral is asked for.
    CollateralRequest,
    /// 3: collateral.
    CollateralResponse,
    /// 4: facts about the platform are asked for.
    PlatformInfoRequest,
    /// 5: facts about the platform.
    PlatformInfoResponse,
    /// 6: a quote with migration history is asked for; answered with type 1.
    MigrationQuoteRequest,
}

impl MessageType {
    const ALL: [Self; 7] = [
        Self::QuoteRequest,
        Self::QuoteResponse,
        Self::CollateralRequest,
        Self::CollateralResponse,
        Self::PlatformInfoRequest,
        Self::PlatformInfoResponse,
        Self::MigrationQuoteRequest,
    ];

    /// The number in the header, with its meaning.
    fn described(self) -> &'static str {
        match self {
            Self::QuoteRequest => "0 (asks for a quote)",
            Self::QuoteResponse => "1 (quote)",
            Self::CollateralRequest => "2 (asks for collateral)",
            Self::CollateralResponse => "3 (collateral)",
            Self::PlatformInfoRequest => "4 (asks for platform information)",
            Self::PlatformInfoResponse => "5 (platform information)",
            Self::MigrationQuoteRequest => "6 (asks for a quote with migration history)",
        }
    }

    /// The number in the header.
    pub fn number(self) -> u32 {
        match self {
            Self::QuoteRequest => 0,
            Self::QuoteResponse => 1,
            Self::CollateralRequest => 2,
            Self::CollateralResponse => 3,
            Self::PlatformInfoRequest => 4,
            Self::PlatformInfoResponse => 5,
            Self::MigrationQuoteRequest => 6,
        }
    }
}

/// Why a service could not answer: an error code of the protocol, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QgsError(NonZeroU32);

impl QgsError {
    /// 0x12001: anything. Intel's daemon sends no other.
    pub const UNEXPECTED: Self = Self::of(1);

    /// 0x12002: the host has not enough memory.
    pub const OUT_OF_MEMORY: Self = Self::of(2);
    /// 0x12003: a value in the request is wrong.
    pub const INVALID_PARAMETER: Self = Self::of(3);
    /// 0x12004: of another major version.
    pub const INVALID_VERSION: Self = Self::of(4);
    /// 0x12005: no type of request.
    pub const INVALID_TYPE: Self = Self::of(5);
    /// 0x12006: sizes contradict each other or the bytes.
    pub const INVALID_SIZE: Self = Self::of(6);
    /// 0x12007: an error code where none belongs.
    pub const INVALID_CODE: Self = Self::of(7);

    /// Intel's library numbers its errors from 0x12000.
    const fn of(number: u32) -> Self {
        match NonZeroU32::new(0x12000 | number) {
            Some(number) => Self(number),
            None => Self(NonZeroU32::MAX),
        }
    }

    /// The error with a number; `None` for zero, which is success.
    pub fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number in the header.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self.number() {
            0x12001 => "unexpected error",
            0x12002 => "out of memory",
            0x12003 => "invalid parameter",
            0x12004 => "invalid version",
            0x12005 => "invalid message type",
            0x12006 => "invalid size",
            0x12007 => "invalid error code",
            _ => "unknown error",
        }
    }
}

impl fmt::Display for QgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#x})", self.name(), self.number())
    }
}

/// Why an answer brings nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// It is no answer to this.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The service says that it could not.
    #[error("the service answers: {0}")]
    Refused(QgsError),
}

/// The header of a message.
struct Header {
    minor: u16,
    kind: MessageType,
    error: u32,
}

impl Header {
    /// The header of what is written here.
    fn of(kind: MessageType) -> Self {
        Self { minor: MINOR, kind, error: 0 }
    }

    /// Reads it and checks the size against the bytes there are.
    fn read(reader: &mut Reader<'_>, message: &[u8]) -> Result<Self, ParseError> {
        let at_major = reader.clone();
        let major = u16::read(reader)?;
        if major != MAJOR {
            return Err(unsupported(&at_major, "major version", "1", major.into()));
        }
        let minor = u16::read(reader)?;
        let at_type = reader.clone();
        let number = u32::read(reader)?;
        let kind = MessageType::ALL.into_iter().find(|kind| kind.number() == number);
        let kind =
            kind.ok_or_else(|| unsupported(&at_type, "message type", "0 to 6", number.into()))?;
        let at_size = reader.clone();
        let found = reader.length()?;
        if found != message.len() {
            let expected = message.len();
            let kind = ParseErrorKind::WrongSize { field: "message size", expected, found };
            return Err(at_size.error(kind));
        }
        Ok(Self { minor, kind, error: u32::read(reader)? })
    }
}

fn unsupported(
    reader: &Reader<'_>,
    field: &'static str,
    expected: &'static str,
    found: u64,
) -> ParseError {
    reader.error(ParseErrorKind::Unsupported { field, expected, found })
}

fn bounded(message: &[u8]) -> Result<Reader<'_>, ParseError> {
    bounded_length(message.len())?;
    Ok(Reader::new(message, STRUCTURE))
}

fn bounded_length(found: usize) -> Result<usize, ParseError> {
    let limit = limits::QGS_MESSAGE_BYTES;
    if found > limit {
        let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
        return Err(ParseError::new(STRUCTURE, kind));
    }
    Ok(found)
}

/// Bytes of the message that follows a prefix.
///
/// # Errors
/// [`ParseErrorKind::TooLarge`] beyond the limit, [`ParseErrorKind::Invalid`] for less than a header.
pub fn message_length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, ParseError> {
    let length = bounded_length(usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX))?;
    if length < HEADER_BYTES {
        let text = alloc::format!("has {length} bytes, expected a header of {HEADER_BYTES}");
        return Err(ParseError::invalid(STRUCTURE, text));
    }
    Ok(length)
}

impl QgsError {
    /// Writes the answer that says so, after its prefix: the fixed part of the answer, all zero.
    pub fn write(self, response: MessageType) -> Vec<u8> {
        let zeros: &[u8] = match response {
            MessageType::CollateralResponse => &[0; 32],
            MessageType::PlatformInfoResponse => &[0; 12],
            _ => &[0; 8],
        };
        framed(&Header { error: self.number(), ..Header::of(response) }, zeros, &[], &[])
    }
}

/// Refuses a part that must not be empty.
fn required(part: &[u8], name: &str) -> Result<(), ParseError> {
    if part.is_empty() {
        return Err(ParseError::invalid(STRUCTURE, alloc::format!("has an empty {name}")));
    }
    Ok(())
}

/// The parts of a message: the sizes of all, then all.
fn parts<'a, const N: usize>(reader: &mut Reader<'a>) -> Result<[&'a [u8]; N], ParseError> {
    let mut sizes = [0; N];
    for size in &mut sizes {
        *size = reader.length()?;
    }
    let mut parts: [&[u8]; N] = [&[]; N];
    for (part, size) in parts.iter_mut().zip(sizes) {
        *part = reader.take(size)?;
    }
    Ok(parts)
}

/// Prefix, header, a fixed part, the sizes of the parts, the parts, a tail.
fn framed(header: &Header, fixed: &[u8], parts: &[&[u8]], tail: &[u8]) -> Vec<u8> {
    let mut body = fixed.to_vec();
    parts.iter().for_each(|part| length(part.len()).write(&mut body));
    parts.iter().for_each(|part| body.extend_from_slice(part));
    body.extend_from_slice(tail);
    let size = length(body.len().saturating_add(HEADER_BYTES));
    let mut message = size.to_be_bytes().to_vec();
    MAJOR.write(&mut message);
    header.minor.write(&mut message);
    header.kind.number().write(&mut message);
    size.write(&mut message);
    header.error.write(&mut message);
    message.extend_from_slice(&body);
    message
}

/// A length as a `u32`; nothing here is longer than [`limits::QGS_MESSAGE_BYTES`].
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
