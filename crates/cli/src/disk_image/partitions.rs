//! The partitions of a disk, by its GPT, or the whole disk if it has no table.
//!
//! Source: UEFI specification 2.10, "GUID Partition Table (GPT) Disk Layout".
//! Must stay true: a table is used only if both of its checksums are right. If the first one is damaged, the second
//! one at the end of the disk stands in for it, as the specification demands.

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::bytes_at::{be64, has, le16, le32, le64};
use super::recognise::{self, BootSector, CONTENT_BYTES, Content};
use super::{DiskImage, ImageError};

/// The specification asks for room for 128; nobody makes more than some hundred.
const ENTRIES: u32 = 1024;
/// The specification has 128 bytes, times a power of two.
const ENTRY_BYTES: u32 = 1024;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What messages call a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// None for a disk without partitions.
    pub(crate) number: Option<u32>,
    name: String,
}

impl Place {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            None => f.write_str("the unpartitioned disk"),
            Some(number) if self.name.is_empty() => write!(f, "partition {number}"),
            Some(number) => write!(f, "partition {number} (`{}`)", self.name),
        }
    }
}

/// A stretch of the disk with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) place: Place,
    pub(super) start: u64,
    pub(super) length: u64,
    /// As Linux writes it; empty for a disk without partitions.
    pub(super) uuid: String,
}

/// All partitions, in the order of their numbers.
///
/// # Errors
/// When there is a table that is damaged, or of a kind that is not read here.
pub(super) fn list(disk: &DiskImage) -> Result<Vec<Partition>, ImageError> {
    let start = disk.peek(0, CONTENT_BYTES)?;
    // Old file systems leave traces between a table and the first partition, so the table is asked first.
    let mut claims_table = false;
    for sector in [512, 4096] {
        if has(&start, usize::try_from(sector).unwrap_or(usize::MAX), b"EFI PART") {
            claims_table = true;
            if let Some(partitions) = table(disk, sector, 1)? {
                return Ok(partitions);
            }
        }
    }
    let whole = || vec![whole_disk(disk)];
    if recognise::content(&start) != Content::Unknown {
        return Ok(whole());
    }
    match recognise::boot_sector(&start) {
        BootSector::Nothing if !claims_table => Ok(whole()),
        BootSector::Partitions if !claims_table => {
            let what = "an MBR partition table";
            Err(ImageError::Content { place: whole_disk(disk).place, what })
        }
        _ => second_table(disk)?.ok_or(ImageError::PartitionTable {
            fault: "neither the table at the beginning nor the one at the end has right checksums",
        }),
    }
}

fn whole_disk(disk: &DiskImage) -> Partition {
    let place = Place { number: None, name: String::new() };
    Partition { place, start: 0, length: disk.length(), uuid: String::new() }
}

fn second_table(disk: &DiskImage) -> Result<Option<Vec<Partition>>, ImageError> {
    for sector in [512, 4096] {
        let last = (disk.length() / sector).saturating_sub(1);
        if let Some(partitions) = table(disk, sector, last)? {
            return Ok(Some(partitions));
        }
    }
    Ok(None)
}

/// The table whose header is in this sector, if its checksums are right.
fn table(disk: &DiskImage, sector: u64, number: u64) -> Result<Option<Vec<Partition>>, ImageError> {
    let header = disk.peek(number.saturating_mul(sector), 512)?;
    let Some(header) = Header::parse(&header).filter(|header| header.own_sector == number) else {
        return Ok(None);
    };
    let entries = disk.peek(header.entries.saturating_mul(sector), header.entries_length())?;
    if CHECKSUM.checksum(&entries) != header.entries_checksum {
        return Ok(None);
    }
    let size = usize::try_from(header.entry_size).unwrap_or(usize::MAX);
    let partitions = entries.chunks(size).zip(1..);
    Ok(Some(partitions.filter_map(|(entry, number)| partition(entry, number, sector)).collect()))
}

struct Header {
    own_sector: u64,
    entries: u64,
    count: u32,
    entry_size: u32,
    entries_checksum: u32,
}

impl Header {
    /// None unless it is one, its checksum is right, and its table is of a size that tables have.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(le32(bytes, 12)?).ok()?;
        let mut header = bytes.get(..length).filter(|header| header.len() >= 92)?.to_vec();
        // The checksum is made with zeros in its own place.
        header.get_mut(16..20)?.fill(0);
        if !has(bytes, 0, b"EFI PART") || CHECKSUM.checksum(&header) != le32(bytes, 16)? {
            return None;
        }
        let (count, entry_size) = (le32(bytes, 80)?, le32(bytes, 84)?);
        let is_usual = count <= ENTRIES && (128..=ENTRY_BYTES).contains(&entry_size);
        is_usual.then_some(Self {
            own_sector: le64(bytes, 24)?,
            entries: le64(bytes, 72)?,
            count,
            entry_size,
            entries_checksum: le32(bytes, 88)?,
        })
    }

    fn entries_length(&self) -> usize {
        usize::try_from(u64::from(self.count).saturating_mul(self.entry_size.into()))
            .unwrap_or(usize::MAX)
    }
}

/// None for an entry that is not used, or ends before it begins.
fn partition(entry: &[u8], number: u32, sector: u64) -> Option<Partition> {
    if entry.get(..16)?.iter().all(|byte| *byte == 0) {
        return None;
    }
    let (first, last) = (le64(entry, 32)?, le64(entry, 40)?);
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let name = entry.get(56..128)?;
    let letters: Vec<u16> =
        name.chunks(2).filter_map(|pair| le16(pair, 0)).take_while(|unit| *unit != 0).collect();
    Some(Partition {
        place: Place { number: Some(number), name: String::from_utf16_lossy(&letters) },
        start: first.checked_mul(sector)?,
        length: sectors.checked_mul(sector)?,
        uuid: uuid(entry.get(16..32)?)?,
    })
}

/// Three numbers, then bytes.
fn uuid(bytes: &[u8]) -> Option<String> {
    let (first, second, third) = (le32(bytes, 0)?, le16(bytes, 4)?, le16(bytes, 6)?);
    let rest = be64(bytes, 8)?;
    let (fourth, last) = (rest >> 48, rest & 0xffff_ffff_ffff);
    Some(format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last:012x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_uuid_as_linux_does() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid(&bytes).as_deref(), Some("03020100-0504-0706-0809-0a0b0c0d0e0f"));
        assert_eq!(uuid(&bytes[1..]), None);
    }
}
