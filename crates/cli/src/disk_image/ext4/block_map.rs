//! Which blocks of the disk hold a file's bytes: by a tree of extents, or by lists of block numbers as ext2 has them.
//!
//! Must stay true: the runs come in ascending order without overlap and end where the file does, so there are never
//! more of them than the file has blocks; what none covers is zeros: holes, and ranges that were never written.

use super::checksum::crc32c;
use super::{FileSystem, ImageError, Inode};
use crate::disk_image::bytes_at::{le16, le32};

const MAGIC: u16 = 0xf30a;
/// The depth of a tree of extents: more never fits 2^32 blocks.
const DEPTH: u16 = 5;
/// A length above this stands for an extent that was allocated and never written.
const WRITTEN: u16 = 32768;
/// Block numbers in the inode itself; three more lead to lists of lists.
const DIRECT: usize = 12;

/// Blocks of a file that follow each other on the disk, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk_image) struct Run {
    /// The first of them, counted from the file's beginning.
    pub(super) first: u64,
    pub(super) count: u64,
    /// The first of them on the disk.
    pub(super) start: u64,
}

impl Run {
    /// Their numbers on the disk.
    pub(super) fn blocks(self) -> impl Iterator<Item = u64> {
        // A run ends before the file system does.
        (self.start..).zip(0..self.count).map(|(block, _)| block)
    }
}

/// What is done with each run; says whether to go on.
type Visit<'a> = dyn FnMut(Run) -> Result<bool, ImageError> + 'a;

impl FileSystem {
    /// Visits the runs of a file in order, until one is enough.
    pub(super) fn each_run(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<(), ImageError> {
        let end = inode.size.div_ceil(self.block_size());
        let mut walk = Walk { file_system: self, inode, end, next: 0, visit };
        if inode.has_extents {
            return walk.node(&inode.root, None).map(|_| ());
        }
        let (direct, lists) = inode.root.split_at(DIRECT.saturating_mul(4));
        if !walk.list(direct, 0)? {
            return Ok(());
        }
        for (list, depth) in lists.chunks_exact(4).zip(1..) {
            if !walk.list(list, depth)? {
                break;
            }
        }
        Ok(())
    }
}

struct Walk<'a, 'b> {
    file_system: &'a FileSystem,
    inode: &'a Inode,
    /// The file has so many blocks.
    end: u64,
    /// The first block that has not been passed.
    next: u64,
    visit: &'a mut Visit<'b>,
}

impl Walk<'_, '_> {
    /// A node of a tree of extents. Only the root may have any depth.
    fn node(&mut self, bytes: &[u8], expected: Option<u16>) -> Result<bool, ImageError> {
        let depth = self.depth(bytes, expected).ok_or_else(|| self.damaged())?;
        let count = le16(bytes, 2).map(usize::from).unwrap_or_default();
        let entries = bytes.get(12..).unwrap_or_default().chunks_exact(12).take(count);
        for entry in entries {
            let goes_on = match depth.checked_sub(1) {
                None => self.extent(entry)?,
                Some(below) => self.child(entry, below)?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// None unless the header is one, and its entries fit.
    fn depth(&self, bytes: &[u8], expected: Option<u16>) -> Option<u16> {
        let (count, most, depth) = (le16(bytes, 2)?, le16(bytes, 4)?, le16(bytes, 6)?);
        let room = bytes.len().checked_sub(12)? / 12;
        let is_sound = le16(bytes, 0)? == MAGIC
            && count <= most
            && usize::from(most) <= room
            && depth <= DEPTH
            && expected.is_none_or(|expected| expected == depth);
        is_sound.then_some(depth)
    }

    fn child(&mut self, entry: &[u8], depth: u16) -> Result<bool, ImageError> {
        let place = wide(le16(entry, 8), le32(entry, 4)).ok_or_else(|| self.damaged())?;
        let bytes = self.file_system.block(place)?;
        if let Some(seed) = self.inode.checksum_seed {
            // It stands behind the last entry that there is room for.
            let end = le16(&bytes, 4).map(usize::from).unwrap_or_default();
            let end = end.saturating_add(1).saturating_mul(12);
            let sum = bytes.get(..end).map(|node| crc32c(seed, node));
            if sum.is_none() || sum != le32(&bytes, end) {
                return Err(self.file_system.damaged("a node of extents has a wrong checksum"));
            }
        }
        self.node(&bytes, Some(depth))
    }

    fn extent(&mut self, entry: &[u8]) -> Result<bool, ImageError> {
        let fields =
            || Some((le32(entry, 0)?, le16(entry, 4)?, wide(le16(entry, 6), le32(entry, 8))?));
        let (first, length, start) = fields().ok_or_else(|| self.damaged())?;
        let (count, is_written) = extent_length(length);
        let run = Run { first: first.into(), count, start };
        if is_written { self.run(run) } else { self.pass(run) }
    }

    /// A list of block numbers, or of lists of them. Zero stands for a hole.
    fn list(&mut self, bytes: &[u8], depth: u32) -> Result<bool, ImageError> {
        // How many blocks one number stands for.
        let per_block = self.file_system.block_size() / 4;
        let count = per_block.checked_pow(depth).unwrap_or(u64::MAX);
        for number in bytes.chunks_exact(4).filter_map(|number| le32(number, 0)) {
            if self.next >= self.end {
                return Ok(false);
            }
            let goes_on = match (number, depth.checked_sub(1)) {
                (0, _) => self.pass(Run { first: self.next, count, start: 0 })?,
                (_, None) => self.run(Run { first: self.next, count, start: number.into() })?,
                (_, Some(below)) => {
                    let list = self.file_system.block(number.into())?;
                    self.list(&list, below)?
                }
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Visits as much of a run as the file has.
    fn run(&mut self, run: Run) -> Result<bool, ImageError> {
        let last = run.start.checked_add(run.count);
        let is_inside = last.is_some_and(|last| last <= self.file_system.superblock.blocks);
        if run.start == 0 || !is_inside {
            return Err(self.damaged());
        }
        let left = self.end.saturating_sub(run.first);
        let goes_on = self.pass(run)?;
        match run.count.min(left) {
            0 => Ok(goes_on),
            count => Ok((self.visit)(Run { count, ..run })? && goes_on),
        }
    }

    /// Goes on behind a run. Says whether the file does, too.
    fn pass(&mut self, run: Run) -> Result<bool, ImageError> {
        if run.count == 0 || run.first < self.next {
            return Err(self.damaged());
        }
        self.next = run.first.saturating_add(run.count);
        Ok(self.next < self.end)
    }

    fn damaged(&self) -> ImageError {
        self.file_system.damaged("the list of a file's blocks contradicts itself")
    }
}

/// How many blocks an extent has, and whether they were ever written.
fn extent_length(length: u16) -> (u64, bool) {
    let unwritten = length.checked_sub(WRITTEN).filter(|length| *length != 0);
    (unwritten.unwrap_or(length).into(), unwritten.is_none())
}

/// A block number of 48 bits.
fn wide(high: Option<u16>, low: Option<u32>) -> Option<u64> {
    Some(u64::from(high?) << 32 | u64::from(low?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_above_32768_is_of_an_extent_that_was_never_written() {
        assert_eq!(extent_length(1), (1, true));
        assert_eq!(extent_length(32768), (32768, true));
        assert_eq!(extent_length(32769), (1, false));
        assert_eq!(extent_length(u16::MAX), (32767, false));
    }
}
