//! JSON as Intel's library reads it: a tree in which members may stand in any order, be unknown, or stand twice.
//!
//! Source: rapidjson as Intel's QVL uses it (read from a C string, with its iterative parser).
//! Must stay true: nothing here recurses, so that depth costs no stack; the text ends at its first NUL.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

mod scan;

/// All values of a text, each before those inside it; the members of an object as name, value, name, value.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Debug)]
struct Node<'a> {
    kind: Kind<'a>,
    /// Where it stands in the text.
    span: Range<usize>,
    /// The node after it and all that is inside it.
    next: usize,
}

/// What a value is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Null,
    Bool(bool),
    /// An integer without a sign, or `-0`.
    Unsigned(u64),
    /// An integer below zero.
    Negative(i64),
    /// A number with a fraction or exponent, or beyond 64 bits.
    Double,
    Text(Cow<'a, str>),
    Array,
    Object,
}

/// The text is not JSON from this byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson {
    pub(crate) at: usize,
}

impl<'a> Tree<'a> {
    /// Reads one value, with nothing after it but whitespace up to the end or the first NUL.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, NotJson> {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text =
            core::str::from_utf8(text).map_err(|fault| NotJson { at: fault.valid_up_to() })?;
        scan::nodes(text).map(|nodes| Self { nodes })
    }

    /// The value that the text is.
    pub(crate) fn root(&self) -> Value<'_, 'a> {
        Value { tree: self, at: 0 }
    }
}

/// One value of a [`Tree`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t, 'a> {
    tree: &'t Tree<'a>,
    at: usize,
}

impl<'t, 'a> Value<'t, 'a> {
    fn node(self) -> Option<&'t Node<'a>> {
        self.tree.nodes.get(self.at)
    }

    pub(super) fn kind(self) -> &'t Kind<'a> {
        self.node().map_or(&Kind::Null, |node| &node.kind)
    }

    /// Where it stands in the text.
    pub(crate) fn span(self) -> Range<usize> {
        self.node().map(|node| node.span.clone()).unwrap_or_default()
    }

    pub(crate) fn is_object(self) -> bool {
        *self.kind() == Kind::Object
    }

    /// The first member of this name, if this is an object.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        let mut inside = self.is_object().then(|| self.inside())?;
        while let (Some(key), Some(value)) = (inside.next(), inside.next()) {
            if matches!(key.kind(), Kind::Text(text) if text == name) {
                return Some(value);
            }
        }
        None
    }

    /// The elements, if this is an array.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Self>> {
        (*self.kind() == Kind::Array).then(|| self.inside())
    }

    /// The text, if this is one, up to its first NUL: what a C program sees of it.
    pub(crate) fn text(self) -> Option<&'t str> {
        self.whole_text().map(|text| text.split('\0').next().unwrap_or_default())
    }

    /// The text, if this is one.
    pub(crate) fn whole_text(self) -> Option<&'t str> {
        match self.kind() {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one of `u32`.
    pub(crate) fn unsigned(self) -> Option<u32> {
        match self.kind() {
            Kind::Unsigned(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The number, if it is one of `i32`.
    pub(crate) fn signed(self) -> Option<i32> {
        match self.kind() {
            Kind::Unsigned(number) => i32::try_from(*number).ok(),
            Kind::Negative(number) => i32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// How deep values stand in each other here; 1 for a value with none inside.
    pub(crate) fn depth(self) -> usize {
        self.walk().map(|(depth, _)| depth).max().unwrap_or(1)
    }

    /// This value and all inside it, in the order of the text, each with its depth from 1.
    pub(super) fn walk(self) -> impl Iterator<Item = (usize, Self)> {
        let end = self.node().map_or(self.at, |node| node.next);
        let mut open: Vec<usize> = Vec::new();
        (self.at..end).map(move |at| {
            while open.last().is_some_and(|end| *end <= at) {
                open.pop();
            }
            let value = Value { at, ..self };
            let depth = open.len().saturating_add(1);
            if matches!(value.kind(), Kind::Array | Kind::Object) {
                open.push(value.node().map_or(at, |node| node.next));
            }
            (depth, value)
        })
    }

    /// The values directly inside this one.
    fn inside(self) -> impl Iterator<Item = Self> {
        let end = self.node().map_or(0, |node| node.next);
        let first = Value { at: self.at.saturating_add(1), ..self };
        let within = move |value: &Self| value.at < end;
        core::iter::successors(Some(first).filter(within), move |value| {
            let next = value.node()?.next;
            Some(Value { at: next, ..self }).filter(within)
        })
    }
}

#[cfg(test)]
mod tests;
