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
    pub const UNEXPECTED: Self = Self(match NonZeroU32::new(0x12001) {
        Some(number) => number,
        None => NonZeroU32::MAX,
    });

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

/// A request, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A quote for a TDREPORT.
    Quote {
        /// The TDREPORT, unchecked.
        report: &'a [u8],
        /// Ids of attestation keys to choose from; nobody looks at them.
        id_list: &'a [u8],
    },
    /// The collateral of a platform family.
    Collateral {
        /// The FMSPC, unchecked.
        fmspc: &'a [u8],
        /// `processor` or `platform`, with a NUL or without.
        pck_ca: &'a [u8],
        /// Whether the header's minor version is 0, for which the answer is longer.
        minor_0: bool,
    },
    /// Facts about the platform.
    PlatformInfo,
    /// A quote for a TDREPORT with the history of migrations.
    MigrationQuote {
        /// The TDREPORT, unchecked.
        report: &'a [u8],
        /// The structure that extends it with service TDs, unchecked.
        service_td: &'a [u8],
        /// Ids of attestation keys to choose from; nobody looks at them.
        id_list: &'a [u8],
    },
}

/// The header of a message.
struct Header {
    minor: u16,
    kind: MessageType,
    error: u32,
}

impl Header {
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
    if message.len() > limits::QGS_MESSAGE_BYTES {
        let (limit, found) = (limits::QGS_MESSAGE_BYTES, message.len());
        let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
        return Err(ParseError::new(STRUCTURE, kind));
    }
    Ok(Reader::new(message, STRUCTURE))
}

/// Bytes of the message that follows a prefix.
///
/// # Errors
/// [`ParseErrorKind::TooLarge`] beyond the limit, [`ParseErrorKind::Invalid`] for less than a header.
pub fn message_length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, ParseError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > limits::QGS_MESSAGE_BYTES {
        let (limit, found) = (limits::QGS_MESSAGE_BYTES, length);
        let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
        return Err(ParseError::new(STRUCTURE, kind));
    }
    if length < HEADER_BYTES {
        let text = alloc::format!("has {length} bytes, expected a header of {HEADER_BYTES}");
        return Err(ParseError::invalid(STRUCTURE, text));
    }
    Ok(length)
}

impl<'a> Request<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// When it is no request, or its sizes contradict each other.
    pub fn parse(message: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = bounded(message)?;
        let at_error = reader.clone();
        let header = Header::read(&mut reader, message)?;
        if header.error != 0 {
            return Err(unsupported(
                &at_error,
                "error code",
                "0 in a request",
                header.error.into(),
            ));
        }
        let request = match header.kind {
            MessageType::QuoteRequest => {
                let [report, id_list] = parts(&mut reader)?;
                Self::Quote { report, id_list }
            }
            MessageType::CollateralRequest => {
                let [fmspc, pck_ca] = parts(&mut reader)?;
                Self::Collateral { fmspc, pck_ca, minor_0: header.minor == 0 }
            }
            MessageType::PlatformInfoRequest => Self::PlatformInfo,
            MessageType::MigrationQuoteRequest => {
                let [report, service_td, id_list] = parts(&mut reader)?;
                Self::MigrationQuote { report, service_td, id_list }
            }
            other => {
                let found = other.number().into();
                return Err(unsupported(&at_error, "message type", "0, 2, 4 or 6", found));
            }
        };
        reader.finish()?;
        Ok(request)
    }

    /// Writes the message after its prefix.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Quote { report, id_list } => {
                framed(MessageType::QuoteRequest, 0, &[], &[report, id_list])
            }
            Self::Collateral { fmspc, pck_ca, .. } => {
                framed(MessageType::CollateralRequest, 0, &[], &[fmspc, pck_ca])
            }
            Self::PlatformInfo => framed(MessageType::PlatformInfoRequest, 0, &[], &[]),
            Self::MigrationQuote { report, service_td, id_list } => {
                framed(MessageType::MigrationQuoteRequest, 0, &[], &[report, service_td, id_list])
            }
        }
    }
}

/// The answer to a request for a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteResponse<'a> {
    /// The id of the attestation key; Intel's service leaves it out, and QEMU insists on that.
    pub selected_id: &'a [u8],
    /// The quote, unchecked.
    pub quote: &'a [u8],
}

/// Why an answer brings no quote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoQuote {
    /// It is no answer to this.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The service says that it could not.
    #[error("the service answers: {0}")]
    Refused(QgsError),
}

impl<'a> QuoteResponse<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// What the service says, or why it cannot be understood. Success with an empty quote is malformed.
    pub fn parse(message: &'a [u8]) -> Result<Self, NoQuote> {
        let mut reader = bounded(message)?;
        let start = reader.clone();
        let header = Header::read(&mut reader, message)?;
        if header.kind != MessageType::QuoteResponse {
            let found = header.kind.number().into();
            return Err(unsupported(&start, "message type", "1 (quote)", found).into());
        }
        // Before the parts: an error has none, and is the better explanation.
        if let Some(error) = QgsError::from_number(header.error) {
            return Err(NoQuote::Refused(error));
        }
        let [selected_id, quote] = parts(&mut reader)?;
        reader.finish()?;
        if quote.is_empty() {
            return Err(ParseError::invalid(STRUCTURE, "says success and has no quote").into());
        }
        Ok(Self { selected_id, quote })
    }

    /// Writes the message after its prefix.
    pub fn write(&self) -> Vec<u8> {
        framed(MessageType::QuoteResponse, 0, &[], &[self.selected_id, self.quote])
    }
}

impl QgsError {
    /// Writes the answer that says so, after its prefix: the fixed part of the answer, all zero.
    pub fn write(self, response: MessageType) -> Vec<u8> {
        let zeros: &[u8] = match response {
            MessageType::CollateralResponse => &[0; 32],
            MessageType::PlatformInfoResponse => &[0; 12],
            _ => &[0; 8],
        };
        framed(response, self.number(), zeros, &[])
    }
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

/// Prefix, header, a fixed part, the sizes of the parts, the parts.
fn framed(kind: MessageType, error: u32, fixed: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut body = fixed.to_vec();
    parts.iter().for_each(|part| length(part.len()).write(&mut body));
    parts.iter().for_each(|part| body.extend_from_slice(part));
    let size = length(body.len().saturating_add(HEADER_BYTES));
    let mut message = size.to_be_bytes().to_vec();
    MAJOR.write(&mut message);
    MINOR.write(&mut message);
    kind.number().write(&mut message);
    size.write(&mut message);
    error.write(&mut message);
    message.extend_from_slice(&body);
    message
}

/// A length as a `u32`; nothing here is longer than [`limits::QGS_MESSAGE_BYTES`].
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a normal request, as the specification page has them.
    #[test]
    fn a_request_for_a_quote_is_framed_as_intels_client_does() {
        let report = [0xab; 1024];
        let frame = Request::Quote { report: &report, id_list: &[] }.write();
        let head = [
            0, 0, 4, 0x18, 1, 0, 1, 0, 0, 0, 0, 0, 0x18, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0,
            0,
        ];
        assert_eq!(frame.len(), 1052);
        assert_eq!(frame[..28], head);
        assert_eq!(message_length(frame[..4].try_into().unwrap()), Ok(1048));
        assert_eq!(
            Request::parse(&frame[4..]),
            Ok(Request::Quote { report: &report, id_list: &[] })
        );
    }

    #[test]
    fn every_request_and_answer_is_read_back() {
        let (report, id_list, service_td) = (&[1; 1024][..], &[2; 16][..], &[3; 272][..]);
        let requests = [
            Request::Quote { report, id_list },
            Request::Collateral { fmspc: &[4; 6], pck_ca: b"platform\0", minor_0: false },
            Request::PlatformInfo,
            Request::MigrationQuote { report, service_td, id_list },
        ];
        for request in requests {
            assert_eq!(Request::parse(&request.write()[4..]), Ok(request));
        }
        let answer = QuoteResponse { selected_id: &[], quote: &[5; 5000] };
        assert_eq!(QuoteResponse::parse(&answer.write()[4..]), Ok(answer));
    }

    #[test]
    fn an_error_has_the_size_that_intels_client_expects_and_is_read_back() {
        for (kind, size) in [
            (MessageType::QuoteResponse, 24),
            (MessageType::CollateralResponse, 48),
            (MessageType::PlatformInfoResponse, 28),
        ] {
            assert_eq!(QgsError::UNEXPECTED.write(kind).len(), PREFIX_BYTES + size);
        }
        for number in [0x12001, 0x12007, 0x12008, 1, u32::MAX] {
            let error = QgsError::from_number(number).unwrap();
            let frame = error.write(MessageType::QuoteResponse);
            assert_eq!(frame[16..20], number.to_le_bytes());
            assert_eq!(QuoteResponse::parse(&frame[4..]), Err(NoQuote::Refused(error)));
        }
        assert_eq!(QgsError::from_number(0), None);
    }

    #[test]
    fn success_without_a_quote_is_refused() {
        let frame = QuoteResponse { selected_id: &[7; 16], quote: &[] }.write();
        assert!(matches!(QuoteResponse::parse(&frame[4..]), Err(NoQuote::Malformed(_))));
    }

    #[test]
    fn sizes_that_contradict_the_bytes_are_refused() {
        let whole = Request::Quote { report: &[1; 1024], id_list: &[2; 16] }.write();
        let message = &whole[4..];
        for length in 0..message.len() {
            assert!(Request::parse(&message[..length]).is_err(), "cut to {length}");
        }
        let mut longer = message.to_vec();
        longer.push(0);
        assert!(Request::parse(&longer).is_err());
        // Each of the size fields, one more and one less.
        for at in [8, 16, 20] {
            for change in [1_u8, 0xff] {
                let mut changed = message.to_vec();
                changed[at] = changed[at].wrapping_add(change);
                assert!(Request::parse(&changed).is_err(), "size at {at}");
            }
        }
    }

    #[test]
    fn other_versions_types_and_lengths_are_refused() {
        let message = Request::PlatformInfo.write()[4..].to_vec();
        for (at, value) in [(0, 2), (1, 1), (4, 7), (4, 1), (12, 1)] {
            let mut changed = message.clone();
            changed[at] = value;
            assert!(Request::parse(&changed).is_err(), "byte {at} as {value}");
        }
        let mut minor_9 = message.clone();
        minor_9[2] = 9;
        assert_eq!(Request::parse(&minor_9), Ok(Request::PlatformInfo));
        let largest = u32::try_from(limits::QGS_MESSAGE_BYTES).unwrap();
        assert!(message_length(largest.to_be_bytes()).is_ok());
        assert!(message_length((largest + 1).to_be_bytes()).is_err());
        assert!(message_length(16_u32.to_be_bytes()).is_ok());
        assert!(message_length(15_u32.to_be_bytes()).is_err());
    }
}
