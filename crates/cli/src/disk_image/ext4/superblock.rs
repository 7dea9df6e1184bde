//! What the superblock says of its file system, if it is one that is read here.

use super::checksum::{self, crc32c};
use super::damaged;
use crate::disk_image::ImageError;
use crate::disk_image::bytes_at::{le16, le32};
use crate::disk_image::partitions::Partition;

pub(super) const LENGTH: usize = 1024;

/// Groups of 128 MiB as a rule: enough for 128 TiB.
const BLOCK_GROUPS: u64 = 1 << 20;

/// Features that change how the bytes are to be read. Those without a name here are read, or do not matter.
const UNREAD: &[(u32, &str)] = &[
    (0x1, "compression"),
    (0x8, "a journal for another device"),
    (0x10, "meta block groups"),
    (0x1000, "data in directory entries"),
    (0x8000, "data in inodes"),
    (0x2_0000, "directories that ignore case"),
];
const READ: u32 = RECOVER | EXTENTS | WIDE | SEED | 0x1_4702;
/// Needs recovery: the journal has not been replayed.
const RECOVER: u32 = 0x4;
const EXTENTS: u32 = 0x40;
/// Block numbers of 64 bits.
const WIDE: u32 = 0x80;
/// The checksum seed stands in the superblock.
const SEED: u32 = 0x2000;

/// What of the superblock matters for reading.
#[derive(Clone)]
pub(super) struct Superblock {
    pub(super) block_size: u64,
    pub(super) blocks: u64,
    pub(super) first_block: u32,
    pub(super) inodes: u32,
    pub(super) inodes_per_group: u32,
    pub(super) inode_bytes: u16,
    pub(super) descriptor_bytes: u16,
    pub(super) has_large_directories: bool,
    /// With checksums of metadata only.
    pub(super) checksum_seed: Option<u32>,
    /// The inode of a journal that must be replayed.
    pub(super) unreplayed_journal: Option<u32>,
    pub(super) uuid: String,
    pub(super) label: String,
}

impl Superblock {
    pub(super) fn parse(bytes: &[u8], partition: &Partition) -> Result<Self, ImageError> {
        let damaged = |fault: &str| damaged(&partition.place, fault);
        let short = || damaged("its superblock is not there");
        let field = |at| le32(bytes, at).ok_or_else(short);
        let features = field(0x60)?;
        if let Some(features) = unread(features) {
            return Err(ImageError::Ext4Feature { place: partition.place.clone(), features });
        }
        if field(0x64)? & 0x400 != 0 {
            let body = bytes.get(..0x3fc).ok_or_else(short)?;
            if crc32c(checksum::BEGINNING, body) != field(0x3fc)? {
                return Err(damaged("its superblock has a wrong checksum"));
            }
        }
        if let Some(fault) = outsized(bytes, partition.length) {
            return Err(damaged(&fault));
        }
        Self::fields(bytes, features).ok_or_else(|| damaged("its superblock contradicts itself"))
    }

    /// None unless the numbers fit together.
    fn fields(bytes: &[u8], features: u32) -> Option<Self> {
        let field = |at| le32(bytes, at);
        let uuid = bytes.get(0x68..0x78)?;
        let is_wide = features & WIDE != 0;
        let has_journal = field(0x5c)? & 0x4 != 0;
        let must_replay = features & RECOVER != 0;
        let seed = match features & SEED {
            0 => crc32c(checksum::BEGINNING, uuid),
            _ => field(0x270)?,
        };
        let it = Self {
            block_size: 1024_u64.checked_shl(field(0x18)?).filter(|size| *size <= 0x1_0000)?,
            blocks: blocks(bytes)?,
            first_block: field(0x14)?,
            inodes: field(0x0)?,
            inodes_per_group: field(0x28)?,
            // Revision 0 has no such field.
            inode_bytes: if field(0x4c)? == 0 { 128 } else { le16(bytes, 0x58)? },
            descriptor_bytes: if is_wide { le16(bytes, 0xfe)? } else { 32 },
            has_large_directories: features & 0x4000 != 0,
            checksum_seed: (field(0x64)? & 0x400 != 0).then_some(seed),
            unreplayed_journal: if must_replay { Some(field(0xe0)?) } else { None },
            uuid: hyphened(uuid),
            label: label(bytes.get(0x78..0x88)?),
        };
        let fits = |size: u16| size.is_power_of_two() && u64::from(size) <= it.block_size;
        let is_sound = fits(it.inode_bytes)
            && it.inode_bytes >= 128
            && fits(it.descriptor_bytes)
            && it.descriptor_bytes >= if is_wide { 64 } else { 32 }
            && it.inodes_per_group != 0
            && (has_journal || !must_replay)
            && u64::from(it.first_block) < it.blocks;
        is_sound.then_some(it)
    }

    pub(super) fn block_bytes(&self) -> usize {
        usize::try_from(self.block_size).unwrap_or(usize::MAX)
    }
}

fn unread(features: u32) -> Option<String> {
    let named = UNREAD.iter().filter(|(bit, _)| features & bit != 0);
    let mut names: Vec<String> = named.map(|(_, name)| (*name).to_owned()).collect();
    let known = UNREAD.iter().fold(READ, |known, (bit, _)| known | bit);
    if features & !known != 0 {
        names.push(format!("unknown ones ({:#x})", features & !known));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// Sizes that cannot be. Told apart from other contradictions, since a cut image is no damaged file system.
fn outsized(bytes: &[u8], partition: u64) -> Option<String> {
    let blocks = blocks(bytes)?;
    let block_size = 1024_u64.checked_shl(le32(bytes, 0x18)?).unwrap_or(0);
    let size = blocks.saturating_mul(block_size);
    let groups = blocks.checked_div(le32(bytes, 0x20)?.into()).unwrap_or(u64::MAX);
    if size > partition {
        return Some(format!("it claims {size} bytes, and there are {partition}"));
    }
    (groups > BLOCK_GROUPS).then(|| format!("it claims {groups} block groups"))
}

fn blocks(bytes: &[u8]) -> Option<u64> {
    let is_wide = le32(bytes, 0x60)? & WIDE != 0;
    let high = if is_wide { le32(bytes, 0x150)? } else { 0 };
    Some(u64::from(high) << 32 | u64::from(le32(bytes, 0x4)?))
}

fn hyphened(uuid: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn label(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
