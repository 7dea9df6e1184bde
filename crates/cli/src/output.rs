//! What goes where: data to standard output, everything else to standard error.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Writes JSON to standard output as it is: no styles to strip, nothing for a terminal to obey.
pub(crate) fn json(text: &str) -> Result<()> {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // The serializer has escaped what stands below a space; line breaks are its own.
        if character != '\n' && is_hidden(character) {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| {
                let _ = write!(escaped, "\\u{unit:04x}");
            });
        } else {
            escaped.push(character);
        }
    }
    escaped.push('\n');
    self::bytes(escaped.as_bytes())
}

/// Writes bytes to standard output as they are. A reader that has gone away is no error; a full disk is.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Writes text with styles to standard output, without them where they are not wanted. A reader that has gone away is no error; a full disk is.
pub(crate) fn data(bytes: &[u8]) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

fn written(outcome: io::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("cannot write to standard output"),
    }
}

/// Writes a line to standard error. If that fails there is nobody to tell.
pub(crate) fn note(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// `error: …`
pub(crate) fn problem(text: &str) -> String {
    format!("{BAD}error:{BAD:#} {}", printable(text))
}

/// `warning: …`
pub(crate) fn warning(text: &str) -> String {
    format!("{WARNING}warning:{WARNING:#} {}", printable(text))
}

/// `hint: …`
pub(crate) fn hint(text: &str) -> String {
    format!("{NOTE}hint:{NOTE:#} {}", printable(text))
}

/// A text on one line, with what a terminal would obey, or hide, spelled out.
///
/// Names in certificates and files are anybody's choice: they must not move the cursor or turn the text around.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let spelled = text.chars().map(|c| match is_hidden(c) {
        true => c.escape_default().to_string(),
        false => c.into(),
    });
    Cow::Owned(spelled.collect())
}

/// What a terminal obeys, hides, or turns around.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Shows an error with its causes in one line, and its remedy, if it brings one, in another.
pub(crate) fn error(error: &anyhow::Error) {
    note(&problem(&format!("{error:#}")));
    if let Some(remedy) = error.downcast_ref::<Hinted>().map(|hinted| &hinted.hint) {
        note(&hint(remedy));
    }
}

/// An error with what to do about it.
#[derive(Debug)]
pub(crate) struct Hinted {
    problem: String,
    hint: String,
}

impl Hinted {
    /// Says what is wrong, and what to do about it.
    pub(crate) fn error(problem: impl ToString, hint: impl Into<String>) -> anyhow::Error {
        Self { problem: problem.to_string(), hint: hint.into() }.into()
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Hinted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_out_what_a_terminal_would_obey_and_nothing_else() {
        assert_eq!(
            printable("Prüfung \u{202e}x\u{1b}[1m\u{7}"),
            "Prüfung \\u{202e}x\\u{1b}[1m\\u{7}"
        );
        assert!(matches!(printable("Intel SGX Root CA"), Cow::Borrowed(_)));
    }
}
