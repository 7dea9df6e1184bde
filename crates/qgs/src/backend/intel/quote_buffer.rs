//! Memory for a quote, with a margin behind it that shows whether more was written than the library was told.
//!
//! Must stay true: the memory is longer than the size that it tells.

use crate::failure::{Failure, Hop};

/// Bytes behind the quote. What is written beyond them, nobody can notice.
const MARGIN: usize = 4096;

/// What the margin is filled with: neither text nor zero.
const FILLING: u8 = 0xa5;

/// Memory for one quote.
pub(super) struct QuoteBuffer {
    size: u32,
    length: usize,
    bytes: Vec<u8>,
}

impl QuoteBuffer {
    /// Memory for a quote of this size, if a quote can be that large.
    pub(super) fn of(size: u32, largest: usize) -> Result<Self, Failure> {
        let length = usize::try_from(size)
            .ok()
            .filter(|length| (1..=largest).contains(length))
            .ok_or_else(|| absurd(size, largest))?;
        let mut bytes = vec![0; length];
        bytes.resize(length.saturating_add(MARGIN), FILLING);
        Ok(Self { size, length, bytes })
    }

    /// The size to tell, and the memory.
    pub(super) fn parts(&mut self) -> (u32, &mut [u8]) {
        (self.size, &mut self.bytes)
    }

    /// The quote, if nothing was written behind it.
    pub(super) fn into_quote(mut self) -> Result<Vec<u8>, Failure> {
        let margin = self.bytes.split_off(self.length);
        match margin.iter().all(|byte| *byte == FILLING) {
            true => Ok(self.bytes),
            false => Err(overrun(self.length)),
        }
    }
}

fn absurd(size: u32, largest: usize) -> Failure {
    let text = format!("the library wants {size} bytes for a quote, expected 1 to {largest}");
    Failure::new(Hop::Backend, "backend.size", text).spoiling()
}

fn overrun(length: usize) -> Failure {
    let text = format!(
        "the library was given {length} bytes for a quote and has written more: its answer cannot be trusted"
    );
    Failure::new(Hop::Backend, "backend.overrun", text)
        .with_remedy("restart the service, and install another version of libsgx-tdx-logic")
        .spoiling()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_no_quote_get_no_memory() {
        for (size, fits) in [(0, false), (1, true), (10, true), (11, false), (u32::MAX, false)] {
            let found = QuoteBuffer::of(size, 10).map(|_| ()).map_err(|failure| failure.code);
            let expected = if fits { Ok(()) } else { Err("backend.size") };
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn one_byte_behind_the_quote_is_noticed_and_the_last_of_it_is_not() {
        let written_at = |at: usize| {
            let mut buffer = QuoteBuffer::of(5, 10).unwrap();
            buffer.parts().1[at] = 7;
            buffer.into_quote().map_err(|failure| failure.code)
        };
        assert_eq!(written_at(4), Ok(vec![0, 0, 0, 0, 7]));
        assert_eq!(written_at(5), Err("backend.overrun"));
        assert_eq!(written_at(5 + MARGIN - 1), Err("backend.overrun"));
    }
}
