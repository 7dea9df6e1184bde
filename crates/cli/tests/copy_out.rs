//! `tdattest copy-out` on images of every kind that it reads, and on those that it does not.
#![cfg(target_os = "linux")]

mod images;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use gpt::disk::LogicalBlockSize;
use images::{Images, QUOTE, can_be_made};

#[test]
fn copies_a_file_out_of_raw_and_qcow2_images_of_every_version_and_cluster_size() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.assert_copies("disk.img", &[]);
    for options in [
        &["-o", "compat=0.10"][..],
        &["-o", "compat=1.1"],
        &["-c", "-o", "compat=0.10"],
        &["-c", "-o", "compression_type=zlib"],
        &["-o", "cluster_size=512"],
        &["-c", "-o", "cluster_size=512"],
        &["-o", "cluster_size=2M"],
        &["-c", "-o", "cluster_size=2M"],
        &["-o", "preallocation=metadata"],
        &["-o", "lazy_refcounts=on"],
    ] {
        images.qemu_img(&[&["convert", "-O", "qcow2"], options, &["disk.img", "made"]].concat());
        images.assert_copies("made", &[]);
    }
}

#[test]
fn copies_every_byte_of_a_large_file_with_holes() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let mut bytes = vec![0; 3 << 20];
    for (at, byte) in bytes.iter_mut().enumerate() {
        // Every third stretch of 64 KiB is a hole.
        if (at >> 16) % 3 != 1 {
            *byte = (at.wrapping_mul(2_654_435_761) >> 11) as u8;
        }
    }
    images.write("tree/large", &bytes);
    images.make_ext4("disk.img", "tree", &[]);
    images.make_ext4("ext2.img", "tree", &["-O", "^64bit,^extents,^has_journal"]);
    images.make_ext4("small-blocks.img", "tree", &["-b", "1024"]);
    images.qemu_img(&["convert", "-c", "-O", "qcow2", "disk.img", "compressed"]);
    images.qemu_img(&["convert", "-O", "qcow2", "disk.img", "plain"]);
    for image in ["disk.img", "ext2.img", "small-blocks.img", "compressed", "plain"] {
        let run = images.copy_out(&[image, "/large", "out.dat"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{image}");
        assert!(images.read("out.dat") == bytes, "{image}");
    }
}

#[test]
fn follows_links_as_the_guest_would() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.link("quote.dat", "tree/home/tdx/relative");
    images.link("/home/tdx/quote.dat", "tree/absolute");
    images.link("/home", "tree/folder");
    images.link("../../../../../home/tdx/quote.dat", "tree/home/upwards");
    images.link(&format!("{}home/tdx/quote.dat", "/./".repeat(40)), "tree/long");
    images.link("circle", "tree/circle");
    images.link("/etc/hostname", "tree/host");
    images.make_ext4("disk.img", "tree", &[]);
    for path in [
        "/home/tdx/relative",
        "/absolute",
        "/folder/tdx/quote.dat",
        "/home/upwards",
        "/long",
        "//home/./tdx/../tdx/quote.dat",
        "/../home/tdx/quote.dat",
    ] {
        let run = images.copy_out(&["disk.img", path, "-"]);
        assert_eq!((run.code, run.stdout.as_slice()), (Some(0), QUOTE), "{path}: {}", run.stderr);
    }
    for (path, words) in [
        ("/circle", "in a circle"),
        ("/host", "there is no `/host`"),
        ("/home", "is a folder"),
        ("/", "is a folder"),
        ("/home/tdx/quote.dat/x", "there is no"),
        ("home/tdx/quote.dat", "no absolute path"),
        ("", "no absolute path"),
    ] {
        let run = images.copy_out(&["disk.img", path, "out.dat"]);
        assert_eq!(run.code, Some(2), "{path}");
        assert!(run.stderr.contains(words), "{path}: {}", run.stderr);
    }
}

#[test]
fn searches_all_partitions_and_says_where_the_file_was() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.write("boot/vmlinuz", "kernel");
    images.make_ext4("boot-fs", "boot", &[]);
    images.make_ext4("root", "tree", &[]);
    images.write("empty", vec![0; 1 << 20]);
    for sector in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        images.make_gpt("disk.img", sector, &["empty", "boot-fs", "root"]);
        images.assert_copies("disk.img", &[]);
        images.assert_copies("disk.img", &["--partition", "3"]);
        let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "out.dat"]);
        let said = String::from_utf8(run.stdout).unwrap();
        let size = QUOTE.len();
        let path = "`/home/tdx/quote.dat`";
        assert_eq!(
            said,
            format!("wrote `out.dat`: {path} from partition 3 (`root`), {size} bytes\n")
        );
        images.assert_refused("disk.img", &["--partition", "2"], 2, "partition 2 (`boot-fs`)");
        images.assert_refused("disk.img", &["--partition", "1"], 3, "partition 1 (`empty`)");
        images.assert_refused("disk.img", &["--partition", "9"], 2, "there is no partition 9");
    }
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["empty"]);
    images.qemu_img(&["convert", "-O", "qcow2", "disk.img", "empty.qcow2"]);
    images.assert_refused("empty.qcow2", &[], 3, "no file system that is known here");
}

#[test]
fn a_file_on_two_partitions_is_not_guessed_at() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.make_ext4("old", "tree", &[]);
    images.make_ext4("new", "tree", &[]);
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["old", "new"]);
    let both = "is on partition 1 (`old`), partition 2 (`new`)";
    images.assert_refused("disk.img", &[], 2, both);
    images.assert_copies("disk.img", &["--partition", "2"]);
}

#[test]
fn of_two_partitions_with_the_file_the_guests_root_is_taken_if_its_table_settles_it() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    let (uuid, other) =
        ("0d0c0b0a-1111-4222-8333-444455556666", "0d0c0b0a-1111-4222-8333-444455556667");
    images.write("data/home/tdx/quote.dat", "another");
    images.make_ext4("data-fs", "data", &["-U", other, "-L", "data"]);
    let make = |table: &str, options: &[&str]| {
        images.write("tree/etc/fstab", table);
        images.make_ext4("root", "tree", options);
        images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["data-fs", "root"]);
    };
    let own = ["-U", uuid, "-L", "the root"];
    for table in [
        format!("# root\nUUID={uuid} / ext4 defaults 0 1\n"),
        format!("/dev/disk/by-uuid/{uuid} / ext4\n"),
        format!("UUID={other} /srv ext4\nLABEL=the\\040root / ext4\n"),
        "PARTLABEL=root / ext4\ntmpfs /tmp tmpfs\nswap none swap\n".to_owned(),
    ] {
        make(&table, &own);
        let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "out.dat"]);
        let note = "note: `/home/tdx/quote.dat` is also on partition 1 (`data-fs`); partition 2 (`root`) is what the guest mounts at `/`, as its /etc/fstab says\n";
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), note), "{table}");
        assert_eq!(images.read("out.dat"), QUOTE, "{table}");
        let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "-", "--partition", "1"]);
        assert_eq!(run.stdout, b"another");
    }
    let both = "is on partition 1 (`data-fs`), partition 2 (`root`)";
    for table in [
        // The guest finds another one there.
        format!("UUID={uuid} / ext4\nUUID={other} /home ext4\n"),
        format!("UUID={uuid} / ext4\ntmpfs /home/tdx tmpfs\n"),
        // It does not say which.
        "/dev/vda2 / ext4\n".to_owned(),
        format!("UUID={other} / ext4\n"),
        "LABEL=data / ext4\n".to_owned(),
        String::new(),
    ] {
        make(&table, &own);
        images.assert_refused("disk.img", &[], 2, both);
    }
    // Two that both say so: an update kept the old one.
    make(&format!("UUID={uuid} / ext4\n"), &own);
    images.write("data/etc/fstab", format!("UUID={other} / ext4\n"));
    images.make_ext4("data-fs", "data", &["-U", other]);
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["data-fs", "root"]);
    images.assert_refused("disk.img", &[], 2, both);
    // A clone with the same name.
    fs::remove_dir_all(images.path("data/etc")).unwrap();
    images.make_ext4("data-fs", "data", &["-U", uuid]);
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["data-fs", "root"]);
    images.assert_refused("disk.img", &[], 2, both);
}

#[test]
fn the_second_partition_table_stands_in_for_a_damaged_first_one() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.make_gpt("whole", LogicalBlockSize::Lb512, &["disk.img"]);
    for damage in [512 + 60, 1024 + 40] {
        fs::copy(images.path("whole"), images.path("damaged")).unwrap();
        images.overwrite("damaged", damage, &[0xff; 4]);
        images.assert_copies("damaged", &[]);
        let end = fs::metadata(images.path("whole")).unwrap().len();
        images.overwrite("damaged", end - 512 + 60, &[0xff; 4]);
        images.assert_refused("damaged", &[], 2, "partition table is damaged");
    }
}

#[test]
fn a_backing_chain_is_followed_below_the_allowed_folder_only() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    fs::create_dir(images.path("bases")).unwrap();
    fs::rename(images.path("disk.img"), images.path("bases/disk.img")).unwrap();
    images.qemu_img(&["create", "-f", "qcow2", "-b", "disk.img", "-F", "raw", "bases/middle"]);
    images.qemu_img(&["create", "-f", "qcow2", "-b", "bases/middle", "-F", "qcow2", "top"]);
    images.assert_copies("top", &["--backing-folder", "bases"]);
    images.assert_copies("top", &["--backing-folder", "."]);
    fs::create_dir(images.path("other")).unwrap();
    images.assert_refused("top", &[], 2, "no folder is allowed");
    images.assert_refused("top", &["--backing-folder", "other"], 2, "outside of the allowed");
    images.assert_refused("top", &["--backing-folder", "missing"], 2, "cannot read `missing`");
}

#[test]
fn a_backing_file_shorter_than_the_disk_ends_in_zeros() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.qemu_img(&[
        "create",
        "-f",
        "qcow2",
        "-b",
        "disk.img",
        "-F",
        "raw",
        "larger.qcow2",
        "64M",
    ]);
    images.assert_copies("larger.qcow2", &["--backing-folder", "."]);
}

#[test]
fn an_external_data_file_is_read_below_the_allowed_folder_only() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    for raw in ["off", "on"] {
        let options = format!("data_file=data,data_file_raw={raw}");
        images.qemu_img(&["convert", "-O", "qcow2", "-o", &options, "disk.img", "image"]);
        images.assert_copies("image", &["--backing-folder", "."]);
        images.assert_refused("image", &[], 2, "no folder is allowed");
        fs::remove_file(images.path("data")).unwrap();
        images.assert_refused("image", &["--backing-folder", "."], 2, "no such file");
    }
}

#[test]
fn what_is_not_read_here_is_named_with_the_command_to_use_instead() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    let convert = ["convert", "-O"];
    for (more, words) in [
        (&["qcow2", "-c", "-o", "compression_type=zstd"][..], "zstd compression"),
        (&["qcow2", "-o", "extended_l2=on"], "extended L2 entries"),
        (&["vmdk"], "VMDK"),
        (&["vdi"], "VDI"),
        (&["qed"], "QED"),
        (&["vhdx"], "VHDX"),
        (&["vpc"], "VHD"),
    ] {
        images.qemu_img(&[&convert, more, &["disk.img", "made"]].concat());
        images.assert_refused("made", &[], 3, words);
    }
    images.qemu_img(&[
        "create",
        "-f",
        "qcow2",
        "--object",
        "secret,id=key,data=abc",
        "-o",
        "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10",
        "made",
        "8M",
    ]);
    images.assert_refused("made", &[], 3, "encryption");
    let run = images.copy_out(&["made", "/home/tdx/my quote", "out.dat"]);
    assert_eq!(
        run.stderr.lines().nth(1),
        Some(
            "hint: use libguestfs: virt-copy-out --format=qcow2 -a made '/home/tdx/my quote' .; or, while the TD runs: scp USER@TD:'/home/tdx/my quote' ."
        )
    );
}

#[test]
fn other_file_systems_and_tables_are_named() {
    let images = Images::new();
    for (at, magic, words) in [
        (0, &b"XFSB"[..], "XFS"),
        (0x1_0040, b"_BHRfS_M", "btrfs"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (4096, b"\xfc\x4e\x2b\xa9", "RAID"),
        (82, b"FAT32", "FAT"),
        (4086, b"SWAPSPACE2", "swap"),
        (0, b"", "no file system that is known here"),
    ] {
        images.write("disk.img", vec![0; 1 << 20]);
        images.overwrite("disk.img", at, magic);
        images.assert_refused("disk.img", &[], 3, words);
    }
    images.write("disk.img", vec![0; 1 << 20]);
    images.overwrite("disk.img", 512, b"LABELONE");
    images.overwrite("disk.img", 512 + 24, b"LVM2 001");
    images.assert_refused("disk.img", &[], 3, "LVM");

    // One Linux partition of 16 sectors from the first one on.
    images.write("disk.img", vec![0; 1 << 20]);
    images.overwrite("disk.img", 446 + 4, &[0x83, 0, 0, 0, 1, 0, 0, 0, 16]);
    images.overwrite("disk.img", 510, b"\x55\xaa");
    images.assert_refused("disk.img", &[], 3, "MBR");
}

#[test]
fn a_file_that_may_be_where_nothing_is_read_is_not_called_missing() {
    if !can_be_made() {
        return;
    }
    let images = Images::new();
    images.write("boot/vmlinuz", "kernel");
    images.make_ext4("boot-fs", "boot", &[]);
    let mut root = vec![0; 1 << 20];
    root[..4].copy_from_slice(b"XFSB");
    images.write("root", root);
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["boot-fs", "root"]);
    images.assert_refused("disk.img", &[], 3, "partition 2 (`root`) has an XFS file system");
    let note = "note: not everything was searched: partition 2 (`root`) has an XFS file system, which is not read here\n";
    let run = images.copy_out(&["disk.img", "/vmlinuz", "out.dat"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), note));
    let chosen = ["disk.img", "/vmlinuz", "out.dat", "--partition", "1"];
    let run = images.copy_out(&chosen);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    // Of two that are not read, one is the error and the other a note.
    images.write("home", vec![0; 1 << 20]);
    images.overwrite("home", 0, b"LUKS\xba\xbe");
    images.make_gpt("disk.img", LogicalBlockSize::Lb512, &["home", "boot-fs", "root"]);
    let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "out.dat"]);
    assert_eq!(run.code, Some(3));
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with("note: not everything was searched: partition 3"), "{lines:?}");
    assert!(lines[1].starts_with("error: partition 1 (`home`) has a LUKS"), "{lines:?}");
}

#[test]
fn the_copy_is_for_its_owner_alone_and_replaces_what_was_there() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.write("out.dat", "old");
    let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "out.dat"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(images.read("out.dat"), QUOTE);
    let mode = fs::metadata(images.path("out.dat")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);

    fs::create_dir(images.path("folder")).unwrap();
    let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "folder"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(images.read("folder/quote.dat"), QUOTE);
}

#[test]
fn a_refusal_leaves_what_was_there() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.write("out.dat", "old");
    let limited = ["disk.img", "/home/tdx/quote.dat", "out.dat", "--max-size", "42"];
    let run = images.copy_out(&limited);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("has 43 bytes, more than the 42"), "{}", run.stderr);
    assert_eq!(images.read("out.dat"), b"old");
    assert_eq!(images.names(), ["disk.img", "out.dat", "tree"]);
    let run = images.copy_out(&["disk.img", "/home/tdx/quote.dat", "no/folder"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("hint: nothing was written"), "{}", run.stderr);
}

#[test]
fn an_image_that_cannot_be_read_or_only_once_is_misuse() {
    let images = Images::new();
    images.assert_refused("missing", &[], 2, "cannot read `missing`");
    images.assert_refused("tree", &[], 2, "neither a file nor a block device");
    images.assert_refused("/dev/null", &[], 2, "neither a file nor a block device");
    images.assert_refused("/dev/stdin", &[], 2, "neither a file nor a block device");
}

#[test]
fn the_given_format_goes_before_what_the_guest_wrote_into_the_first_bytes() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    images.overwrite("disk.img", 0, b"QFI\xfb\0\0\0\x03");
    images.assert_refused("disk.img", &[], 2, "no sound qcow2 image");
    images.assert_copies("disk.img", &["--format", "raw"]);
    images.assert_refused("tree/home/tdx/quote.dat", &["--format", "qcow2"], 2, "qcow2 header");
}

#[test]
fn the_image_is_not_written_to() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    let path = images.path("disk.img");
    let before = images.read("disk.img");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    images.assert_copies("disk.img", &[]);
    assert!(images.read("disk.img") == before);
}

#[test]
fn the_image_and_what_it_stands_on_are_not_overwritten_under_any_name() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    fs::create_dir(images.path("folder")).unwrap();
    images.qemu_img(&["create", "-f", "qcow2", "-b", "disk.img", "-F", "raw", "top"]);
    let data = "data_file=data,data_file_raw=on";
    images.qemu_img(&["convert", "-O", "qcow2", "-o", data, "disk.img", "with-data"]);
    fs::hard_link(images.path("disk.img"), images.path("hard")).unwrap();
    images.link("disk.img", "soft");
    images.link("../soft", "folder/quote.dat");
    images.link("disk.img", "image");
    let backing = ["--backing-folder", "."];
    for (image, dest, more) in [
        ("disk.img", "disk.img", &[][..]),
        ("disk.img", "./tree/../disk.img", &[]),
        ("disk.img", "soft", &[]),
        ("disk.img", "hard", &[]),
        ("disk.img", "folder", &[]),
        ("image", "disk.img", &[]),
        ("top", "top", &backing),
        ("top", "disk.img", &backing),
        ("top", "hard", &backing),
        ("with-data", "data", &backing),
    ] {
        let before = (images.names(), images.read("disk.img"), images.read("data"));
        let arguments = [&[image, "/home/tdx/quote.dat", dest], more].concat();
        let run = images.copy_out(&arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        let words = "is the image itself, or a file that it stands on";
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
        let after = (images.names(), images.read("disk.img"), images.read("data"));
        assert!(before == after, "{arguments:?}");
        assert_eq!(fs::metadata(images.path("hard")).unwrap().nlink(), 2, "{arguments:?}");
        assert!(images.path("soft").is_symlink(), "{arguments:?}");
    }
    // A copy of the image is another file.
    fs::copy(images.path("disk.img"), images.path("copy")).unwrap();
    assert_eq!(images.copy_out(&["disk.img", "/home/tdx/quote.dat", "copy"]).code, Some(0));
    assert_eq!(images.read("copy"), QUOTE);
}

#[test]
fn no_hint_has_other_programs_open_names_that_were_not_allowed_unless_the_image_is_trusted() {
    if !can_be_made() {
        return;
    }
    let images = Images::with_disk();
    let hint = |image: &str, more: &[&str]| {
        let run = images.copy_out(&[&[image, "/q", "out.dat"], more].concat());
        assert!(matches!(run.code, Some(2 | 3)), "{image}: {}", run.stderr);
        run.stderr.lines().last().unwrap().to_owned()
    };
    let all = ["--backing-folder", "."];
    let zstd = "compat=1.1,compression_type=zstd";
    let create = |more: &[&str]| images.qemu_img(&[&["create", "-u", "-f"], more].concat());
    create(&["qcow2", "-o", zstd, "-b", "/etc/shadow", "-F", "raw", "zstd", "8M"]);
    create(&["qcow2", "-o", "extended_l2=on,data_file=data", "data-file", "8M"]);
    create(&["qcow2", "-F", "vmdk", "-b", "other", "foreign", "8M"]);
    create(&["qcow2", "-F", "raw", "-b", "disk.img", "allowed", "8M"]);
    create(&["qed", "-F", "raw", "-b", "/etc/shadow", "qed", "8M"]);
    images.write("descriptor", "# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0\n");
    for (image, more) in [
        ("zstd", &all[..]),
        ("data-file", &all),
        ("foreign", &all),
        ("foreign", &[]),
        ("allowed", &[]),
        ("qed", &all),
        ("descriptor", &all),
    ] {
        let hint = hint(image, more);
        assert!(hint.contains("if you trust the image, make one"), "{image} {more:?}: {hint}");
        assert!(!hint.contains("virt-copy-out"), "{image} {more:?}: {hint}");
        assert!(!hint.contains("qemu-img check"), "{image} {more:?}: {hint}");
    }
    // An image without other names, or with allowed ones only: other programs are told its format, and find no others.
    images.write("xfs", [b"XFSB", &[0; 1 << 20][..]].concat());
    create(&["qcow2", "-F", "raw", "-b", "xfs", "on-xfs", "1M"]);
    create(&["qcow2", "-o", zstd, "alone", "8M"]);
    for (image, format) in [("xfs", "raw"), ("on-xfs", "qcow2"), ("alone", "qcow2")] {
        let hint = hint(image, &all);
        let words =
            format!("hint: use libguestfs: virt-copy-out --format={format} -a {image} /q .;");
        assert!(hint.starts_with(&words), "{hint}");
    }
}
