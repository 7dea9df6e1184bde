//! JSON as strictly as signed documents deserve: bounded, no member twice, faults with line and column.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::error::{ParseError, ParseErrorKind};
use crate::limits;

pub(crate) mod canonical;
pub(crate) mod tree;

/// Parses a document that must fit `T`. Unknown members are let pass; no member may stand twice, at any depth.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    text: &'a [u8],
    structure: &'static str,
) -> Result<T, ParseError> {
    bounded(text, limits::DOCUMENT_BYTES, structure)?;
    let mut scan = serde_json::Deserializer::from_slice(text);
    Strict { depth: limits::DOCUMENT_DEPTH, keys: &mut Vec::new() }
        .deserialize(&mut scan)
        .and_then(|()| scan.end())
        .map_err(|fault| json_error(text, structure, &fault))?;
    serde_json::from_slice(text).map_err(|fault| json_error(text, structure, &fault))
}

/// Refuses a text longer than `limit` before anything reads it.
pub(crate) fn bounded(
    text: &[u8],
    limit: usize,
    structure: &'static str,
) -> Result<(), ParseError> {
    if text.len() <= limit {
        return Ok(());
    }
    let kind = ParseErrorKind::TooLarge { limit, found: text.len(), unit: "bytes" };
    Err(ParseError::new(structure, kind))
}

/// A fault of `serde_json` with its place.
pub(crate) fn json_error(
    text: &[u8],
    structure: &'static str,
    fault: &serde_json::Error,
) -> ParseError {
    let (line, column) = (fault.line(), fault.column());
    let shown = fault.to_string();
    let (problem, _) = shown.rsplit_once(" at line ").unwrap_or((&shown, ""));
    let problem = printable(problem);
    ParseError {
        kind: ParseErrorKind::Json { line, column, problem },
        structure,
        offset: offset(text, line, column),
    }
}

/// A message that may quote hostile text: cut to a line's length, control characters escaped.
fn printable(text: &str) -> String {
    const CHARACTERS: usize = 200;
    let mut shown = String::new();
    for character in text.chars().take(CHARACTERS) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// The byte that a line and column (both from 1) name.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines_before = line.saturating_sub(1);
    let start: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(lines_before)
        .map(<[u8]>::len)
        .fold(0, usize::saturating_add);
    start.saturating_add(column.saturating_sub(1)).min(text.len())
}

/// Walks any JSON value, counting depth and members and refusing doubled ones; keeps nothing.
struct Strict<'k, 'de> {
    /// How many values may still stand in each other. A number in an array counts as one, as in Intel's library.
    depth: usize,
    /// Member names of all objects that are open, the innermost last: one allocation for a whole text.
    keys: &'k mut Vec<Cow<'de, str>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let limit = limits::DOCUMENT_DEPTH;
        let depth = self.depth.checked_sub(1);
        let depth =
            depth.ok_or_else(|| D::Error::custom(format_args!("nested more than {limit} deep")))?;
        deserializer.deserialize_any(Strict { depth, keys: self.keys })
    }
}

impl<'de> Visitor<'de> for Strict<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    /// A NUL is refused: a C program would see another text than we do.
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(E::custom("a string has a NUL in it")) } else { Ok(()) }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Self { depth, keys } = self;
        while sequence.next_element_seed(Strict { depth, keys: &mut *keys })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { depth, keys } = self;
        let outer = keys.len();
        while let Some(Text(key)) = map.next_key()? {
            let inner = keys.get(outer..).unwrap_or_default();
            if inner.contains(&key) {
                return Err(A::Error::custom(format_args!("member `{key}` stands twice")));
            }
            if inner.len() == limits::OBJECT_MEMBERS {
                let limit = limits::OBJECT_MEMBERS;
                return Err(A::Error::custom(format_args!("an object has over {limit} members")));
            }
            keys.push(key);
            map.next_value_seed(Strict { depth, keys })?;
        }
        keys.truncate(outer);
        Ok(())
    }
}

/// A string, such as a member's name, borrowed from the text unless it is written with escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.into()))
            }
        }
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

/// A member that may be missing but not be `null`, which Intel's library takes for a value of the wrong type.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The same for a text, borrowed if it can be.
pub(crate) fn present_text<'de: 'a, 'a, D>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error>
where
    D: Deserializer<'de>,
{
    Text::deserialize(deserializer).map(|Text(text)| Some(text))
}

/// A sequence of at most `limit` elements, so that a long one costs no memory.
pub(crate) fn bounded_vec<'de, D, T>(
    deserializer: D,
    limit: usize,
    unit: &'static str,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Bounded<T> {
        limit: usize,
        unit: &'static str,
        element: core::marker::PhantomData<T>,
    }
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {} {}", self.limit, self.unit)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while elements.len() < self.limit {
                match sequence.next_element()? {
                    Some(element) => elements.push(element),
                    None => return Ok(elements),
                }
            }
            match sequence.next_element::<IgnoredAny>()? {
                None => Ok(elements),
                Some(_) => Err(A::Error::custom(format_args!("over {} {}", self.limit, self.unit))),
            }
        }
    }
    deserializer.deserialize_seq(Bounded { limit, unit, element: core::marker::PhantomData })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<IgnoredAny, ParseError> {
        parse(text.as_bytes(), "test")
    }

    fn problem(text: &str) -> String {
        match strict(text).unwrap_err().kind {
            ParseErrorKind::Json { problem, .. } => problem,
            other => std::panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_a_member_that_stands_twice_at_any_depth_even_if_escaped() {
        assert!(strict(r#"{"a":1,"b":{"a":2}}"#).is_ok());
        assert_eq!(problem(r#"{"a":1,"a":1}"#), "member `a` stands twice");
        assert_eq!(problem(r#"[{"x":[{"a":1,"a":2}]}]"#), "member `a` stands twice");
        assert_eq!(problem(r#"{"a":1,"\u0061":2}"#), "member `a` stands twice");
    }

    #[test]
    fn refuses_nesting_beyond_the_limit_and_not_before() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(strict(&nested(limits::DOCUMENT_DEPTH)).is_ok());
        assert_eq!(problem(&nested(limits::DOCUMENT_DEPTH + 1)), "nested more than 32 deep");
        // A number at the bottom is one value more, as Intel's library counts.
        let around = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
        assert!(strict(&around(limits::DOCUMENT_DEPTH - 1)).is_ok());
        assert_eq!(problem(&around(limits::DOCUMENT_DEPTH)), "nested more than 32 deep");
        // Far beyond: the same answer, no deep stack.
        assert_eq!(problem(&nested(10_000)), "nested more than 32 deep");
    }

    #[test]
    fn refuses_text_after_the_value_and_says_where() {
        let fault = strict("{}\n x").unwrap_err();
        assert_eq!(fault.offset, 4);
        assert!(matches!(fault.kind, ParseErrorKind::Json { line: 2, column: 2, .. }), "{fault:?}");
    }

    #[test]
    fn quotes_hostile_text_briefly_and_without_control_characters() {
        let key = "\u{1b}[31m".repeat(1000);
        let text = serde_json::to_string(&key).unwrap();
        let shown = problem(&std::format!("{{{text}:1,{text}:2}}"));
        assert!(shown.starts_with("member `\\u{1b}[31m"), "{shown}");
        assert!(shown.chars().count() < 1500 && !shown.contains('\u{1b}'));
    }

    #[test]
    fn refuses_strings_that_would_end_early_in_a_c_program() {
        assert_eq!(problem(r#"["INTEL-SA-00001\u0000"]"#), "a string has a NUL in it");
        assert!(strict(r#"["INTEL-SA-00001\u0001"]"#).is_ok());
    }

    #[test]
    fn refuses_objects_with_more_members_than_the_limit() {
        let object = |members: usize| {
            let members: Vec<String> = (0..members).map(|n| std::format!("\"k{n}\":0")).collect();
            std::format!("{{{}}}", members.join(","))
        };
        assert!(strict(&object(limits::OBJECT_MEMBERS)).is_ok());
        assert_eq!(problem(&object(limits::OBJECT_MEMBERS + 1)), "an object has over 128 members");
    }
}
