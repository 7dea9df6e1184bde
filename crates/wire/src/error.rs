//! Why bytes could not be read: the kind of fault, the structure it was met in, and the byte it was met at.

use alloc::string::String;

/// Bytes that are not the structure they should be.
///
/// Says nothing about trust: a structure that parses can still be forged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{structure}: {kind} (at byte {offset})")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The structure that was being read, in the field's words: `TD report body`.
    pub structure: &'static str,
    /// Where it was met, in bytes from the start of the input (for PEM: of the decoded DER).
    pub offset: usize,
}

/// The kinds of [`ParseError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The input ends inside the structure.
    #[error("ends after {available} of {needed} bytes")]
    Truncated {
        /// Bytes the structure needs from where the reading stood.
        needed: usize,
        /// Bytes that were left there.
        available: usize,
    },
    /// Bytes follow where the structure must end.
    #[error("{count} unexpected bytes follow")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A length field, or the input itself, exceeds a bound of [`limits`](crate::limits).
    #[error("{found} exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// The bound.
        limit: usize,
        /// What was found.
        found: usize,
        /// What is counted: `bytes`, `TCB levels`.
        unit: &'static str,
    },
    /// A size field contradicts the type it belongs to.
    #[error("{field} is {found}, expected {expected}")]
    WrongSize {
        /// The field.
        field: &'static str,
        /// The size its type has.
        expected: usize,
        /// The size it says.
        found: usize,
    },
    /// A field has a value this format does not know.
    #[error("{field} is {found:#x}, expected {expected}")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// The values that are known, in words.
        expected: &'static str,
        /// The value found.
        found: u64,
    },
    /// A value is missing, doubled or malformed; the text says which.
    #[error("{0}")]
    Invalid(String),
    /// The text is not JSON, or not JSON of the expected shape.
    #[error("line {line} column {column}: {problem}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The bytes are not the DER they should be.
    #[error("not valid DER: {0}")]
    Der(String),
    /// The text is not PEM with at least one block of the expected kind.
    #[error("not valid PEM: {0}")]
    Pem(String),
    /// The text is not hexadecimal of the expected length.
    #[error("not {expected} hexadecimal digits")]
    Hex {
        /// Digits expected.
        expected: usize,
    },
}

impl ParseError {
    /// A fault in `structure` at its very start.
    pub(crate) fn new(structure: &'static str, kind: ParseErrorKind) -> Self {
        Self { kind, structure, offset: 0 }
    }

    /// A fault described in words.
    pub(crate) fn invalid(structure: &'static str, text: impl Into<String>) -> Self {
        Self::new(structure, ParseErrorKind::Invalid(text.into()))
    }

    /// A DER fault of the `der` crate, with the offset it knows.
    pub(crate) fn der(structure: &'static str, error: der::Error) -> Self {
        let offset = error.position().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        let kind = ParseErrorKind::Der(alloc::format!("{}", error.kind()));
        Self { kind, structure, offset }
    }
}
