//! From the text to the nodes of a tree, without recursion.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Kind, Node, NotJson};

/// The nodes of a text that is one value.
pub(super) fn nodes(text: &str) -> Result<Vec<Node<'_>>, NotJson> {
    let mut scan = Scan { text, at: 0, nodes: Vec::new(), open: Vec::new() };
    let mut next = Next::Value;
    loop {
        next = match next {
            Next::Value => scan.value()?,
            Next::Separator => scan.separator()?,
            Next::Nothing => return Ok(scan.nodes),
        };
    }
}

/// What the text must go on with.
enum Next {
    Value,
    /// A comma, or the end of what is open.
    Separator,
    Nothing,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node<'a>>,
    /// The arrays and objects that have not ended, the innermost last.
    open: Vec<usize>,
}

impl<'a> Scan<'a> {
    fn value(&mut self) -> Result<Next, NotJson> {
        self.skip_whitespace();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => return self.begin(Kind::Object, b'}'),
            Some(b'[') => return self.begin(Kind::Array, b']'),
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return Err(self.fault()),
        };
        self.push(kind, start);
        Ok(Next::Separator)
    }

    fn begin(&mut self, kind: Kind<'a>, end: u8) -> Result<Next, NotJson> {
        let (start, is_object) = (self.at, kind == Kind::Object);
        self.step();
        self.open.push(self.nodes.len());
        self.push(kind, start);
        self.skip_whitespace();
        if self.peek() == Some(end) {
            return Ok(Next::Separator);
        }
        if is_object {
            self.name()?;
        }
        Ok(Next::Value)
    }

    /// What stands after a value: the next one, the end of the innermost array or object, or the end of the text.
    fn separator(&mut self) -> Result<Next, NotJson> {
        self.skip_whitespace();
        let innermost = self.open.last().and_then(|at| self.nodes.get(*at));
        let is_object = innermost.map(|node| node.kind == Kind::Object);
        match (is_object, self.peek()) {
            (None, None) => Ok(Next::Nothing),
            (Some(true), Some(b',')) => {
                self.step();
                self.name().map(|()| Next::Value)
            }
            (Some(false), Some(b',')) => {
                self.step();
                Ok(Next::Value)
            }
            (Some(true), Some(b'}')) | (Some(false), Some(b']')) => {
                self.step();
                self.end();
                Ok(Next::Separator)
            }
            _ => Err(self.fault()),
        }
    }

    fn end(&mut self) {
        let next = self.nodes.len();
        if let Some(node) = self.open.pop().and_then(|at| self.nodes.get_mut(at)) {
            node.next = next;
            node.span.end = self.at;
        }
    }

    fn name(&mut self) -> Result<(), NotJson> {
        self.skip_whitespace();
        let start = self.at;
        let name = self.string()?;
        self.push(Kind::Text(name), start);
        self.skip_whitespace();
        self.expect(b':')
    }

    fn word(&mut self, word: &str, kind: Kind<'a>) -> Result<Kind<'a>, NotJson> {
        if !self.rest().starts_with(word) {
            return Err(self.fault());
        }
        self.at = self.at.saturating_add(word.len());
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind<'a>, NotJson> {
        let start = self.at;
        let is_negative = self.take(b'-');
        let is_zero = self.take(b'0');
        if !is_zero {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let integer = match is_negative && !is_zero {
            _ if !is_integer => None,
            true => text.parse().ok().map(Kind::Negative),
            false => text.trim_start_matches('-').parse().ok().map(Kind::Unsigned),
        };
        match integer {
            Some(integer) => Ok(integer),
            // rapidjson refuses what no double can hold.
            None if text.parse().is_ok_and(f64::is_finite) => Ok(Kind::Double),
            None => Err(NotJson { at: start }),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), NotJson> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(self.fault());
        }
        self.at = self.at.saturating_add(count);
        Ok(())
    }

    /// A string, borrowed unless there is an escape in it.
    fn string(&mut self) -> Result<Cow<'a, str>, NotJson> {
        self.expect(b'"')?;
        let plain = self.plain();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escaped()?),
                // A control character, or the end.
                _ => return Err(self.fault()),
            }
            text.push_str(self.plain());
        }
    }

    /// What comes before the next quote, backslash or control character.
    fn plain(&mut self) -> &'a str {
        let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        let rest = self.rest();
        let length = rest.bytes().position(special).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    fn escaped(&mut self) -> Result<char, NotJson> {
        let start = self.fault();
        self.step();
        let character = match self.peek().ok_or(start)? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.step();
                return self.unicode().ok_or(start);
            }
            _ => return Err(start),
        };
        self.step();
        Ok(character)
    }

    /// What follows `\u`: four digits, and four more for a character beyond 16 bits.
    fn unicode(&mut self) -> Option<char> {
        let high = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&high) {
            // Fails for a low surrogate without its high one.
            return char::from_u32(high.into());
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return None;
        }
        let low = self.four_digits()?;
        char::decode_utf16([high, low]).next()?.ok()
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4)?;
        // `from_str_radix` alone would let a sign pass.
        let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.at = self.at.saturating_add(4);
        all.then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn push(&mut self, kind: Kind<'a>, start: usize) {
        let next = self.nodes.len().saturating_add(1);
        self.nodes.push(Node { kind, span: start..self.at, next });
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.step();
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { Err(self.fault()) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self) -> NotJson {
        NotJson { at: self.at }
    }
}
