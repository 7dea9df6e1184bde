//! What was asked, and what became of it.

use std::fmt;

use tdattest_wire::bytes::ReportData;
use tdattest_wire::qgs::QgsError;

use super::Misbehaviour;

/// A request that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// What the server had to say, before it misbehaved.
    pub outcome: Outcome,
    /// How it misbehaved.
    pub misbehaviour: Option<Misbehaviour>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// A quote.
    Quote {
        /// Whose.
        report_data: ReportData,
        /// Its bytes.
        length: usize,
        /// Whether the request was 1,024 bare bytes.
        raw: bool,
    },
    /// An error code, for this reason.
    Refused(QgsError, String),
    /// The connection is closed without an answer, for this reason.
    Closed(String),
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Quote { report_data, length, raw } => {
                let raw = if *raw { ", asked for without a frame" } else { "" };
                write!(f, "quote of {length} bytes for report data ")?;
                let first = report_data.0.iter().take(8);
                first.into_iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                write!(f, "...{raw}")
            }
            Outcome::Refused(code, reason) => write!(f, "refused, {code}: {reason}"),
            Outcome::Closed(reason) => write!(f, "closed without an answer: {reason}"),
        }?;
        match &self.misbehaviour {
            Some(misbehaviour) => write!(f, "; misbehaves: {misbehaviour}"),
            None => Ok(()),
        }
    }
}
