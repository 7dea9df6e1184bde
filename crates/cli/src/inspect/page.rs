//! A page for people: a title, then sections of rows.

use std::fmt::Write as _;

use anstyle::Style;

use crate::output::printable;
use crate::table::{self, Align};

const HEADING: Style = Style::new().bold();

/// Text that is written from top to bottom.
pub(super) struct Page(String);

impl Page {
    /// Starts with what the thing is and a line that goes for all of it.
    pub(super) fn new(title: &str, caution: &str) -> Self {
        Self(format!("{HEADING}{}{HEADING:#}\n{caution}\n", printable(title)))
    }

    /// Starts a section.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{HEADING}{}{HEADING:#}", printable(text));
    }

    /// Sets the next rows apart from those above.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A line of its own.
    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "  {}", printable(text));
    }

    /// Names and values.
    pub(super) fn pairs(&mut self, rows: &[(&str, String)]) {
        self.0 += &table::pairs(rows, "  ");
    }

    /// Rows under one another, the first of which names the columns.
    pub(super) fn table(&mut self, rows: &[Vec<String>], alignments: &[Align]) {
        self.0 += &table::aligned(rows, alignments, "  ");
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A date without its time when that is midnight, which it is for every TCB date.
pub(super) fn date(time: tdattest_verifier::wire::time::UnixTime) -> String {
    let text = time.to_string();
    text.strip_suffix("T00:00:00Z").map(String::from).unwrap_or(text)
}

/// `1 level`, `3 levels`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `yes`, `no`, or that nothing is said.
pub(super) fn yes_or_no(flag: Option<bool>) -> String {
    match flag {
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => "not said".into(),
    }
}
