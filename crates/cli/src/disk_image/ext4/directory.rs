//! Which inode has this name in a folder?
//!
//! Blocks are searched one after the other: the index of a large folder looks like unused entries then, and need not
//! be trusted.

use super::checksum::crc32c;
use super::{FileSystem, ImageError, Inode};
use crate::disk_image::bytes_at::{has, le16, le32};

/// An unused entry at the end of a block, with the checksum behind it.
const TAIL: &[u8] = &[0, 0, 0, 0, 12, 0, 0, 0xde];
const TAIL_LENGTH: usize = 12;

impl FileSystem {
    /// The inode with this name in a folder, if there is one.
    pub(in crate::disk_image) fn look_up(
        &self,
        folder: &Inode,
        name: &str,
    ) -> Result<Option<Inode>, ImageError> {
        let mut found = None;
        self.each_run(folder, &mut |run| {
            for number in run.blocks() {
                let block = self.block(number)?;
                found = self.search(folder, &block, name.as_bytes())?;
                if found.is_some() {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        found.map(|number| self.inode(number)).transpose()
    }

    fn search(&self, folder: &Inode, block: &[u8], name: &[u8]) -> Result<Option<u32>, ImageError> {
        let fault = || self.damaged("a folder has a damaged block");
        if let Some(seed) = folder.checksum_seed {
            let body = block.len().saturating_sub(TAIL_LENGTH);
            if !has(block, body, TAIL) {
                // An index has its checksum elsewhere, and no names but `.` and `..`.
                return if folder.is_indexed { Ok(None) } else { Err(fault()) };
            }
            let sum = block.get(..body).map(|body| crc32c(seed, body));
            if sum != le32(block, body.saturating_add(8)) {
                return Err(self.damaged("a folder has a wrong checksum"));
            }
        }
        let mut rest = block;
        while !rest.is_empty() {
            let entry = Entry::parse(rest, block.len()).ok_or_else(fault)?;
            if entry.inode != 0 && entry.name == name {
                return Ok(Some(entry.inode));
            }
            rest = rest.get(entry.length..).unwrap_or_default();
        }
        Ok(None)
    }
}

struct Entry<'a> {
    inode: u32,
    name: &'a [u8],
    length: usize,
}

impl<'a> Entry<'a> {
    /// The first entry, if it fits.
    fn parse(bytes: &'a [u8], block: usize) -> Option<Self> {
        let length = match le16(bytes, 4)? {
            // Two ways to say 65536.
            0 | u16::MAX if block == 0x1_0000 => block,
            length => length.into(),
        };
        let name_length = usize::from(*bytes.get(6)?);
        let is_sound = length >= 12
            && length.is_multiple_of(4)
            && length <= bytes.len()
            && name_length.saturating_add(8) <= length;
        let name = bytes.get(8..)?.get(..name_length)?;
        is_sound.then_some(Self { inode: le32(bytes, 0)?, name, length })
    }
}
