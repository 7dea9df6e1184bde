//! JSON with comments, as Intel's configuration has them.
//!
//! Must stay true: everything that is left keeps its line and column.

/// The text with its comments turned into blanks.
pub(super) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = Inside::Nothing;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        let begins = |second| char == '/' && next == Some(second);
        let shown = match inside {
            Inside::Nothing if begins('/') => {
                inside = Inside::Line;
                ' '
            }
            Inside::Nothing if begins('*') => {
                inside = Inside::Block;
                // So that `/*/` does not end where it begins.
                out.push(' ');
                chars.next();
                ' '
            }
            Inside::Nothing | Inside::Text if char == '"' => {
                inside = match inside {
                    Inside::Text => Inside::Nothing,
                    _ => Inside::Text,
                };
                char
            }
            Inside::Text if char == '\\' => {
                out.push(char);
                match chars.next() {
                    Some(escaped) => escaped,
                    None => break,
                }
            }
            Inside::Line if char == '\n' => {
                inside = Inside::Nothing;
                char
            }
            Inside::Block if char == '*' && next == Some('/') => {
                inside = Inside::Nothing;
                out.push(' ');
                chars.next();
                ' '
            }
            Inside::Line | Inside::Block if char != '\n' => ' ',
            _ => char,
        };
        out.push(shown);
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Text,
    Line,
    Block,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_blanks_and_the_rest_keeps_its_place() {
        for (text, blank) in [
            ("{} // x\n[]", "{}     \n[]"),
            ("a /* b\nc */ d", "a     \n     d"),
            (r#""//\"/*" // x"#, r#""//\"/*"     "#),
            ("/*/ x */y", "        y"),
            ("ü // ü\nü", "ü     \nü"),
            (r#""\"#, r#""\"#),
        ] {
            assert_eq!(blanked(text), blank, "{text}");
        }
    }
}
