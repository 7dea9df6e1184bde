//! Words of a command as a shell reads them, for commands that are shown to be copied.

use std::ffi::OsStr;

use crate::output::printable;

/// A word, in quotes where a shell would take it apart.
pub(crate) fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let text = printable(&text);
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_take_apart_and_nothing_else() {
        for (word, shown) in [
            ("platform/root.pem", "platform/root.pem"),
            ("my platform", "'my platform'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), shown);
        }
    }
}
