//! The text that Intel's library signs and verifies: a value written anew by rapidjson's compact writer.
//!
//! Must stay true: for a document as Intel serves it, this is the very text that arrived. It is never what a strict
//! verifier looks at.

use alloc::vec::Vec;

use super::tree::{Kind, Value};

/// The value without whitespace, its strings escaped as little as can be, its members in the order of the text.
///
/// `None` if there is a number in it that is no integer of 64 bits: how rapidjson would write that is not known here.
pub(crate) fn write(value: Value<'_, '_>) -> Option<Vec<u8>> {
    let mut writer = Writer { out: Vec::new(), open: Vec::new() };
    for (depth, value) in value.walk() {
        writer.end_down_to(depth.saturating_sub(1));
        writer.separate();
        writer.value(value.kind())?;
    }
    writer.end_down_to(0);
    Some(writer.out)
}

struct Writer {
    out: Vec<u8>,
    /// The arrays and objects that have not ended, the innermost last.
    open: Vec<Open>,
}

struct Open {
    is_object: bool,
    /// Whether something has been written into it.
    is_begun: bool,
    /// Whether the last thing written into it was a member's name.
    after_name: bool,
}

impl Writer {
    /// Ends all but so many of the arrays and objects that are open.
    fn end_down_to(&mut self, left: usize) {
        while self.open.len() > left {
            match self.open.pop() {
                Some(Open { is_object: true, .. }) => self.out.push(b'}'),
                Some(_) => self.out.push(b']'),
                None => return,
            }
        }
    }

    /// What stands between the last value and the next.
    fn separate(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        if open.after_name {
            self.out.push(b':');
        } else if open.is_begun {
            self.out.push(b',');
        }
        open.after_name = open.is_object && !open.after_name;
        open.is_begun = true;
    }

    fn value(&mut self, kind: &Kind<'_>) -> Option<()> {
        match kind {
            Kind::Null => self.raw("null"),
            Kind::Bool(true) => self.raw("true"),
            Kind::Bool(false) => self.raw("false"),
            Kind::Unsigned(number) => self.raw(&alloc::format!("{number}")),
            Kind::Negative(number) => self.raw(&alloc::format!("{number}")),
            Kind::Double => return None,
            Kind::Text(text) => self.string(text),
            Kind::Array | Kind::Object => {
                let is_object = *kind == Kind::Object;
                self.out.push(if is_object { b'{' } else { b'[' });
                self.open.push(Open { is_object, is_begun: false, after_name: false });
            }
        }
        Some(())
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                0x08 => self.raw("\\b"),
                b'\t' => self.raw("\\t"),
                b'\n' => self.raw("\\n"),
                0x0c => self.raw("\\f"),
                b'\r' => self.raw("\\r"),
                0..0x20 => self.raw(&alloc::format!("\\u{byte:04X}")),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;
    use std::string::String;

    fn written(text: &str) -> Option<String> {
        let tree = Tree::parse(text.as_bytes()).unwrap();
        write(tree.root()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn writes_without_whitespace_in_the_order_of_the_text() {
        for (text, expected) in [
            (
                "{ \"b\" : [ 1 , { } , [ ] ] ,\r\n\t\"a\" : { \"c\" : null } }",
                r#"{"b":[1,{},[]],"a":{"c":null}}"#,
            ),
            ("[[[1],2],[3,[]],{\"a\":[{}]}]", r#"[[[1],2],[3,[]],{"a":[{}]}]"#),
            (" true ", "true"),
            ("[false,null,\"\"]", r#"[false,null,""]"#),
            // Both of a doubled member are signed.
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn escapes_what_rapidjson_escapes_and_nothing_else() {
        for (text, expected) in [
            (r#""\u0055p\/to\u0044ate""#, r#""Up/toDate""#),
            (r#""\"\\\b\f\n\r\t""#, r#""\"\\\b\f\n\r\t""#),
            (r#""\u0000\u001f\u000b\u007f""#, "\"\\u0000\\u001F\\u000B\u{7f}\""),
            (r#""\u00fc\ud83d\ude00""#, "\"\u{fc}\u{1f600}\""),
            (r#"{"\u0061\n":"'"}"#, r#"{"a\n":"'"}"#),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn writes_integers_shortest_and_knows_no_other_numbers() {
        for (text, expected) in [
            ("-0", Some("0")),
            ("-17", Some("-17")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("18446744073709551616", None),
            ("1.0", None),
            ("[1e2]", None),
        ] {
            assert_eq!(written(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn writes_what_it_has_written_as_it_is() {
        let text = r#"{"tcb":{"svn":[{"svn":1},{"svn":2,"type":"\u0001"}]},"ids":[],"n":-5}"#;
        assert_eq!(written(text).as_deref(), Some(text));
    }
}
