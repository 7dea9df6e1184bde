//! What is wrong in a file, and where; and the checks of values that both of its forms share.

use std::fmt;

use super::LONGEST_HOURS;
use crate::source::Source;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file does not say what its author meant.
    Error,
    /// It does, but it is risky, or of no effect.
    Warning,
}

/// Where something stands, both from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Something that Intel's library would overlook or stumble over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line}, column {column}: {}", self.says)
    }
}

/// The findings of one text.
pub(super) struct Findings<'t> {
    text: &'t str,
    found: Vec<Finding>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// The place of a byte of the text.
    fn place(&self, offset: usize) -> Place {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let before = self.text.get(..end).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or_default();
        Place { line, column: last.chars().count().saturating_add(1) }
    }

    pub(super) fn error(&mut self, offset: usize, says: impl Into<String>) {
        self.add(Severity::Error, offset, says.into());
    }

    pub(super) fn warning(&mut self, offset: usize, says: impl Into<String>) {
        self.add(Severity::Warning, offset, says.into());
    }

    fn add(&mut self, severity: Severity, offset: usize, says: String) {
        let place = self.place(offset);
        self.found.push(Finding { severity, place, says });
    }

    /// All of them, in the order of the text.
    pub(super) fn in_order(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| finding.place);
        self.found
    }

    /// What is to be said of an address.
    pub(super) fn check_address(&mut self, at: usize, key: &str, address: &str) {
        if !address.contains("://") {
            let says = format!("`{key}` is `{}`, expected https://HOST…", address.escape_debug());
            return self.error(at, says);
        }
        if let Err(fault) = address.parse::<Source>() {
            return self.error(at, format!("`{key}`: {fault}"));
        }
        if !address.ends_with('/') {
            let says = format!(
                "`{key}` does not end with `/`: Intel's library puts names of documents right behind it"
            );
            self.error(at, says);
        }
        let path = address.trim_end_matches('/');
        if path.ends_with("/sgx/certification/v3") {
            self.warning(
                at,
                format!("`{key}` names version 3 of the API, which has nothing for TDX"),
            );
        } else if !path.ends_with("/sgx/certification/v4") {
            let says = format!(
                "`{key}` does not end with `/sgx/certification/v4/`, as Intel's library needs it"
            );
            self.warning(at, says);
        }
        if address.starts_with("http:") {
            let says =
                format!("`{key}` is not encrypted: whoever is on the way reads and changes it");
            self.warning(at, says);
        }
    }

    pub(super) fn check_insecure(&mut self, at: usize, key: &str) {
        let says = format!("`{key}` is false: anybody can pretend to be the service");
        self.warning(at, says);
    }

    pub(super) fn check_api_version(&mut self, at: usize, key: &str, version: &str) {
        if !matches!(version, "3.0" | "3.1") {
            let version = version.escape_debug();
            self.error(at, format!("`{key}` is `{version}`, expected 3.0 or 3.1"));
        }
    }

    /// Hours as Intel's library takes them: no more than it keeps anything.
    pub(super) fn hours(&mut self, at: usize, key: &str, hours: f64) -> f64 {
        if hours < 0.0 {
            self.error(at, format!("`{key}` is {hours}, expected 0 to {LONGEST_HOURS} hours"));
            return 0.0;
        }
        if hours > LONGEST_HOURS {
            let says =
                format!("`{key}` is {hours}; Intel's library takes {LONGEST_HOURS}, its most");
            self.warning(at, says);
        }
        hours.min(LONGEST_HOURS)
    }
}
