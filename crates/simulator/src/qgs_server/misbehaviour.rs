//! The ways in which a QGS can misbehave, by name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tdattest_wire::qgs::QgsError;

/// One way to misbehave. As text a name of [`Misbehaviour::ALL`]; `slow=SECONDS`, `paused=SECONDS` and `error=NUMBER` say
/// how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Reads the request and never answers.
    Hang,
    /// Closes the connection at once.
    Close,
    /// Reads the request and closes the connection without an answer.
    CloseAfterRequest,
    /// Closes it in the middle of the answer's prefix.
    ShortPrefix,
    /// Closes it after the prefix of the answer.
    CloseAfterPrefix,
    /// Closes it in the middle of the answer.
    CloseMidBody,
    /// An answer of the right length whose bytes mean nothing.
    Garbage,
    /// Major version 2.
    WrongMajor,
    /// Minor version 9: Intel's client takes that, QEMU does not.
    WrongMinor,
    /// The answer of another type.
    WrongType,
    /// A prefix that promises more than anybody reads.
    Oversize,
    /// A size in the header that is not that of the message.
    LyingSize,
    /// A size of the quote that is not that of the quote.
    LyingQuoteSize,
    /// Success, and no quote.
    EmptyQuote,
    /// An error code.
    Error(QgsError),
    /// The quote without a frame, as to a bare TDREPORT.
    Unframed,
    /// The id of an attestation key, which QEMU does not take.
    SelectedId,
    /// The right answer, and bytes after it.
    TrailingBytes,
    /// The answer one byte at a time.
    ByteByByte,
    /// The first half of the answer, and the second this much later.
    Paused(Duration),
    /// A quote with other report data: somebody else's.
    OtherReportData,
    /// The first half of the quote.
    TruncatedQuote,
    /// The quote, and zeros after it.
    PaddedQuote,
    /// The right answer, this much later.
    Slow(Duration),
}

/// Why a text is no misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownMisbehaviour {
    /// No such name.
    #[error("there is no misbehaviour `{0}`; there are {names}", names = names())]
    Name(String),
    /// Not a time.
    #[error("`{0}` is not how many seconds to wait, expected 0 to {LONGEST}")]
    Seconds(String),
    /// Not an error code.
    #[error("`{0}` is no error code, expected one such as 0x12001; 0 is success")]
    Code(String),
}

/// Most seconds to wait.
const LONGEST: u64 = 3600;

impl Misbehaviour {
    /// All of them, with the seconds and the error code that a bare name stands for.
    pub const ALL: [Self; 24] = [
        Self::Hang,
        Self::Close,
        Self::CloseAfterRequest,
        Self::ShortPrefix,
        Self::CloseAfterPrefix,
        Self::CloseMidBody,
        Self::Garbage,
        Self::WrongMajor,
        Self::WrongMinor,
        Self::WrongType,
        Self::Oversize,
        Self::LyingSize,
        Self::LyingQuoteSize,
        Self::EmptyQuote,
        Self::Error(QgsError::UNEXPECTED),
        Self::Unframed,
        Self::SelectedId,
        Self::TrailingBytes,
        Self::ByteByByte,
        Self::Paused(Duration::from_secs(1)),
        Self::OtherReportData,
        Self::TruncatedQuote,
        Self::PaddedQuote,
        Self::Slow(Duration::from_secs(5)),
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::Close => "close",
            Self::CloseAfterRequest => "close-after-request",
            Self::ShortPrefix => "short-prefix",
            Self::CloseAfterPrefix => "close-after-prefix",
            Self::CloseMidBody => "close-mid-body",
            Self::Garbage => "garbage",
            Self::WrongMajor => "wrong-major",
            Self::WrongMinor => "wrong-minor",
            Self::WrongType => "wrong-type",
            Self::Oversize => "oversize",
            Self::LyingSize => "lying-size",
            Self::LyingQuoteSize => "lying-quote-size",
            Self::EmptyQuote => "empty-quote",
            Self::Error(_) => "error",
            Self::Unframed => "unframed",
            Self::SelectedId => "selected-id",
            Self::TrailingBytes => "trailing-bytes",
            Self::ByteByByte => "byte-by-byte",
            Self::Paused(_) => "paused",
            Self::OtherReportData => "other-report-data",
            Self::TruncatedQuote => "truncated-quote",
            Self::PaddedQuote => "padded-quote",
            Self::Slow(_) => "slow",
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(time) => write!(f, "slow={}", time.as_secs()),
            Self::Paused(time) => write!(f, "paused={}", time.as_secs()),
            Self::Error(code) => write!(f, "error={:#x}", code.number()),
            other => f.pad(other.name()),
        }
    }
}

impl FromStr for Misbehaviour {
    type Err = UnknownMisbehaviour;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some(("slow", value)) => seconds(value).map(Self::Slow),
            Some(("paused", value)) => seconds(value).map(Self::Paused),
            Some(("error", value)) => code(value).map(Self::Error),
            _ => {
                let found = Self::ALL.into_iter().find(|it| it.name() == text);
                found.ok_or_else(|| UnknownMisbehaviour::Name(text.into()))
            }
        }
    }
}

fn seconds(text: &str) -> Result<Duration, UnknownMisbehaviour> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= LONGEST);
    seconds.map(Duration::from_secs).ok_or_else(|| UnknownMisbehaviour::Seconds(text.into()))
}

fn code(text: &str) -> Result<QgsError, UnknownMisbehaviour> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let code = number.ok().and_then(QgsError::from_number);
    code.ok_or_else(|| UnknownMisbehaviour::Code(text.into()))
}

fn names() -> String {
    Misbehaviour::ALL.map(Misbehaviour::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misbehaviour_survives_its_text() {
        for misbehaviour in Misbehaviour::ALL {
            assert_eq!(misbehaviour.to_string().parse(), Ok(misbehaviour));
            assert_eq!(misbehaviour.name().parse(), Ok(misbehaviour));
        }
    }

    #[test]
    fn refuses_other_names_times_and_codes() {
        type Error = UnknownMisbehaviour;
        for (text, expected) in [
            ("", Error::Name(String::new())),
            ("hang=1", Error::Name("hang=1".into())),
            ("slow=", Error::Seconds(String::new())),
            ("slow=3601", Error::Seconds("3601".into())),
            ("paused=-1", Error::Seconds("-1".into())),
            ("error=0", Error::Code("0".into())),
            ("error=0x", Error::Code("0x".into())),
        ] {
            assert_eq!(text.parse::<Misbehaviour>(), Err(expected));
        }
    }
}
