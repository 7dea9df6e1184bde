//! A cursor over bytes that knows which structure it is reading, so that a fault names it and the offset.

use crate::error::{ParseError, ParseErrorKind};

/// Reads forward only; every read is bounded by what is left.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
    structure: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], structure: &'static str) -> Self {
        Self { rest: bytes, offset: 0, structure }
    }

    /// Names the structure that the following reads belong to.
    pub(crate) fn enter(&mut self, structure: &'static str) {
        self.structure = structure;
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Everything not yet read, without reading it.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let Some((head, tail)) = self.rest.split_at_checked(count) else {
            let available = self.rest.len();
            return Err(self.error(ParseErrorKind::Truncated { needed: count, available }));
        };
        self.rest = tail;
        self.offset = self.offset.saturating_add(count);
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A reader over the next `count` bytes, whose offsets go on counting from the start of the input.
    pub(crate) fn nested(
        &mut self,
        count: usize,
        structure: &'static str,
    ) -> Result<Reader<'a>, ParseError> {
        let offset = self.offset;
        let rest = self.take(count)?;
        Ok(Reader { rest, offset, structure })
    }

    /// A little-endian `u32` length as a `usize`.
    pub(crate) fn length(&mut self) -> Result<usize, ParseError> {
        let value = u32::from_le_bytes(self.array()?);
        // On a 16-bit target the value may not fit; no input there can be that long either.
        Ok(usize::try_from(value).unwrap_or(usize::MAX))
    }

    /// Fails unless everything has been read.
    pub(crate) fn finish(&self) -> Result<(), ParseError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(self.error(ParseErrorKind::TrailingBytes { count })),
        }
    }

    /// A fault of this structure at this offset.
    pub(crate) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError { kind, structure: self.structure, offset: self.offset }
    }
}
