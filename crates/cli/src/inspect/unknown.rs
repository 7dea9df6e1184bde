//! Why a file is nothing that is known: what it resembles and why it is not that, or what was looked for.

use std::path::Path;

use serde::Serialize;
use tdattest_verifier::wire::error::ParseError;

use super::SCHEMA;
use crate::{input, output};

const LOOKED_FOR: &str = "looked for a quote, a TDREPORT, collateral (bundle or folder), TCB info, a QE identity, \
                          TCB evaluation data numbers, certificates and a CRL";

const CHECK_FILE: &str = "check that it is the right file, whole and readable";

const CHECK_COPY: &str =
    "check how it was copied: all of it, unchanged; bytes may be written as hexadecimal or base64";

/// A file that is not inspected.
#[derive(Debug)]
pub(crate) struct Unknown {
    message: String,
    near_misses: Vec<String>,
    hint: String,
}

/// What a file resembles, and why it is not that.
#[derive(Debug)]
pub(super) struct NearMiss {
    predicate: String,
    hint: Option<String>,
}

impl NearMiss {
    /// Said of the file in these words, such as `is percent-encoded`.
    pub(super) fn new(predicate: impl Into<String>) -> Self {
        Self { predicate: predicate.into(), hint: None }
    }

    /// It looks like something, but cannot be read as that.
    pub(super) fn fault(what: &str, fault: &ParseError) -> Self {
        // "looks like a QE identity, but QE identity: …" would say it twice.
        let why = match what.ends_with(fault.structure) {
            true => format!("{} (at byte {})", fault.kind, fault.offset),
            false => fault.to_string(),
        };
        Self::new(format!("looks like {what}, but {why}"))
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What is said of the file.
    pub(super) fn predicate(&self) -> &str {
        &self.predicate
    }
}

impl Unknown {
    /// A file that could not be had, for a reason that names it.
    pub(super) fn unreadable(message: String) -> Self {
        Self { message, near_misses: Vec::new(), hint: CHECK_FILE.into() }
    }

    pub(super) fn new(path: &Path, bytes: &[u8], misses: Vec<NearMiss>) -> Self {
        let shown = input::shown(path);
        let hint = misses.iter().find_map(|miss| miss.hint.clone());
        let hint = hint.unwrap_or_else(|| CHECK_COPY.into());
        let mut near_misses = misses.iter().map(|miss| format!("{shown} {}", miss.predicate));
        let message = near_misses.next().unwrap_or_else(|| {
            format!("cannot tell what {shown} is: {}; {LOOKED_FOR}", describe(bytes))
        });
        Self { message, near_misses: near_misses.collect(), hint }
    }

    /// Says it on standard error.
    pub(crate) fn show(&self) {
        output::note(&output::problem(&self.message));
        for also in &self.near_misses {
            output::note(&output::problem(&format!("also: {also}")));
        }
        output::note(&output::hint(&self.hint));
    }

    /// The JSON form.
    pub(crate) fn to_view(&self) -> UnknownView<'_> {
        let Self { message, near_misses, hint } = self;
        let error = ErrorView { message, also: near_misses, hint };
        UnknownView { schema: SCHEMA, kind: "unknown", verified: false, error }
    }
}

#[derive(Serialize)]
pub(crate) struct UnknownView<'a> {
    schema: &'static str,
    kind: &'static str,
    verified: bool,
    error: ErrorView<'a>,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    message: &'a str,
    also: &'a [String],
    hint: &'a str,
}

/// What can be said of bytes that are nothing known.
fn describe(bytes: &[u8]) -> String {
    let length = bytes.len();
    match input::decoded(bytes) {
        Ok((_, input::Encoding::Raw)) if std::str::from_utf8(bytes).is_ok() => {
            format!("{length} bytes of text")
        }
        Ok((decoded, how)) => {
            let first: String = decoded.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            match how {
                input::Encoding::Raw => format!("{length} bytes that begin with {first}"),
                how => {
                    format!("{} for {} bytes that begin with {first}", how.name(), decoded.len())
                }
            }
        }
        Err(problem) => format!("it {problem}"),
    }
}
