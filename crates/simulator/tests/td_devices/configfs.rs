//! configfs-tsm, point by point as the kernel has it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use tdattest_simulator::td_devices::QuoteSource;

use super::{error_of, report_data_of, td, td_with, write, writer};

const EACCES: Option<i32> = Some(Errno::ACCESS.raw_os_error());
const EFBIG: Option<i32> = Some(Errno::FBIG.raw_os_error());
const EINVAL: Option<i32> = Some(Errno::INVAL.raw_os_error());
const ENOENT: Option<i32> = Some(Errno::NOENT.raw_os_error());
const EPERM: Option<i32> = Some(Errno::PERM.raw_os_error());
const ESPIPE: Option<i32> = Some(Errno::SPIPE.raw_os_error());

#[test]
fn an_entry_has_exactly_the_files_of_tdx_with_their_modes() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    let mut found: Vec<_> = fs::read_dir(&entry)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o7777;
            (file.file_name().into_string().unwrap(), mode)
        })
        .collect();
    found.sort();
    let expected =
        [("generation", 0o444), ("inblob", 0o200), ("outblob", 0o444), ("provider", 0o444)];
    assert_eq!(found, expected.map(|(name, mode)| (name.to_owned(), mode)));
    assert_eq!(fs::read_to_string(entry.join("provider")).unwrap(), "tdx_guest\n");
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "0\n");
}

#[test]
fn a_write_is_taken_when_the_file_is_closed_and_counts_once() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    let mut file = writer(&entry.join("inblob")).unwrap();
    file.write_all(&[1; 32]).unwrap();
    file.write_all(&[2; 32]).unwrap();
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "0\n");
    drop(file);
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
    let quote = fs::read(entry.join("outblob")).unwrap();
    assert_eq!(report_data_of(&quote).0, [[1; 32], [2; 32]].concat()[..]);
    // Reading does not count.
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
}

#[test]
fn what_is_written_through_one_opening_counts_once_however_many_close_it() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    let mut file = writer(&entry.join("inblob")).unwrap();
    for half in [1, 2] {
        file.write_all(&[half; 32]).unwrap();
        // As a process that was started with it, and ends.
        drop(file.try_clone().unwrap());
    }
    assert_eq!(error_of(file.write_all(&[3])), EFBIG);
    drop(file);
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
    let quote = fs::read(entry.join("outblob")).unwrap();
    assert_eq!(report_data_of(&quote).0, [[1; 32], [2; 32]].concat()[..]);
}

#[test]
fn opening_without_writing_takes_nothing() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    drop(writer(&entry.join("inblob")).unwrap());
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "0\n");
}

#[test]
fn more_than_64_bytes_do_not_fit() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    let mut file = writer(&entry.join("inblob")).unwrap();
    file.write_all(&[1; 64]).unwrap();
    assert_eq!(error_of(file.write_all(&[2; 64])), EFBIG);
}

#[test]
fn there_is_no_quote_before_a_write_nor_for_another_length() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    assert_eq!(error_of(fs::read(entry.join("outblob"))), EINVAL);
    write(&entry.join("inblob"), &[1; 63]).unwrap();
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
    assert_eq!(error_of(fs::read(entry.join("outblob"))), EINVAL);
}

#[test]
fn a_quote_is_made_once_for_each_generation() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    write(&entry.join("inblob"), &[1; 64]).unwrap();
    let first = fs::read(entry.join("outblob")).unwrap();
    // A second one would show it.
    td.devices.fail("io".parse().unwrap());
    assert_eq!(fs::read(entry.join("outblob")).unwrap(), first);
    write(&entry.join("inblob"), &[2; 64]).unwrap();
    assert_eq!(error_of(fs::read(entry.join("outblob"))), Some(Errno::IO.raw_os_error()));
    td.devices.recover();
    assert_eq!(report_data_of(&fs::read(entry.join("outblob")).unwrap()).0, [2; 64]);
}

#[test]
fn an_open_file_keeps_what_its_first_read_found() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    write(&entry.join("inblob"), &[1; 64]).unwrap();
    let mut file = File::open(entry.join("outblob")).unwrap();
    let mut quote = vec![0; 100];
    file.read_exact(&mut quote).unwrap();
    write(&entry.join("inblob"), &[2; 64]).unwrap();
    file.read_to_end(&mut quote).unwrap();
    assert_eq!(report_data_of(&quote).0, [1; 64]);
}

#[test]
fn modes_hold_for_root_as_well() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    assert_eq!(error_of(File::open(entry.join("inblob"))), EACCES);
    assert_eq!(
        error_of(OpenOptions::new().read(true).write(true).open(entry.join("inblob"))),
        EACCES
    );
    for name in ["outblob", "generation", "provider"] {
        assert_eq!(error_of(writer(&entry.join(name))), EACCES, "{name}");
    }
}

#[test]
fn truncating_and_creating_open_what_is_there() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    // As Go's WriteFile and Rust's `fs::write` do.
    fs::write(entry.join("inblob"), [3; 64]).unwrap();
    assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
    assert_eq!(report_data_of(&fs::read(entry.join("outblob")).unwrap()).0, [3; 64]);
    assert_eq!(error_of(File::create(entry.join("other"))), EACCES);
}

#[test]
fn blobs_have_no_positions() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    let mut file = writer(&entry.join("inblob")).unwrap();
    assert_eq!(error_of(file.write_at(&[0; 8], 8)), ESPIPE);
    assert_eq!(error_of(file.rewind()), ESPIPE);
}

#[test]
fn entries_are_made_in_one_folder_alone_and_removed_although_they_have_files() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    assert_eq!(error_of(fs::create_dir(&entry)), Some(Errno::EXIST.raw_os_error()));
    assert_eq!(error_of(fs::create_dir(entry.join("inner"))), EPERM);
    assert_eq!(error_of(fs::create_dir(td.paths.devices.join("inner"))), EPERM);
    assert_eq!(error_of(fs::remove_file(entry.join("provider"))), EPERM);
    // Tools that delete what is inside first fail, and leave the entry.
    assert_eq!(fs::remove_dir_all(&entry).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(td.devices.entries(), ["e"]);
    fs::remove_dir(&entry).unwrap();
    assert_eq!(td.devices.entries(), [""; 0]);
    assert_eq!(error_of(fs::remove_dir(&entry)), ENOENT);
}

#[test]
fn files_of_a_removed_entry_that_are_open_find_nothing() {
    let Some(td) = td() else { return };
    let entry = td.entry("e");
    write(&entry.join("inblob"), &[1; 64]).unwrap();
    let mut writing = writer(&entry.join("inblob")).unwrap();
    let mut reading = ["outblob", "generation"].map(|name| File::open(entry.join(name)).unwrap());
    fs::remove_dir(&entry).unwrap();
    // One of the same name is another one.
    td.entry("e");
    for file in &mut reading {
        assert_eq!(error_of(file.read(&mut [0; 8])), ENOENT);
    }
    assert_eq!(error_of(writing.write(&[1; 8])), ENOENT);
}

#[test]
fn a_quote_that_takes_long_keeps_nobody_from_the_other_files() {
    let Some(td) = td() else { return };
    let entries = ["slow", "other"].map(|name| td.entry(name));
    entries.iter().for_each(|entry| write(&entry.join("inblob"), &[1; 64]).unwrap());
    // For longer than any test: it ends when the devices are unmounted.
    td.devices.fail("delay=3600".parse().unwrap());
    let waiting: Vec<_> = (0..16)
        .map(|number| entries[number % 2].join("outblob"))
        .map(|path| std::thread::spawn(move || fs::read(path)))
        .collect();
    for entry in &entries {
        assert_eq!(fs::read_to_string(entry.join("generation")).unwrap(), "1\n");
    }
    fs::remove_dir(td.entry("third")).unwrap();
    assert!(waiting.iter().all(|thread| !thread.is_finished()));
    drop(td);
    for thread in waiting {
        assert!(thread.join().unwrap().is_err());
    }
}

#[test]
fn a_process_that_is_killed_does_not_wait_for_its_quote_which_the_host_still_makes() {
    let mut qgs = None;
    let Some(td) = td_with(|folder| {
        let path = folder.join("qgs.socket");
        qgs = Some(UnixListener::bind(&path).unwrap());
        QuoteSource::Qgs(path)
    }) else {
        return;
    };
    let qgs = qgs.unwrap();
    let entry = td.entry("e");
    write(&entry.join("inblob"), &[1; 64]).unwrap();
    let outblob = entry.join("outblob");
    let mut process = Command::new("cat").arg(&outblob).stdout(Stdio::null()).spawn().unwrap();
    let asked = qgs.accept().unwrap();
    process.kill().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(9));
    // Its request has the buffer of the whole TD.
    let other = td.entry("other");
    write(&other.join("inblob"), &[2; 64]).unwrap();
    for busy in [&outblob, &other.join("outblob")] {
        assert_eq!(error_of(fs::read(busy)), Some(Errno::BUSY.raw_os_error()));
    }
    // The host gives up, and the buffer back.
    drop((asked, qgs));
    let freed = std::iter::repeat_with(|| error_of(fs::read(&outblob)))
        .find(|error| *error != Some(Errno::BUSY.raw_os_error()));
    assert_eq!(freed, Some(Some(Errno::IO.raw_os_error())));
}
