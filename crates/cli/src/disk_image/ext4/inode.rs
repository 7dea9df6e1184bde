//! A file, folder or link without its name: what it is, how long, and where its blocks are listed.

use super::checksum::{crc32c, without};
use super::{FileSystem, ImageError};
use crate::disk_image::bytes_at::{le16, le32};

const ENCRYPTED: u32 = 0x800;
const INDEXED: u32 = 0x1000;
const EXTENTS: u32 = 0x8_0000;
/// Data in the inode itself, or an inode that holds another one's attributes.
const UNREAD: u32 = 0x1000_0000 | 0x20_0000;

/// What an inode stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk_image) enum Kind {
    File,
    Folder,
    Link,
    Device,
    Pipe,
    Socket,
}

/// An inode whose checksum is right.
#[derive(Clone)]
pub(in crate::disk_image) struct Inode {
    pub(in crate::disk_image) kind: Kind,
    pub(in crate::disk_image) size: u64,
    pub(in crate::disk_image) is_encrypted: bool,
    pub(super) is_indexed: bool,
    pub(super) has_extents: bool,
    /// The root of the tree of extents, the first block numbers, or a short link's target.
    pub(super) root: [u8; 60],
    /// What checksums of this inode's blocks begin with.
    pub(super) checksum_seed: Option<u32>,
}

impl Inode {
    /// The target of a link that is short enough to stand in the inode.
    pub(super) fn inline_target(&self) -> Option<&[u8]> {
        let is_inline = self.kind == Kind::Link && self.size < 60 && !self.has_extents;
        self.root.get(..usize::try_from(self.size).ok()?).filter(|_| is_inline)
    }
}

impl FileSystem {
    /// Reads an inode by its number.
    pub(super) fn inode(&self, number: u32) -> Result<Inode, ImageError> {
        let fault = |why: &str| self.damaged(format!("inode {number} {why}"));
        let superblock = &self.superblock;
        let index = number.checked_sub(1).filter(|_| number <= superblock.inodes);
        let index = index.ok_or_else(|| fault("is not there"))?;
        let (group, within) =
            (index / superblock.inodes_per_group, index % superblock.inodes_per_group);
        let offset = u64::from(within).saturating_mul(superblock.inode_bytes.into());
        let block = self.inode_table(group)?.saturating_add(offset / self.block_size());
        let block = self.block(block)?;
        let start = usize::try_from(offset % self.block_size()).unwrap_or(usize::MAX);
        let length = usize::from(superblock.inode_bytes);
        let bytes = block.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default();
        let seed = superblock.checksum_seed.map(|seed| {
            let generation = bytes.get(0x64..0x68).unwrap_or_default();
            crc32c(crc32c(seed, &number.to_le_bytes()), generation)
        });
        if seed.is_some_and(|seed| !is_right(bytes, seed)) {
            return Err(fault("has a wrong checksum"));
        }
        let flags = le32(bytes, 0x20).ok_or_else(|| fault("is too short"))?;
        if flags & UNREAD != 0 {
            return Err(self.lacks(format!("data in inode {number}")));
        }
        let mut inode = parse(bytes, flags, seed).ok_or_else(|| fault("is of no known kind"))?;
        if inode.kind != Kind::File && !superblock.has_large_directories {
            inode.size &= u64::from(u32::MAX);
        }
        Ok(inode)
    }
}

fn parse(bytes: &[u8], flags: u32, checksum_seed: Option<u32>) -> Option<Inode> {
    let kind = match le16(bytes, 0)? >> 12 {
        0x1 => Kind::Pipe,
        0x2 | 0x6 => Kind::Device,
        0x4 => Kind::Folder,
        0x8 => Kind::File,
        0xa => Kind::Link,
        0xc => Kind::Socket,
        _ => return None,
    };
    Some(Inode {
        kind,
        size: u64::from(le32(bytes, 0x6c)?) << 32 | u64::from(le32(bytes, 0x4)?),
        is_encrypted: flags & ENCRYPTED != 0,
        is_indexed: flags & INDEXED != 0,
        has_extents: flags & EXTENTS != 0,
        root: *bytes.get(0x28..)?.first_chunk()?,
        checksum_seed,
    })
}

/// Two halves; the upper one only where the inode goes on far enough to have it.
fn is_right(bytes: &[u8], seed: u32) -> bool {
    let low = le16(bytes, 0x7c).map(u32::from);
    let bytes_without_low = without(bytes, 0x7c..0x7e);
    let is_whole = bytes.len() > 128 && le16(bytes, 0x80).is_some_and(|extra| extra >= 4);
    if !is_whole {
        return low == Some(crc32c(seed, &bytes_without_low) & 0xffff);
    }
    let high = le16(bytes, 0x82).map(u32::from);
    let known = low.zip(high).map(|(low, high)| high << 16 | low);
    known == Some(crc32c(seed, &without(&bytes_without_low, 0x82..0x84)))
}
