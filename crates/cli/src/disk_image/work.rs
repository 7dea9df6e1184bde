//! How much an image may make this program do.
//!
//! Must stay true: every byte read from a file, filled in or decompressed is charged, so that no image, whatever it
//! claims, keeps the program busy for long.

use std::cell::Cell;

use super::ImageError;

/// What a call costs beside its bytes: a system call and a walk through tables.
const CALL: u64 = 512;

/// Reading directories, tables and a journal of a large, honest image takes some tens of megabytes.
const TABLES: u64 = 1 << 30;

/// A fragmented file is read with its neighbourhood.
const PER_BYTE: u64 = 16;

/// What is left to spend.
pub(crate) struct Work(Cell<u64>);

impl Work {
    /// Enough to find and read a file of this size in any honest image.
    pub(crate) fn for_file_of(size: u64) -> Self {
        Self(Cell::new(TABLES.saturating_add(size.saturating_mul(PER_BYTE))))
    }

    /// Pays for handling so many bytes.
    ///
    /// # Errors
    /// When nothing is left.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), ImageError> {
        let cost = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(CALL);
        let left = self.0.get().checked_sub(cost).ok_or(ImageError::TooMuchWork)?;
        self.0.set(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_reads_are_as_dear_as_few_large_ones() {
        let work = Work::for_file_of(0);
        let calls = (0..TABLES).take_while(|_| work.charge(0).is_ok()).count();
        assert_eq!(calls as u64, TABLES / CALL);
        assert!(matches!(work.charge(0), Err(ImageError::TooMuchWork)));
    }
}
