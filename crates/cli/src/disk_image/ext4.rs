//! An ext4, ext3 or ext2 file system in a partition, read block by block.
//!
//! Source: Linux, "Documentation/filesystems/ext4/", "Data Structures and Algorithms".
//! Must stay true: every block is charged when it is read and nothing read is kept, so no walk, whatever the image
//! says, goes on without paying; what a checksum covers is used only if the checksum is right; a range that was
//! allocated but never written is zeros, whatever stands on the disk there.

mod block_map;
mod checksum;
mod directory;
mod inode;
mod journal;
mod superblock;

use std::rc::Rc;

use self::block_map::Run;
use self::checksum::{crc32c, without};
pub(super) use self::inode::{Inode, Kind};
use self::journal::Replay;
use self::superblock::Superblock;
use super::bytes_at::{le16, le32};
use super::partitions::{Partition, Place};
use super::{DiskImage, ImageError};

/// The inode of `/`.
const ROOT: u32 = 2;
/// Where the superblock is, in bytes.
const SUPERBLOCK: u64 = 1024;

/// An open file system.
pub(super) struct FileSystem {
    disk: Rc<DiskImage>,
    partition: Partition,
    superblock: Superblock,
    replay: Replay,
}

impl FileSystem {
    /// Reads the superblock, and the journal if the guest has not been able to put it in its place.
    ///
    /// # Errors
    /// When either is damaged, or has features that are not read here.
    pub(super) fn open(disk: &Rc<DiskImage>, partition: &Partition) -> Result<Self, ImageError> {
        let (disk, partition) = (Rc::clone(disk), partition.clone());
        let mut bytes = [0; superblock::LENGTH];
        fill(&disk, &partition, SUPERBLOCK, &mut bytes)?;
        let superblock = Superblock::parse(&bytes, &partition)?;
        let mut it = Self { disk, partition, superblock, replay: Replay::default() };
        if let Some(journal) = it.superblock.unreplayed_journal {
            it.replay = Replay::load(&it, &it.inode(journal)?)?;
            // The journal may have a newer superblock.
            let block_size = it.block_size();
            let block = it.block(SUPERBLOCK / block_size)?;
            let start = usize::try_from(SUPERBLOCK % block_size).unwrap_or(usize::MAX);
            let newer = block.get(start..).and_then(|rest| rest.get(..superblock::LENGTH));
            let newer = Superblock::parse(newer.unwrap_or_default(), &it.partition)?;
            if newer.block_size != block_size {
                return Err(it.damaged("its journal gives it blocks of another size"));
            }
            it.superblock = Superblock { unreplayed_journal: Some(journal), ..newer };
        }
        Ok(it)
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    pub(super) fn place(&self) -> &Place {
        &self.partition.place
    }

    /// Whether the guest was stopped before it could unmount.
    pub(super) fn is_unclean(&self) -> bool {
        self.superblock.unreplayed_journal.is_some()
    }

    pub(super) fn uuid(&self) -> &str {
        &self.superblock.uuid
    }

    pub(super) fn label(&self) -> &str {
        &self.superblock.label
    }

    pub(super) fn root(&self) -> Result<Inode, ImageError> {
        self.inode(ROOT)
    }

    /// The bytes of a file or a link, as many as its inode says: the caller has looked at how many.
    pub(super) fn read(&self, inode: &Inode) -> Result<Vec<u8>, ImageError> {
        if let Some(target) = inode.inline_target() {
            return Ok(target.to_vec());
        }
        let size = usize::try_from(inode.size).map_err(|_| ImageError::TooMuchWork)?;
        // What no run covers stays zero.
        let mut bytes = vec![0; size];
        let step = self.superblock.block_bytes();
        self.each_run(inode, &mut |run| {
            let rest = run.first.checked_mul(self.block_size());
            let rest = rest.and_then(|start| bytes.get_mut(usize::try_from(start).ok()?..));
            let pieces = rest.unwrap_or_default().chunks_mut(step);
            for (piece, block) in pieces.zip(run.blocks()) {
                self.read_block(block, piece)?;
            }
            Ok(true)
        })?;
        Ok(bytes)
    }

    fn block_size(&self) -> u64 {
        self.superblock.block_size
    }

    /// A whole block.
    fn block(&self, number: u64) -> Result<Vec<u8>, ImageError> {
        let mut bytes = vec![0; self.superblock.block_bytes()];
        self.read_block(number, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills the buffer, at most a block long, with the beginning of a block as it is after the journal's replay.
    fn read_block(&self, number: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        let copy = self.replay.copy_of(number);
        let number = copy.map_or(number, |copy| copy.block);
        let start = number.checked_mul(self.block_size());
        let start = start.filter(|_| number < self.superblock.blocks);
        let start = start.ok_or_else(|| self.damaged("it leads to a block past its end"))?;
        fill(&self.disk, &self.partition, start, buffer)?;
        if let Some(copy) = copy {
            copy.restore(buffer);
        }
        Ok(())
    }

    /// What a block group says of itself.
    fn inode_table(&self, group: u32) -> Result<u64, ImageError> {
        let superblock = &self.superblock;
        let size = u64::from(superblock.descriptor_bytes);
        let offset = u64::from(group).saturating_mul(size);
        let first = u64::from(superblock.first_block).saturating_add(1);
        let block = self.block(first.saturating_add(offset / self.block_size()))?;
        let start = usize::try_from(offset % self.block_size()).unwrap_or(usize::MAX);
        let length = usize::from(superblock.descriptor_bytes);
        let descriptor = block.get(start..).and_then(|rest| rest.get(..length));
        let descriptor = descriptor.unwrap_or_default();
        if let Some(seed) = superblock.checksum_seed {
            let sum = crc32c(crc32c(seed, &group.to_le_bytes()), &without(descriptor, 0x1e..0x20));
            // The lower half is kept.
            if le16(descriptor, 0x1e).map(u32::from) != Some(sum & 0xffff) {
                return Err(self.damaged(format!("block group {group} has a wrong checksum")));
            }
        }
        let high = if length >= 64 { le32(descriptor, 0x28) } else { Some(0) };
        let table = le32(descriptor, 0x8).zip(high);
        let table = table.map(|(low, high)| u64::from(high) << 32 | u64::from(low));
        table.ok_or_else(|| self.damaged(format!("block group {group} is not there")))
    }

    fn damaged(&self, fault: impl Into<String>) -> ImageError {
        damaged(self.place(), fault)
    }

    fn lacks(&self, features: impl Into<String>) -> ImageError {
        ImageError::Ext4Feature { place: self.place().clone(), features: features.into() }
    }
}

fn damaged(place: &Place, fault: impl Into<String>) -> ImageError {
    ImageError::Ext4 { place: place.clone(), fault: fault.into() }
}

/// Fills the buffer from a place inside the partition.
fn fill(
    disk: &DiskImage,
    partition: &Partition,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ImageError> {
    let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
    let inside = offset.checked_add(length).filter(|end| *end <= partition.length);
    match inside.and(partition.start.checked_add(offset)) {
        Some(place) => disk.read_at(place, buffer),
        None => Err(ImageError::EndsEarly {
            file: "the partition".into(),
            end: partition.length,
            offset,
            length,
        }),
    }
}
