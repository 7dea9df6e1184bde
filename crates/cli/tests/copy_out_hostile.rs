//! `tdattest copy-out` on images made to do harm: each run has bounded memory and time, and none panics.
#![cfg(target_os = "linux")]

mod images;

use std::fs;

use images::{Images, can_be_made};

/// Ends in order: copied, refused or not read here, within bounds, without a panic, with nothing half written.
fn assert_ends_in_order(images: &Images, what: &str) {
    let _ = fs::remove_file(images.path("out.dat"));
    let before = images.names();
    let arguments = ["image", "/home/tdx/quote.dat", "out.dat", "--backing-folder", "."];
    let run = images.copy_out_in_bounds(&arguments);
    assert!(matches!(run.code, Some(0 | 2 | 3)), "{what}: {:?} {}", run.code, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    if run.code != Some(0) {
        assert!(run.stderr.starts_with("error: "), "{what}: {}", run.stderr);
        assert_eq!(images.names(), before, "{what}");
    }
}

/// Each kind of image once, the smaller the better.
fn kinds() -> Vec<(Images, Vec<u8>)> {
    let make = |arguments: &[&str]| {
        let images = Images::with_disk();
        images.qemu_img(&[&["convert"], arguments, &["disk.img", "image"]].concat());
        let bytes = images.read("image");
        (images, bytes)
    };
    vec![
        make(&["-O", "raw"]),
        make(&["-O", "qcow2", "-o", "cluster_size=4k"]),
        make(&["-c", "-O", "qcow2"]),
    ]
}

#[test]
fn an_image_cut_anywhere_is_refused_or_read_from_what_is_left() {
    if !can_be_made() {
        return;
    }
    for (images, bytes) in kinds() {
        let steps = (0..40).map(|step| bytes.len() * step / 40);
        for length in (0..16).chain([71, 72, 103, 104, 511, 512, 1023, 1024, 2047]).chain(steps) {
            images.write("image", &bytes[..length]);
            assert_ends_in_order(&images, &format!("cut to {length} of {}", bytes.len()));
        }
    }
}

#[test]
fn no_changed_bit_in_the_tables_causes_a_panic_or_a_long_run() {
    if !can_be_made() {
        return;
    }
    for (images, bytes) in kinds() {
        // Superblock, descriptors, header and tables are in the first 64 KiB; 67 is prime to every table's width.
        for (count, at) in (0..bytes.len().min(0x1_0000)).step_by(67).enumerate().take(150) {
            let at = if count < 60 { count } else { at };
            images.overwrite("image", at as u64, &[bytes[at] ^ (1 << (count % 8))]);
            assert_ends_in_order(&images, &format!("bit {} of byte {at}", count % 8));
            images.overwrite("image", at as u64, &[bytes[at]]);
        }
    }
}

#[test]
fn a_file_system_without_checksums_is_read_with_the_same_care() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.make_ext4("image", "tree", &["-O", "^metadata_csum,^64bit"]);
    let bytes = images.read("image");
    let places = (1024..1400).chain((4096..0x1_0000).step_by(331)).filter(|at| bytes[*at] != 0);
    for at in places.take(120) {
        for value in [0, 0xff] {
            images.overwrite("image", at as u64, &[value]);
            assert_ends_in_order(&images, &format!("byte {at} is {value}"));
        }
        images.overwrite("image", at as u64, &[bytes[at]]);
    }
}

#[test]
fn a_backing_file_that_leads_elsewhere_is_refused() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    let outside = Images::with_disk();
    let secret = outside.path("disk.img");
    images.link(secret.to_str().unwrap(), "link.img");
    fs::create_dir(images.path("folder")).unwrap();
    for (name, words) in [
        (secret.to_str().unwrap(), "absolute names are not followed"),
        ("../disk.img", "names with `..` are not followed"),
        ("folder/../disk.img", "names with `..` are not followed"),
        ("link.img", "outside of the allowed folders"),
        ("nbd://127.0.0.1/disk", "a protocol"),
        ("file:disk.img", "a protocol"),
        ("json:{\"driver\":\"raw\"}", "a protocol"),
        ("missing.img", "no such file"),
        ("folder", "neither a file nor a block device"),
    ] {
        let create = ["create", "-u", "-f", "qcow2", "-F", "raw", "-b", name, "image", "8M"];
        images.qemu_img(&create);
        images.assert_refused("image", &["--backing-folder", "."], 2, words);
    }
    let create = ["create", "-u", "-f", "qcow2", "-F", "vmdk", "-b", "disk.img", "image", "8M"];
    images.qemu_img(&create);
    images.assert_refused("image", &["--backing-folder", "."], 3, "other than raw and qcow2");
}

#[test]
fn a_backing_chain_without_an_end_is_refused() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let create = |name: &str, backing: &str| {
        images.qemu_img(&["create", "-u", "-f", "qcow2", "-F", "qcow2", "-b", backing, name, "8M"]);
    };
    create("made", "self");
    fs::rename(images.path("made"), images.path("self")).unwrap();
    images.assert_refused("self", &["--backing-folder", "."], 2, "part of the chain already");
    create("first", "second");
    create("second", "first");
    images.assert_refused("first", &["--backing-folder", "."], 2, "part of the chain already");
    for number in 0..17 {
        create(&format!("long-{number}"), &format!("long-{}", number + 1));
    }
    images.assert_refused("long-0", &["--backing-folder", "."], 2, "more than 16 files");
}

#[test]
fn a_qcow2_header_that_claims_too_much_is_refused_at_no_cost() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.qemu_img(&["convert", "-O", "qcow2", "disk.img", "whole"]);
    let most = u64::MAX.to_be_bytes();
    for (at, bytes, words) in [
        (4, &[0, 0, 0, 4][..], "is of version 4"),
        (20, &[0, 0, 0, 8], "clusters have 2^8 bytes"),
        (20, &[0, 0, 0, 63], "clusters have 2^63 bytes"),
        (24, &most, "claims a disk of"),
        (36, &[0; 4], "claims a disk of"),
        (40, &most, "does not start at a multiple"),
        (40, &[0, 0xff, 0xff, 0xff, 0, 0, 0, 0], "ends at byte"),
        (72, &[0, 0, 0, 0, 0, 0, 0, 2], "marked as corrupt"),
        (72, &[0x80, 0, 0, 0, 0, 0, 0, 0], "unknown incompatible feature"),
        (72, &[0, 0, 0, 0, 0, 0, 0, 4], "does not name it"),
        (100, &[0xff; 4], "header claims"),
        (100, &[0; 4], "header claims"),
        (108, &[0xff; 12], "do not fit"),
        (112, &[0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff], "do not fit"),
        (8, &[0, 0, 0, 0, 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff], "name of its backing file"),
    ] {
        fs::copy(images.path("whole"), images.path("image")).unwrap();
        images.overwrite("image", at, bytes);
        let run = images.copy_out_in_bounds(&["image", "/home/tdx/quote.dat", "out.dat"]);
        assert!(matches!(run.code, Some(2 | 3)), "{at} {words}: {:?}", run.code);
        assert!(run.stderr.contains(words), "{at} {words}: {}", run.stderr);
    }
    // A table of the greatest length, for a disk of the greatest size, in a file of little content.
    fs::copy(images.path("whole"), images.path("image")).unwrap();
    images.overwrite("image", 24, &(1_u64 << 60).to_be_bytes());
    images.overwrite("image", 36, &[0xff; 4]);
    images.assert_copies("image", &[]);
}

#[test]
fn sizes_that_a_file_system_claims_cost_nothing() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.link(&format!("/{}", "long/".repeat(20)), "tree/link");
    images.make_ext4("whole", "tree", &["-O", "^metadata_csum"]);
    let fresh = || fs::copy(images.path("whole"), images.path("image")).unwrap();

    fresh();
    images.debugfs("image", "set_inode_field /link size 0xffffffff");
    let run = images.copy_out_in_bounds(&["image", "/link", "out.dat"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("is too long"), "{}", run.stderr);

    fresh();
    images.debugfs("image", "set_inode_field /home/tdx/quote.dat size 0xffffffff");
    images.assert_refused("image", &[], 2, "more than the 67108864");

    // Superblock: s_blocks_count_lo, then s_blocks_per_group.
    fresh();
    images.overwrite("image", 1024 + 4, &[0xff; 4]);
    images.assert_refused("image", &[], 2, "the ext4 file system on the unpartitioned disk is");
    fresh();
    images.overwrite("image", 1024 + 0x20, &[0; 4]);
    images.assert_refused("image", &[], 2, "block groups");
}

#[test]
fn a_name_in_the_image_cannot_move_the_cursor() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    fs::rename(images.path("disk.img"), images.path("\u{1b}[2Jroot")).unwrap();
    images.make_gpt("disk.img", gpt::disk::LogicalBlockSize::Lb512, &["\u{1b}[2Jroot"]);
    let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "out.dat"]);
    assert_eq!(run.code, Some(0));
    assert!(!run.stdout.contains(&0x1b));
    let run = images.copy_out(&["disk.img", "/nowhere", "out.dat"]);
    assert!(run.stderr.contains("\\u{1b}[2Jroot"), "{}", run.stderr);
}
