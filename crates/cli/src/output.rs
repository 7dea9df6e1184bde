//! What goes where: data to standard output, everything else to standard error.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Writes data to standard output. A reader that has gone away is no error; a full disk is.
pub(crate) fn data(bytes: &[u8]) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write to standard output"),
    }
}

/// Writes a line to standard error. If that fails there is nobody to tell.
pub(crate) fn note(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// `error: …`
pub(crate) fn problem(text: &str) {
    note(&format!("{BAD}error:{BAD:#} {text}"));
}

/// `warning: …`
pub(crate) fn warning(text: &str) {
    note(&format!("{WARNING}warning:{WARNING:#} {text}"));
}

/// `hint: …`
pub(crate) fn hint(text: &str) {
    note(&format!("{NOTE}hint:{NOTE:#} {text}"));
}

/// An error with its causes in one line.
pub(crate) fn error(error: &anyhow::Error) {
    problem(&format!("{error:#}"));
}
