//! Entries on a plain folder: what the kernel would show is written into it beforehand.

use std::cell::Cell;
use std::time::Duration;

use super::*;

fn late() -> Deadline {
    Deadline::after(Deadline::DEFAULT)
}

fn create(folder: &Path) -> Entry {
    Entry::create(folder, |path| fs::create_dir(path), late()).unwrap()
}

/// An entry as a killed process leaves it.
fn left_behind(folder: &Path) -> PathBuf {
    let path = folder.join(new_name());
    fs::create_dir(&path).unwrap();
    path
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn entries_are_each_requests_own_and_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<Entry> = (0..8).map(|_| create(folder.path())).collect();
    assert_eq!(count(folder.path()), 8);
    drop(entries);
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn an_entry_of_somebody_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    drop(Entry::of_somebody(folder.path(), late()));
    assert!(folder.path().is_dir());
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_a_living_one_holds_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let dead = left_behind(folder.path());
    let living = create(folder.path());
    sweep(folder.path());
    assert!(!dead.exists());
    assert!(living.path.exists());

    // As if it were killed: the lock goes, the entry does not.
    let (mut killed, path) = (living, PathBuf::new());
    let path = std::mem::replace(&mut killed.path, path);
    drop(killed);
    assert!(path.exists());
    sweep(folder.path());
    assert!(!path.exists());
}

#[test]
fn only_entries_with_names_of_ours_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let others = [
        "com.intel.dcap",
        "entry123",
        "tdattest",
        "tdattest-shared",
        "tdattest-1-0",
        "tdattest-1-0123456789abcdeg",
        "tdattest-x-0123456789abcdef",
        "tdattest-1-0123456789abcdef-2",
        "mytdattest-1-0123456789abcdef",
    ];
    others.iter().for_each(|name| fs::create_dir(folder.path().join(name)).unwrap());
    // Neither a file nor what a link leads to.
    fs::write(folder.path().join(new_name()), "").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(new_name())).unwrap();
    sweep(folder.path());
    assert_eq!(count(folder.path()), others.len() + 2);
    assert!(elsewhere.path().is_dir());
    assert!(is_ours(&new_name()));
}

#[test]
fn sweeping_happens_at_the_first_request_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = left_behind(folder.path());
    sweep_once(folder.path());
    assert!(!first.exists());
    let second = left_behind(folder.path());
    sweep_once(folder.path());
    assert!(second.exists());
}

#[test]
fn an_entry_that_is_swept_before_it_is_locked_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (made, held) = (Cell::new(0), Cell::new(None));
    let make = |path: &Path| {
        fs::create_dir(path)?;
        made.set(made.get() + 1);
        match made.get() {
            // Somebody has swept it already.
            1 => sweep(folder.path()),
            // Somebody is about to.
            2 => held.set(lock(path)?),
            _ => {}
        }
        Ok(())
    };
    let entry = Entry::create(folder.path(), make, late()).unwrap();
    assert_eq!(made.get(), 3);
    assert!(entry.path.is_dir());
    sweep(folder.path());
    assert!(entry.path.is_dir());
}

#[test]
fn no_name_is_used_twice() {
    let names: BTreeSet<String> = (0..1000).map(|_| new_name()).collect();
    assert_eq!(names.len(), 1000);
}

#[test]
fn report_data_is_written_in_one_piece_of_64_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let entry = Entry::of_somebody(folder.path(), late());
    fs::write(folder.path().join("inblob"), "").unwrap();
    entry.write_report_data(&ReportData([7; 64])).unwrap();
    assert_eq!(fs::read(folder.path().join("inblob")).unwrap(), [7; 64]);
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_hop() {
    let folder = tempfile::tempdir().unwrap();
    let entry = Entry::of_somebody(folder.path(), late());
    for (name, fault) in [
        ("provider", entry.read_line("provider").unwrap_err()),
        ("inblob", entry.write_report_data(&ReportData([7; 64])).unwrap_err()),
        ("outblob", entry.read_quote().unwrap_err()),
    ] {
        let ProviderError::Io { hop: Hop::Configfs, fault } = fault else { panic!("{fault}") };
        assert!(fault.contains(name), "{fault}");
    }
}

#[test]
fn a_line_that_is_no_text_or_longer_than_a_page_is_refused_and_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let entry = Entry::of_somebody(folder.path(), late());
    let read = |content: &[u8]| {
        fs::write(folder.path().join("provider"), content).unwrap();
        entry.read_line("provider")
    };
    assert_eq!(read(b"tdx_guest\n").unwrap(), "tdx_guest");
    assert_eq!(read(&[b'x'; LINE_BYTES]).unwrap().len(), LINE_BYTES);
    for content in [&[b'x'; LINE_BYTES + 1][..], b"\xff\n"] {
        assert!(matches!(read(content), Err(ProviderError::Io { .. })));
    }
}

#[test]
fn nothing_is_read_after_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("provider"), "tdx_guest\n").unwrap();
    let entry = Entry::of_somebody(folder.path(), Deadline::after(Duration::ZERO));
    let told = entry.read_line("provider");
    assert!(matches!(told, Err(ProviderError::Deadline { hop: Hop::Configfs, .. })), "{told:?}");
}
