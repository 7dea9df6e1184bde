//! An entry on a plain folder: what the kernel would show is written into it beforehand.

use std::collections::VecDeque;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// A folder with an entry in it, which the folder's end removes.
struct Prepared {
    folder: tempfile::TempDir,
    entry: Arc<Entry>,
}

fn prepared(files: &[(&str, &[u8])]) -> Prepared {
    let folder = tempfile::tempdir().unwrap();
    let entry = Entry::create(folder.path()).unwrap();
    for (name, content) in files {
        fs::write(entry.path.join(name), content).unwrap();
    }
    Prepared { folder, entry: Arc::new(entry) }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(5))
}

fn late() -> Deadline {
    Deadline::after(Deadline::DEFAULT)
}

#[test]
fn entries_are_each_requests_own_and_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<Entry> = (0..8).map(|_| Entry::create(folder.path()).unwrap()).collect();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8);
    drop(entries);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn another_tees_configfs_is_named() {
    assert_eq!(prepared(&[("provider", b"tdx_guest\n")]).entry.require_tdx(), Ok(()));
    for other in ["sev_guest", "tdx_guest_sim", ""] {
        let prepared = prepared(&[("provider", other.as_bytes())]);
        assert_eq!(prepared.entry.require_tdx(), Err(ProviderError::OtherTee(other.into())));
    }
}

#[test]
fn a_generation_other_than_one_is_somebody_elses_write() {
    assert_eq!(prepared(&[("generation", b"1\n")]).entry.require_generation(), Ok(()));
    for other in ["0", "2", "01", "", "one"] {
        let prepared = prepared(&[("generation", other.as_bytes())]);
        let refused = Err(ProviderError::Generation { expected: 1, found: other.into() });
        assert_eq!(prepared.entry.require_generation(), refused);
    }
}

#[test]
fn report_data_is_written_in_one_piece_of_64_bytes() {
    let prepared = prepared(&[("inblob", b"")]);
    prepared.entry.write_report_data(&ReportData([7; 64])).unwrap();
    assert_eq!(fs::read(prepared.entry.path.join("inblob")).unwrap(), [7; 64]);
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_hop() {
    let prepared = prepared(&[]);
    let faults = [
        ("provider", prepared.entry.require_tdx().unwrap_err()),
        ("inblob", prepared.entry.write_report_data(&ReportData([7; 64])).unwrap_err()),
        (
            "outblob",
            read_patiently(&late(), || read_once(&prepared.entry, &late()), no_wait).unwrap_err(),
        ),
    ];
    for (name, fault) in faults {
        let ProviderError::Io { hop: Hop::Configfs, fault } = fault else { panic!("{fault}") };
        assert!(fault.contains(name), "{fault}");
    }
}

#[test]
fn a_quote_is_read_whole_and_one_beyond_the_limit_is_not_read_for_ever() {
    let quote = vec![7; 100_000];
    let read = prepared(&[("outblob", &quote)]);
    assert_eq!(read_once(&read.entry, &late()).unwrap(), quote);
    let endless = vec![7; limits::QUOTE_BYTES * 2];
    let read = prepared(&[("outblob", &endless)]);
    let length = read_once(&read.entry, &late()).unwrap().len();
    assert!(length > limits::QUOTE_BYTES && length < endless.len(), "{length}");
}

#[test]
fn a_kernel_that_does_not_answer_costs_no_more_than_the_deadline_and_its_entry_goes_later() {
    let Prepared { folder, entry } = prepared(&[]);
    let path = entry.path.clone();
    let outblob = path.join("outblob");
    // Whoever opens it to read waits until somebody opens it to write.
    mknodat(CWD, &outblob, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let deadline = soon();
    let waited = read_patiently(&deadline, || read_once(&entry, &deadline), no_wait);
    assert_eq!(waited, Err(timed_out(&deadline)));
    // The reader is still there, so the entry is not removed, and nobody waits for that.
    drop(entry);
    assert!(path.is_dir());
    let writer = OpenOptions::new().write(true).open(&outblob).unwrap();
    fs::remove_file(&outblob).unwrap();
    drop(writer);
    while path.is_dir() {
        thread::yield_now();
    }
    drop(folder);
}

fn no_wait(_: Duration) {}

fn busy() -> TryAgain {
    TryAgain::Yes(ProviderError::Busy { hop: Hop::Configfs })
}

#[test]
fn a_busy_host_is_asked_again_after_pauses_that_grow_to_a_bound() {
    let mut answers: VecDeque<_> = (0..9).map(|_| Err(busy())).chain([Ok(vec![7])]).collect();
    let mut pauses = Vec::new();
    let read = read_patiently(&late(), || answers.pop_front().unwrap(), |pause| pauses.push(pause));
    assert_eq!(read, Ok(vec![7]));
    let milliseconds: Vec<u128> = pauses.iter().map(Duration::as_millis).collect();
    assert_eq!(milliseconds, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
}

#[test]
fn a_host_that_stays_busy_is_given_up_before_the_deadline() {
    let mut pauses = 0;
    let read = read_patiently(&soon(), || Err(busy()), |_| pauses += 1);
    assert_eq!(read, Err(ProviderError::Busy { hop: Hop::Configfs }));
    assert_eq!(pauses, 0, "the first pause would outlast the deadline");
}

#[test]
fn a_final_fault_is_not_asked_again() {
    let fault = ProviderError::Io { hop: Hop::Configfs, fault: "EIO".into() };
    let mut tries = 0;
    let read = read_patiently(
        &late(),
        || {
            tries += 1;
            Err(TryAgain::No(fault.clone()))
        },
        no_wait,
    );
    assert_eq!((read, tries), (Err(fault.clone()), 1));
}
