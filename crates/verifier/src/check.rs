//! The record of a verification: each check made, in order, with what was expected and what was found.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use tdattest_wire::bytes::Hex;
use tdattest_wire::time::UnixTime;

use crate::error::VerifyError;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The code of the error that its failure is.
    pub code: &'static str,
    /// What was looked at, where the code leaves it open: `PCK CA certificate`.
    pub subject: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// What was expected.
    pub expected: Value,
    /// What was found.
    pub found: Value,
}

/// A value in a [`Check`], kept as it is and shown on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Fixed words.
    Words(&'static str),
    /// A name or other text.
    Text(String),
    /// A number.
    Number(u64),
    /// A time.
    Time(UnixTime),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(text) => f.write_str(text),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::Bytes(bytes) => Hex(bytes).fmt(f),
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Words(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<UnixTime> for Value {
    fn from(time: UnixTime) -> Self {
        Self::Time(time)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

/// The checks so far, and the errors that did not stop the verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    pub(crate) list: Vec<Check>,
    pub(crate) deferred: Vec<VerifyError>,
}

/// The two sides of a check.
pub(crate) struct Sides {
    pub(crate) subject: &'static str,
    pub(crate) expected: Value,
    pub(crate) found: Value,
}

impl Sides {
    pub(crate) fn new(
        subject: &'static str,
        expected: impl Into<Value>,
        found: impl Into<Value>,
    ) -> Self {
        Self { subject, expected: expected.into(), found: found.into() }
    }

    /// A signature: there is nothing to show but whether it is good.
    pub(crate) fn signature(subject: &'static str, good: bool) -> Self {
        Self::new(
            subject,
            "a good signature",
            if good { "a good signature" } else { "a bad signature" },
        )
    }
}

impl Checks {
    /// Records a check. A failed one of dates or revocation is kept for later; any other stops the verification.
    pub(crate) fn require(
        &mut self,
        passed: bool,
        sides: Sides,
        error: VerifyError,
    ) -> Result<(), VerifyError> {
        let Sides { subject, expected, found } = sides;
        self.list.push(Check { code: error.code(), subject, passed, expected, found });
        if passed {
            return Ok(());
        }
        if error.leaves_facts_standing() {
            self.deferred.push(error);
            return Ok(());
        }
        Err(error)
    }

    /// Records that something could not even be read, and hands the error back.
    pub(crate) fn unreadable(&mut self, subject: &'static str, error: VerifyError) -> VerifyError {
        self.list.push(Check {
            code: error.code(),
            subject,
            passed: false,
            expected: Value::Words("well-formed"),
            found: Value::Text(alloc::format!("{error}")),
        });
        error
    }
}
