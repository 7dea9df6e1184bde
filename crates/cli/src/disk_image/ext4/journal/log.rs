//! The blocks of a journal, one after the other, in a circle.

use super::super::checksum::{self, crc32c, without};
use super::super::{FileSystem, ImageError, Inode, Run};
use super::MAGIC;
use crate::disk_image::bytes_at::{be32, be64};

/// 4 GiB as a rule; `mke2fs` makes 1 GiB at most by itself.
const BLOCKS: u64 = 1 << 20;

/// "Incompatible features" of a journal.
const REVOKES: u32 = 0x1;
const WIDE: u32 = 0x2;
const CHECKSUMS: u32 = 0x10;
const FAST_COMMITS: u32 = 0x20;

/// Flags of a tag.
const ESCAPED: u32 = 0x1;
const SAME_UUID: u32 = 0x2;
const LAST: u32 = 0x8;

/// One copy of a block.
pub(super) struct Tag {
    /// The block that it is a copy of.
    pub(super) of: u64,
    pub(super) is_escaped: bool,
    checksum: Option<u32>,
}

/// What stands in a journal.
pub(super) enum Entry {
    /// Copies, each with the block of the file system that it is in.
    Copies(Vec<(Tag, u64)>),
    Revoked(Vec<u64>),
    Commit,
}

/// A place in a journal.
pub(super) struct Log<'a> {
    file_system: &'a FileSystem,
    runs: Vec<Run>,
    is_wide: bool,
    seed: Option<u32>,
    first: u64,
    end: u64,
    at: u64,
    /// How many blocks are left until the circle is closed.
    left: u64,
    sequence: u32,
}

impl<'a> Log<'a> {
    /// Reads the journal's superblock. None if nothing is left to be replayed.
    pub(super) fn open(
        file_system: &'a FileSystem,
        inode: &Inode,
    ) -> Result<Option<Self>, ImageError> {
        let blocks = inode.size / file_system.block_size();
        if blocks > BLOCKS {
            return Err(file_system.damaged(format!("its journal claims {blocks} blocks")));
        }
        let mut runs = Vec::new();
        file_system.each_run(inode, &mut |run| {
            runs.push(run);
            Ok(true)
        })?;
        let place = runs.first().filter(|run| run.first == 0).map(|run| run.start);
        let place = place.ok_or_else(|| file_system.damaged("its journal is empty"))?;
        let block = file_system.block(place)?;
        let start = block.get(..1024).unwrap_or_default();
        let short = || file_system.damaged("its journal does not begin with a superblock");
        let field = |at| be32(start, at).ok_or_else(short);
        let kind = field(4)?;
        if field(0)? != MAGIC || !matches!(kind, 3 | 4) {
            return Err(short());
        }
        // The first version has no features.
        let features = if kind == 4 { field(0x28)? } else { 0 };
        if let Some(unread) = unread(features) {
            return Err(file_system.lacks(unread));
        }
        let uuid = start.get(0x30..0x40).unwrap_or_default();
        let has_checksums = features & CHECKSUMS != 0;
        let sum = crc32c(checksum::BEGINNING, &without(start, 0xfc..0x100));
        if has_checksums && sum != field(0xfc)? {
            return Err(file_system.damaged("its journal's superblock has a wrong checksum"));
        }
        let (first, end, at) = (field(0x14)?.into(), field(0x10)?.into(), field(0x1c)?.into());
        let is_sound = u64::from(field(0xc)?) == file_system.block_size()
            && first >= 1
            && end <= blocks
            && (at == 0 || (first..end).contains(&at));
        if !is_sound {
            return Err(file_system.damaged("its journal's superblock contradicts itself"));
        }
        Ok((at != 0).then_some(Self {
            file_system,
            runs,
            is_wide: features & WIDE != 0,
            seed: has_checksums.then(|| crc32c(checksum::BEGINNING, uuid)),
            first,
            end,
            at,
            left: end.saturating_sub(first),
            sequence: field(0x18)?,
        }))
    }

    /// The next entry. None at the end, which is wherever something else stands than the transaction goes on with.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ImageError> {
        let Some(place) = self.step()? else { return Ok(None) };
        let block = self.file_system.block(place)?;
        let is_next = be32(&block, 0) == Some(MAGIC) && be32(&block, 8) == Some(self.sequence);
        let tail = block.len().saturating_sub(4);
        match be32(&block, 4).filter(|_| is_next) {
            Some(1) if self.is_right(&block, tail) => {
                let mut copies = Vec::new();
                for tag in self.tags(&block) {
                    let Some(place) = self.step()? else { return Ok(None) };
                    copies.push((tag, place));
                }
                Ok(Some(Entry::Copies(copies)))
            }
            Some(2) if self.is_right(&block, 16) => Ok(Some(Entry::Commit)),
            Some(5) if self.is_right(&block, tail) => Ok(self.revoked(&block).map(Entry::Revoked)),
            _ => Ok(None),
        }
    }

    /// Goes on with the next transaction.
    pub(super) fn begin_next(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Reads a copy and compares its checksum.
    pub(super) fn check(&self, tag: &Tag, place: u64) -> Result<(), ImageError> {
        let (Some(seed), Some(expected)) = (self.seed, tag.checksum) else { return Ok(()) };
        let copy = self.file_system.block(place)?;
        if crc32c(crc32c(seed, &self.sequence.to_be_bytes()), &copy) == expected {
            return Ok(());
        }
        Err(self.file_system.damaged("a block in its journal has a wrong checksum"))
    }

    /// The block of the file system that the next block of the journal is in.
    fn step(&mut self) -> Result<Option<u64>, ImageError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let behind = self.runs.partition_point(|run| run.first <= self.at);
        let run = behind.checked_sub(1).and_then(|index| self.runs.get(index));
        let place = run.and_then(|run| {
            let within = self.at.checked_sub(run.first).filter(|within| *within < run.count)?;
            run.start.checked_add(within)
        });
        let after = self.at.saturating_add(1);
        self.at = if after < self.end { after } else { self.first };
        place.map(Some).ok_or_else(|| self.file_system.damaged("its journal has a hole"))
    }

    /// Whether the checksum at this place of a block of the journal is right.
    fn is_right(&self, block: &[u8], at: usize) -> bool {
        self.seed.is_none_or(|seed| {
            let sum = crc32c(seed, &without(block, at..at.saturating_add(4)));
            be32(block, at) == Some(sum)
        })
    }

    fn tags(&self, block: &[u8]) -> Vec<Tag> {
        let length = match (self.seed, self.is_wide) {
            (Some(_), _) => 16,
            (None, true) => 12,
            (None, false) => 8,
        };
        let end = block.len().saturating_sub(if self.seed.is_some() { 4 } else { 0 });
        let mut rest = block.get(12..end).unwrap_or_default();
        let mut tags = Vec::new();
        while let Some((tag, flags)) = rest.get(..length).and_then(|tag| self.tag(tag)) {
            tags.push(tag);
            let uuid = if flags & SAME_UUID == 0 { 16 } else { 0 };
            rest = rest.get(length.saturating_add(uuid)..).unwrap_or_default();
            if flags & LAST != 0 {
                break;
            }
        }
        tags
    }

    /// With checksums a tag has its flags in 32 bits and its own place for the checksum.
    fn tag(&self, tag: &[u8]) -> Option<(Tag, u32)> {
        let word = be32(tag, 4)?;
        let flags = if self.seed.is_some() { word } else { word & 0xffff };
        let high = if self.is_wide { be32(tag, 8)? } else { 0 };
        let of = u64::from(high) << 32 | u64::from(be32(tag, 0)?);
        let checksum = self.seed.and_then(|_| be32(tag, 12));
        Some((Tag { of, is_escaped: flags & ESCAPED != 0, checksum }, flags))
    }

    /// None if it says that it is longer than a block.
    fn revoked(&self, block: &[u8]) -> Option<Vec<u64>> {
        let end = usize::try_from(be32(block, 12)?).ok()?;
        let numbers = block.get(16..end)?;
        Some(if self.is_wide {
            numbers.chunks_exact(8).filter_map(|number| be64(number, 0)).collect()
        } else {
            let short = numbers.chunks_exact(4).filter_map(|number| be32(number, 0));
            short.map(u64::from).collect()
        })
    }
}

/// Features of a journal that are not read here.
fn unread(features: u32) -> Option<String> {
    match features & !(REVOKES | WIDE | CHECKSUMS) {
        0 => None,
        FAST_COMMITS => Some("fast commits in its journal".into()),
        others => Some(format!("unknown ones of its journal ({others:#x})")),
    }
}
