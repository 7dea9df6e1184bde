//! What is this? Told by the bytes that each format keeps at a fixed place.

use super::bytes_at::{be32, has, le16, le32};

/// How much of a file is looked at to tell its container.
pub(super) const CONTAINER_BYTES: usize = 4096;

/// How much of a partition is looked at to tell its content: the magic of btrfs stands last.
pub(super) const CONTENT_BYTES: usize = 0x1_1000;

/// What a disk image is wrapped into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Qcow2,
    /// One that is not read here.
    Other(&'static str),
}

/// The container of an image file; none if it is raw, as far as can be told.
pub(super) fn container(start: &[u8]) -> Option<Container> {
    const OTHERS: &[(usize, &[u8], &str)] = &[
        (0, b"KDMV", "VMDK"),
        (0, b"# Disk DescriptorFile", "VMDK"),
        (0, b"vhdxfile", "VHDX"),
        (0, b"conectix", "VHD"),
        (0, b"QED\0", "QED"),
        (64, b"\x7f\x10\xda\xbe", "VDI"),
    ];
    if has(start, 0, b"QFI\xfb") {
        // Version 1 has the same magic and another layout.
        let is_qcow = be32(start, 4) == Some(1);
        return Some(if is_qcow { Container::Other("QCOW, version 1") } else { Container::Qcow2 });
    }
    let other = OTHERS.iter().find(|(at, magic, _)| has(start, *at, magic));
    other.map(|(.., format)| Container::Other(format))
}

/// What a partition, or a whole disk, has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// ext2, ext3 or ext4.
    Ext4,
    /// Something that may have any file in it, but is not read here.
    Unread(&'static str),
    /// Something that the guest starts from or swaps to.
    System(&'static str),
    Unknown,
}

/// What these first bytes are the beginning of.
pub(super) fn content(start: &[u8]) -> Content {
    const UNREAD: &[(usize, &[u8], &str)] = &[
        (0, b"XFSB", "an XFS file system"),
        (0x1_0040, b"_BHRfS_M", "a btrfs file system"),
        (0, b"LUKS\xba\xbe", "a LUKS encrypted volume"),
        (0, b"hsqs", "a squashfs file system"),
        (0, b"verity\0\0", "dm-verity hashes"),
        (3, b"NTFS    ", "an NTFS file system"),
        (1024, b"\xe2\xe1\xf5\xe0", "an EROFS file system"),
        (1024, b"\x10\x20\xf5\xf2", "an F2FS file system"),
        (4096, b"\xfc\x4e\x2b\xa9", "a member of a Linux RAID"),
        (0x8001, b"CD001", "an ISO 9660 file system"),
    ];
    const SYSTEM: &[(usize, &[u8], &str)] = &[
        (54, b"FAT", "a FAT file system"),
        (82, b"FAT32", "a FAT file system"),
        (4086, b"SWAPSPACE2", "swap space"),
    ];
    let find = |list: &[(usize, &[u8], &'static str)]| {
        list.iter().find(|(at, magic, _)| has(start, *at, magic)).map(|(.., name)| *name)
    };
    if is_lvm(start) {
        return Content::Unread("an LVM physical volume");
    }
    if let Some(name) = find(UNREAD) {
        return Content::Unread(name);
    }
    if le16(start, 0x438) == Some(0xef53) {
        return Content::Ext4;
    }
    find(SYSTEM).map_or(Content::Unknown, Content::System)
}

/// A label of LVM stands in one of the first four sectors.
fn is_lvm(start: &[u8]) -> bool {
    start.chunks(512).take(4).any(|sector| has(sector, 0, b"LABELONE") && has(sector, 24, b"LVM2"))
}

/// What the first sector says of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootSector {
    /// It only protects a GPT.
    Protective,
    Partitions,
    Nothing,
}

/// Reads the four entries of an MBR.
pub(super) fn boot_sector(start: &[u8]) -> BootSector {
    if !has(start, 510, b"\x55\xaa") {
        return BootSector::Nothing;
    }
    let table = start.get(446..510).unwrap_or_default();
    let used = || table.chunks(16).filter(|entry| le32(entry, 12).is_some_and(|size| size != 0));
    let kinds = |kind: u8| used().any(|entry| entry.get(4) == Some(&kind));
    if kinds(0xee) {
        BootSector::Protective
    } else if used().any(|entry| entry.get(4).is_some_and(|kind| *kind != 0)) {
        BootSector::Partitions
    } else {
        BootSector::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, magic: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; CONTENT_BYTES];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn tells_file_systems_by_their_magic_and_nothing_by_its_absence() {
        assert_eq!(content(&with(0x438, b"\x53\xef")), Content::Ext4);
        assert_eq!(content(&with(0, b"XFSB")), Content::Unread("an XFS file system"));
        assert_eq!(content(&with(4086, b"SWAPSPACE2")), Content::System("swap space"));
        assert_eq!(content(&with(0, b"")), Content::Unknown);
        assert_eq!(content(&[]), Content::Unknown);
    }

    #[test]
    fn tells_lvm_in_each_of_four_sectors() {
        for sector in 0..5 {
            let mut bytes = with(sector * 512, b"LABELONE");
            bytes[sector * 512 + 24..][..8].copy_from_slice(b"LVM2 001");
            assert_eq!(content(&bytes) != Content::Unknown, sector < 4, "{sector}");
        }
    }

    #[test]
    fn an_mbr_that_protects_a_gpt_is_no_partition_table() {
        let mut sector = with(510, b"\x55\xaa");
        assert_eq!(boot_sector(&sector), BootSector::Nothing);
        sector[446 + 12] = 1;
        sector[446 + 4] = 0x83;
        assert_eq!(boot_sector(&sector), BootSector::Partitions);
        sector[446 + 4] = 0xee;
        assert_eq!(boot_sector(&sector), BootSector::Protective);
    }

    #[test]
    fn tells_containers_that_are_not_read_from_raw_images() {
        assert_eq!(container(&with(0, b"QFI\xfb\0\0\0\x03")), Some(Container::Qcow2));
        assert_eq!(container(&with(0, b"KDMV")), Some(Container::Other("VMDK")));
        assert_eq!(container(&with(0, b"")), None);
    }
}
