//! Through an entry of configfs-tsm that somebody else has made.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat};
use tdattest_attester::wire::Fixed as _;
use tdattest_attester::wire::bytes::ReportData;
use tdattest_attester::{Hop, Paths, ProviderError};
use tdattest_simulator::{Format, Platform, QuoteDraft, Seed};
use tdx_attest::machine::{Machine as _, Taken, Td, Way};

const DATA: ReportData = ReportData([3; 64]);

/// A TDREPORT for the report data.
fn taken() -> Taken {
    taken_for(DATA)
}

fn taken_for(report_data: ReportData) -> Taken {
    let mut report = Vec::new();
    Platform::new(Seed::of("shared entry")).launch_td().report(report_data).write(&mut report);
    Taken { report_data, report: report.try_into().unwrap() }
}

fn minted(data: ReportData) -> Vec<u8> {
    let platform = Platform::new(Seed::of("shared entry"));
    let at = "2026-11-01T00:00:00Z".parse().unwrap();
    QuoteDraft::new(&platform, Format::V4_TD_1_0, data, at).unwrap().mint().unwrap()
}

/// An entry as configfs-tsm has it, except that nobody is behind it. `inblob` is a pipe, so that whoever stands in for
/// the kernel need not look at it again and again.
fn entry(home: &Path) -> PathBuf {
    let entry = home.join("entry");
    fs::create_dir(&entry).unwrap();
    fs::write(entry.join("provider"), "tdx_guest\n").unwrap();
    fs::write(entry.join("generation"), "5\n").unwrap();
    fs::write(entry.join("outblob"), "").unwrap();
    mknodat(CWD, entry.join("inblob"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    entry
}

/// The kernel's part: takes the report data, gives this quote, counts to this generation.
fn kernel(entry: &Path, quote: Vec<u8>, generation: &'static str) -> JoinHandle<[u8; 64]> {
    let entry = entry.to_owned();
    thread::spawn(move || {
        let mut taken = [0; 64];
        File::open(entry.join("inblob")).unwrap().read_exact(&mut taken).unwrap();
        answer(&entry, quote, generation);
        taken
    })
}

/// Gives this quote, and counts to this generation.
fn answer(entry: &Path, quote: Vec<u8>, generation: &str) {
    fs::write(entry.join("outblob"), quote).unwrap();
    fs::write(entry.join("new"), generation).unwrap();
    fs::rename(entry.join("new"), entry.join("generation")).unwrap();
}

fn td(home: &Path, entry: &Path) -> Td {
    let td = Td::new(Paths::below(home)).with_environment(Some(entry.into()), None);
    td.with_deadline(Duration::from_secs(30))
}

#[test]
fn a_named_entry_gives_the_quote_and_stays() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    let kernel = kernel(&entry, minted(DATA), "6\n");
    let quote = td(home.path(), &entry).quote(Way::Configfs, &taken()).unwrap();
    assert_eq!(kernel.join().unwrap(), DATA.0);
    assert_eq!(quote, minted(DATA));
    assert!(entry.join("inblob").exists());
}

#[test]
fn two_who_ask_at_once_take_turns_and_each_get_their_own() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    // For reading and writing, so that neither closes it for the other.
    let mut pipe = File::options().read(true).write(true).open(entry.join("inblob")).unwrap();
    let kernels = entry.clone();
    thread::spawn(move || {
        for generation in ["6\n", "7\n"] {
            let mut report_data = [0; 64];
            pipe.read_exact(&mut report_data).unwrap();
            answer(&kernels, minted(ReportData(report_data)), generation);
        }
    });
    thread::scope(|scope| {
        for byte in [1, 2] {
            let td = td(home.path(), &entry);
            scope.spawn(move || {
                let data = ReportData([byte; 64]);
                let quote = td.quote(Way::Configfs, &taken_for(data)).unwrap();
                assert_eq!(quote, minted(data));
            });
        }
    });
}

#[test]
fn somebody_else_in_the_entry_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    let kernel = kernel(&entry, minted(DATA), "7\n");
    let refused = td(home.path(), &entry).quote(Way::Configfs, &taken());
    assert_eq!(refused, Err(ProviderError::Generation { expected: 6, found: "7".into() }));
    kernel.join().unwrap();
}

#[test]
fn an_empty_quote_and_a_quote_for_others_are_refused() {
    let other = ReportData([4; 64]);
    let cases =
        [(Vec::new(), ProviderError::Empty), (minted(other), ProviderError::OtherReportData)];
    for (quote, expected) in cases {
        let home = tempfile::tempdir().unwrap();
        let entry = entry(home.path());
        let kernel = kernel(&entry, quote, "6\n");
        assert_eq!(td(home.path(), &entry).quote(Way::Configfs, &taken()), Err(expected));
        kernel.join().unwrap();
    }
}

#[test]
fn a_folder_that_never_counts_is_not_waited_for_without_end() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    fs::remove_file(entry.join("inblob")).unwrap();
    fs::write(entry.join("inblob"), "").unwrap();
    let impatient = td(home.path(), &entry).with_deadline(Duration::from_millis(20));
    let refused = impatient.quote(Way::Configfs, &taken());
    assert_eq!(refused, Err(ProviderError::Generation { expected: 6, found: "5".into() }));
}

#[test]
fn a_lock_that_is_never_given_back_is_not_waited_for_without_end() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    fs::remove_file(entry.join("inblob")).unwrap();
    let mut inblob = File::create(entry.join("inblob")).unwrap();
    inblob.write_all(b"theirs").unwrap();
    flock(&inblob, FlockOperation::LockExclusive).unwrap();
    let impatient = td(home.path(), &entry).with_deadline(Duration::from_millis(20));
    let refused = impatient.quote(Way::Configfs, &taken());
    assert_eq!(refused, Err(ProviderError::Busy { hop: Hop::Configfs }));
    assert_eq!(fs::read(entry.join("inblob")).unwrap(), b"theirs");
}

#[test]
fn an_entry_of_another_tee_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let entry = entry(home.path());
    fs::write(entry.join("provider"), "sev_guest\n").unwrap();
    let refused = td(home.path(), &entry).quote(Way::Configfs, &taken());
    assert_eq!(refused, Err(ProviderError::OtherTee("sev_guest".into())));
}

#[test]
fn a_named_entry_that_is_not_there_gives_way_to_nothing() {
    let home = tempfile::tempdir().unwrap();
    // The usual place is there, and must not be used instead.
    let paths = Paths::below(home.path());
    fs::create_dir_all(&paths.tsm_report).unwrap();
    let missing = home.path().join("missing");
    for name in [missing.as_os_str(), "".as_ref()] {
        let td = Td::new(paths.clone()).with_environment(Some(name.into()), None);
        let refused = td.quote(Way::Configfs, &taken());
        let is_io = matches!(refused, Err(ProviderError::Io { hop: Hop::Configfs, .. }));
        assert!(is_io, "{refused:?}");
    }
    assert_eq!(fs::read_dir(&paths.tsm_report).unwrap().count(), 0);
}
