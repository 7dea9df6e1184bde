//! `tdattest copy-out` reads ext4 itself: what a plain image of `mkfs.ext4` does not have, judged by `e2fsck`.
#![cfg(target_os = "linux")]

mod images;

use std::fs;

use images::{Images, QUOTE, Run, can_be_made};

/// What the guest had not unmounted.
const UNCLEAN: &str = "note: the guest has not unmounted the unpartitioned disk";

fn assert_gives(images: &Images, image: &str, path: &str, bytes: &[u8]) -> Run {
    let run = images.copy_out_in_bounds(&[image, path, "out.dat"]);
    assert_eq!(run.code, Some(0), "{image} {path}: {}", run.stderr);
    assert!(images.read("out.dat") == bytes, "{image} {path}: other bytes");
    run
}

fn assert_fails(images: &Images, image: &str, path: &str, words: &str) {
    let run = images.copy_out_in_bounds(&[image, path, "out.dat"]);
    assert_eq!(run.code, Some(2), "{image} {path}: {}", run.stderr);
    assert!(run.stderr.contains(words), "{image} {path}: {}", run.stderr);
}

/// Bytes that no other block has.
fn noise(blocks: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..blocks * 1024).map(step).collect()
}

#[test]
fn a_range_that_was_allocated_but_never_written_is_zeros() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let written = noise(3, 1);
    images.write("tree/file", &written);
    for options in [&["-b", "1024"][..], &["-b", "1024", "-O", "^metadata_csum,^64bit"]] {
        images.make_ext4("disk.img", "tree", options);
        // A range behind a hole, and one behind the bytes: its blocks hold what another file had left there.
        images.debugfs("disk.img", "fallocate /file 3 6");
        images.debugfs("disk.img", "fallocate /file 9 9");
        images.debugfs("disk.img", "set_inode_field /file size 10100");
        for block in &images.blocks("disk.img", "/file")[3..] {
            images.overwrite("disk.img", block * 1024, &[b'x'; 1024]);
        }
        let mut expected = written.clone();
        expected.resize(10_100, 0);
        let run = assert_gives(&images, "disk.img", "/file", &expected);
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_name_is_found_in_a_large_folder_with_and_without_an_index() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    for number in 0..700 {
        images.write(&format!("tree/many/a-name-of-some-length-{number}"), number.to_string());
    }
    for options in [&["-b", "1024"][..], &["-b", "4096"], &["-b", "1024", "-O", "^metadata_csum"]] {
        images.make_ext4("disk.img", "tree", options);
        for _ in 0..2 {
            for number in [0, 1, 350, 699] {
                let path = format!("/many/a-name-of-some-length-{number}");
                assert_gives(&images, "disk.img", &path, number.to_string().as_bytes());
            }
            assert_fails(&images, "disk.img", "/many/a-name-of-some-length", "there is no");
            images.fsck("disk.img", &["-D"]);
        }
    }
}

#[test]
fn what_the_journal_has_is_read_as_after_its_replay() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let (old, new, newer) = (noise(4, 1), noise(4, 2), noise(1, 3));
    images.write("tree/file", &old);
    // A block that begins as those of a journal do is kept there without its first bytes.
    let escaped = [&[0xc0, 0x3b, 0x39, 0x98], &new[4..1024]].concat();
    images.write("new", [&escaped, &new[1024..3072]].concat());
    images.write("newer", &newer);
    for (features, open) in [
        ("metadata_csum,64bit", "jo -c -v 3"),
        ("metadata_csum,64bit", "jo"),
        ("^metadata_csum,64bit", "jo"),
        ("^metadata_csum,^64bit", "jo"),
    ] {
        let what = format!("{features} {open}");
        images.make_ext4("disk.img", "tree", &["-b", "1024", "-O", features]);
        let blocks = images.blocks("disk.img", "/file");
        let [first, second, third, fourth] = blocks.as_slice() else { panic!("{blocks:?}") };
        images.leave_journal(
            "disk.img",
            open,
            &[
                &format!("jw -b {first},{second},{third} new"),
                // Revoked: what was written to it before is not to be put back.
                &format!("jw -r {third}"),
                &format!("jw -b {second} newer"),
                &format!("jw -c -b {fourth} newer"),
            ],
        );
        let expected = [&escaped, &newer, &old[2048..]].concat();
        let run = assert_gives(&images, "disk.img", "/file", &expected);
        assert!(run.stderr.starts_with(UNCLEAN), "{what}: {}", run.stderr);
        fs::copy(images.path("disk.img"), images.path("replayed.img")).unwrap();
        images.fsck("replayed.img", &[]);
        let run = assert_gives(&images, "replayed.img", "/file", &expected);
        assert_eq!(run.stderr, "", "{what}");
        images.assert_copies("replayed.img", &[]);
    }
}

#[test]
fn a_file_missing_from_an_unclean_file_system_is_missed_with_a_note() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.write("new", noise(4, 1));
    let block = images.blocks("disk.img", "/home/tdx/quote.dat")[0].to_string();
    images.leave_journal("disk.img", "jo", &[&format!("jw -b {block} new")]);
    let run = images.copy_out(&["disk.img", "/missing", "out.dat"]);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!((run.code, lines.len()), (Some(2), 3), "{}", run.stderr);
    assert!(lines[0].starts_with(UNCLEAN), "{}", run.stderr);
}

/// An image of 1024-byte blocks with a journal to be replayed, and where its journal begins.
fn unclean(features: &str, open: &str) -> (Images, u64) {
    let images = Images::new();
    images.make_ext4("whole", "tree", &["-b", "1024", "-O", features]);
    images.write("new", noise(1, 1));
    let block = images.blocks("whole", "/home/tdx/quote.dat")[0];
    images.leave_journal("whole", open, &[&format!("jw -b {block} new")]);
    let journal = images.blocks("whole", "<8>")[0] * 1024;
    (images, journal)
}

#[test]
fn a_journal_that_claims_too_much_is_refused_at_no_cost() {
    if !can_be_made() {
        return;
    }
    let (images, journal) = unclean("^metadata_csum", "jo");
    // The journal's superblock: its type, the size of its blocks, how many, the first one, where to begin, features.
    for (at, value, words) in [
        (0, 0, "does not begin with a superblock"),
        (4, 9, "does not begin with a superblock"),
        (12, 0, "contradicts itself"),
        (12, 4096, "contradicts itself"),
        (16, u32::MAX, "contradicts itself"),
        (20, 0, "contradicts itself"),
        (20, u32::MAX, "contradicts itself"),
        (28, u32::MAX, "contradicts itself"),
        (40, 0x10, "wrong checksum"),
    ] {
        fs::copy(images.path("whole"), images.path("image")).unwrap();
        images.overwrite("image", journal + at, &u32::to_be_bytes(value));
        images.assert_refused("image", &[], 2, words);
    }
    for (value, words) in [(0x20, "fast commits"), (0x8000_0000, "unknown ones")] {
        fs::copy(images.path("whole"), images.path("image")).unwrap();
        images.overwrite("image", journal + 40, &u32::to_be_bytes(value));
        images.assert_refused("image", &[], 3, words);
    }
    for (field, words) in [
        ("size 0xffffffffff", "its journal claims"),
        ("size 0x40000000", "its journal has a hole"),
        ("size 0", "its journal is empty"),
        ("mode 040755", "its journal is no file"),
        ("block[0] 0xffffffff", "damaged"),
    ] {
        fs::copy(images.path("whole"), images.path("image")).unwrap();
        images.debugfs("image", &format!("set_inode_field <8> {field}"));
        if field.starts_with("size 0x4") {
            // A journal of a million blocks that begins in the last of them, of which there is none.
            images.overwrite("image", journal + 16, &(1_u32 << 20).to_be_bytes());
            images.overwrite("image", journal + 28, &((1_u32 << 20) - 1).to_be_bytes());
        }
        images.assert_refused("image", &[], 2, words);
    }
}

#[test]
fn a_journal_with_anything_in_it_is_read_within_bounds() {
    if !can_be_made() {
        return;
    }
    let (images, journal) = unclean("^metadata_csum", "jo");
    // The journal's superblock, then the first block of the log, with what it lists.
    let places = (0..64).step_by(4).chain((1024..1100).step_by(4));
    for at in places {
        for value in [0, 1, 0x0003_ffff, 0x8000_0000, u32::MAX] {
            fs::copy(images.path("whole"), images.path("image")).unwrap();
            images.overwrite("image", journal + at, &u32::to_be_bytes(value));
            let run = images.copy_out_in_bounds(&["image", "/home/tdx/quote.dat", "out.dat"]);
            let what = format!("{value:#x} at {at}: {}", run.stderr);
            assert!(matches!(run.code, Some(0 | 2 | 3)), "{what}");
            assert!(!run.stderr.contains("panicked"), "{what}");
        }
    }
}

#[test]
fn a_journal_that_claims_too_much_under_a_right_checksum_is_read_within_bounds() {
    if !can_be_made() {
        return;
    }
    let (images, journal) = unclean("metadata_csum", "jo -c -v 3");
    let start = usize::try_from(journal).unwrap();
    let superblock = images.read("whole")[start..start + 1024].to_vec();
    let with = |fields: &[(usize, u32)]| {
        let mut bytes = superblock.clone();
        for (at, value) in fields {
            bytes[*at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        bytes[0xfc..0x100].fill(0);
        // The journal's checksum is not inverted at its end.
        let sum = !crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
        bytes[0xfc..0x100].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    assert!(with(&[]) == superblock, "the checksum is made as `debugfs` makes it");
    // How many blocks there are, the first one, and where to begin.
    for (maximum, first, begin) in [
        (u32::MAX, 1, 1),
        (u32::MAX, 1, u32::MAX - 1),
        (u32::MAX, u32::MAX - 1, u32::MAX - 1),
        (1 << 20, 1, 1),
        (1 << 20, 1, (1 << 20) - 1),
        (1024, 1023, 1023),
        (1024, 1, 1023),
        (2, 1, 1),
        (0, 0, 0),
        (1, 1, 1),
    ] {
        for size in ["0x100000", "0x40000000", "0x3fffffffc00", "0x7fffffffffffffff"] {
            fs::copy(images.path("whole"), images.path("image")).unwrap();
            images.debugfs("image", &format!("set_inode_field <8> size {size}"));
            images.overwrite("image", journal, &with(&[(16, maximum), (20, first), (28, begin)]));
            let run = images.copy_out_in_bounds(&["image", "/home/tdx/quote.dat", "out.dat"]);
            let what = format!("{maximum} {first} {begin} {size}: {}", run.stderr);
            assert!(matches!(run.code, Some(0 | 2)), "{what}");
            assert!(!run.stderr.contains("panicked"), "{what}");
            let is_too_large = u64::from(maximum) > (1 << 20) || size.len() > 10;
            assert!(!is_too_large || run.code == Some(2), "{what}");
        }
    }
}

#[test]
fn a_journal_that_revokes_without_end_is_given_up() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let options = ["-b", "4096", "-J", "size=16", "-O", "^metadata_csum,^64bit"];
    images.make_ext4_of("40M", "image", "tree", &options);
    images.write("new", noise(4, 1));
    let block = images.blocks("image", "/home/tdx/quote.dat")[0];
    images.leave_journal("image", "jo", &[&format!("jw -b {block} new")]);
    // The first transaction, again and again: a block full of revoked blocks.
    let revokes = [0xc03b_3998_u32, 5, 1, 4096].map(u32::to_be_bytes).concat();
    let revokes = [revokes, vec![1; 4096 - 16]].concat();
    for block in &images.blocks("image", "<8>")[1..4096] {
        images.overwrite("image", block * 4096, &revokes);
    }
    images.assert_refused("image", &[], 2, "more work than an image of honest make");
}

#[test]
fn a_file_system_to_be_replayed_without_a_journal_contradicts_itself() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.make_ext4("disk.img", "tree", &["-O", "^has_journal,^metadata_csum"]);
    images.assert_copies("disk.img", &[]);
    let features = images.read("disk.img")[1024 + 0x60];
    images.overwrite("disk.img", 1024 + 0x60, &[features | 4]);
    images.assert_refused("disk.img", &[], 2, "its superblock contradicts itself");
    assert_eq!(images.read("tree/home/tdx/quote.dat"), QUOTE);
}
