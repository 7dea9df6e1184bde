//! Whatever an image says, reading it ends: no panic, and no more work than was given.
//!
//! What has a checksum gets the right one here, or nothing behind it would ever be reached.

use std::fs;
use std::rc::Rc;

use crc::{CRC_32_ISO_HDLC, Crc};
use proptest::collection::vec;
use proptest::prelude::*;

use super::copy::{self, Wanted};
use super::{DiskImage, Format, Gate, ImageError, Work};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const DISK: usize = 128 * 1024;

/// Bytes that take the place of those that are there.
type Patches = Vec<(usize, Vec<u8>)>;

fn patched(mut bytes: Vec<u8>, patches: &Patches) -> Vec<u8> {
    for (at, patch) in patches {
        let rest = bytes.get_mut(*at..).unwrap_or_default();
        rest.iter_mut().zip(patch).for_each(|(byte, new)| *byte = *new);
    }
    bytes
}

/// Numbers that are likely to be wrong, of every width, anywhere before the end.
fn patches(end: usize) -> impl Strategy<Value = Patches> {
    let number = prop_oneof![any::<u64>(), 0..70_u64, Just(u64::MAX), Just(1 << 62), Just(0xffff)];
    let bytes = (number, 1..=8_usize, any::<bool>()).prop_map(|(number, width, is_big)| {
        let bytes = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
        if is_big { bytes[8 - width..].to_vec() } else { bytes[..width].to_vec() }
    });
    vec((0..end, bytes), 0..6)
}

/// Opens the bytes as an image, and looks for a file in it.
fn read(bytes: &[u8], format: Format) -> Result<Vec<u8>, ImageError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    fs::write(&path, bytes).unwrap();
    let work = Rc::new(Work::for_file_of(0));
    let disk = DiskImage::open(&path, Some(format), &mut Gate::new(&[]).unwrap(), &work)?;
    let disk = Rc::new(disk);
    for offset in [0, disk.length() / 2, disk.length().saturating_sub(8), u64::MAX - 4] {
        let _ = disk.read_at(offset, &mut [0; 8]);
    }
    let wanted = Wanted { path: "/home/file", partition: None, most: 1 << 20 };
    copy::read(&disk, &wanted, &mut Vec::new()).map(|file| file.bytes)
}

/// A header of version 3, a table of each kind, and two clusters: one as it is, and one "compressed" without loss or
/// gain, as DEFLATE can.
fn qcow2(cluster_bits: u32) -> Vec<u8> {
    let cluster = 1_usize << cluster_bits;
    let stored = u16::try_from(cluster).unwrap();
    let wide = |number: usize| (number as u64).to_be_bytes().to_vec();
    let fields = vec![
        (0, b"QFI\xfb\0\0\0\x03".to_vec()),
        (20, cluster_bits.to_be_bytes().to_vec()),
        (24, wide(cluster * cluster / 8)),
        (36, vec![0, 0, 0, 1]),
        (40, wide(cluster)),
        (100, vec![0, 0, 0, 104]),
        (cluster, wide(2 * cluster)),
        (2 * cluster, wide(3 * cluster)),
        (
            2 * cluster + 8,
            wide((1 << 62) | ((cluster / 512) << (70 - cluster_bits)) | (4 * cluster)),
        ),
        (4 * cluster, [[1].as_slice(), &stored.to_le_bytes(), &(!stored).to_le_bytes()].concat()),
    ];
    patched(vec![0; 6 * cluster], &fields)
}

/// What a table of partitions claims.
#[derive(Debug)]
struct Table {
    count: u32,
    entry_size: u32,
    /// The sector in which its entries begin.
    entries: u64,
    own_sector: u64,
    header_length: u32,
}

prop_compose! {
    fn table()(
        count in prop_oneof![0..20_u32, Just(128), Just(1024), Just(1025), any::<u32>()],
        entry_size in prop_oneof![Just(128_u32), Just(256), Just(1024), 0..2000_u32, any::<u32>()],
        entries in prop_oneof![Just(2_u64), 0..300_u64, any::<u64>()],
        own_sector in prop_oneof![9 => Just(1_u64), 1 => any::<u64>()],
        header_length in prop_oneof![9 => Just(92_u32), 1 => 0..600_u32, 1 => any::<u32>()],
    ) -> Table {
        Table { count, entry_size, entries, own_sector, header_length }
    }
}

/// Puts the table in front of a disk, with right checksums where there is something to make them of.
fn with_table(disk: Vec<u8>, table: &Table) -> Vec<u8> {
    let start = usize::try_from(table.entries.saturating_mul(512)).unwrap();
    let length = u64::from(table.count) * u64::from(table.entry_size);
    let rest = disk.get(start..).unwrap_or_default();
    let entries = rest.get(..length as usize).unwrap_or(rest);
    let mut header = patched(
        vec![0; 512],
        &vec![
            (0, b"EFI PART\0\0\x01\0".to_vec()),
            (12, table.header_length.to_le_bytes().to_vec()),
            (24, table.own_sector.to_le_bytes().to_vec()),
            (72, table.entries.to_le_bytes().to_vec()),
            (80, table.count.to_le_bytes().to_vec()),
            (84, table.entry_size.to_le_bytes().to_vec()),
            (88, CHECKSUM.checksum(entries).to_le_bytes().to_vec()),
        ],
    );
    let covered = header.get(..table.header_length as usize).unwrap_or(&header);
    let sum = CHECKSUM.checksum(covered).to_le_bytes().to_vec();
    header = patched(header, &vec![(16, sum)]);
    patched(disk, &vec![(512, header)])
}

/// Entries of partitions that are somewhere, mostly on the disk.
fn entries() -> impl Strategy<Value = Patches> {
    let sector = || prop_oneof![9 => 0..300_u64, 1 => any::<u64>()];
    let entry = (sector(), sector(), vec(any::<u8>(), 72)).prop_map(|(first, last, name)| {
        [&[7; 32], &first.to_le_bytes()[..], &last.to_le_bytes(), &[0; 8], &name].concat()
    });
    vec(entry, 0..6).prop_map(|entries| {
        entries.into_iter().enumerate().map(|(at, entry)| (1024 + at * 128, entry)).collect()
    })
}

/// A superblock of 1024-byte blocks without checksums, its descriptor, and the inode of `/`, which is block 9.
fn ext4() -> Vec<u8> {
    let long = |number: u32| number.to_le_bytes().to_vec();
    let fields = vec![
        (1024, long(16)),
        (1024 + 0x4, long(128)),
        (1024 + 0x14, long(1)),
        (1024 + 0x20, long(8192)),
        (1024 + 0x28, long(16)),
        (1024 + 0x38, vec![0x53, 0xef]),
        (1024 + 0x4c, long(1)),
        (1024 + 0x58, vec![128, 0]),
        (2048 + 8, long(5)),
        (5120 + 128, vec![0, 0x40]),
        (5120 + 128 + 4, long(1024)),
        (5120 + 128 + 0x28, long(9)),
        (9216, [&long(12)[..], &[12, 0, 4, 0], b"home"].concat()),
        (9216 + 12, [&long(0)[..], &[0xf4, 3, 0, 0]].concat()),
        (5120 + 11 * 128, vec![0, 0x40]),
    ];
    patched(vec![0; DISK], &fields)
}

#[test]
fn what_the_patches_are_put_into_is_sound() {
    assert!(matches!(read(&qcow2(9), Format::Qcow2), Err(ImageError::UnknownContent { .. })));
    assert!(matches!(read(&ext4(), Format::Raw), Err(ImageError::NotFound { .. })));
    let sound = Table { count: 4, entry_size: 128, entries: 2, own_sector: 1, header_length: 92 };
    let entry = [&[7; 32], &40_u64.to_le_bytes()[..], &50_u64.to_le_bytes()].concat();
    let disk = with_table(patched(vec![0; DISK], &vec![(1024, entry)]), &sound);
    assert!(matches!(read(&disk, Format::Raw), Err(ImageError::UnknownContent { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_no_image_or_one(bytes in vec(any::<u8>(), 0..5000), is_raw: bool) {
        let _ = read(&bytes, if is_raw { Format::Raw } else { Format::Qcow2 });
    }

    #[test]
    fn any_qcow2_header_and_tables_are_read_or_refused(
        cluster_bits in 9..13_u32,
        header in patches(160),
        anywhere in patches(6 << 12),
        cut in 0..=(6_usize << 12),
    ) {
        let mut bytes = patched(patched(qcow2(cluster_bits), &header), &anywhere);
        bytes.truncate(cut.max(112));
        let _ = read(&bytes, Format::Qcow2);
    }

    #[test]
    fn any_table_of_partitions_is_listed_or_refused(
        table in table(),
        entries in entries(),
        anywhere in patches(4096),
    ) {
        let disk = patched(patched(vec![0; DISK], &anywhere), &entries);
        let _ = read(&with_table(disk, &table), Format::Raw);
    }

    #[test]
    fn any_ext4_is_searched_or_refused(
        superblock in patches(0x120),
        anywhere in patches(10 * 1024),
    ) {
        let superblock = superblock.into_iter().map(|(at, bytes)| (1024 + at, bytes)).collect();
        let _ = read(&patched(patched(ext4(), &superblock), &anywhere), Format::Raw);
    }
}
