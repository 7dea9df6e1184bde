//! Registers and the log of what extended them, on plain files: both change, or none does.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tdattest_attester::wire::bytes::Measurement;
use tdattest_attester::wire::event_log::EventLog;
use tdattest_attester::{
    Deadline, Measuring, Paths, ReportError, RtmrError, extend_and_log, run_time_log,
};

fn home() -> (tempfile::TempDir, Paths) {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::below(home.path());
    fs::create_dir_all(&paths.measurements).unwrap();
    for index in 0..4 {
        fs::write(paths.measurements.join(format!("rtmr{index}:sha384")), [0; 48]).unwrap();
    }
    (home, paths)
}

fn measure(paths: &Paths, index: u8, byte: u8) -> Result<(), RtmrError> {
    let digest = Measurement([byte; 48]);
    let measuring = Measuring { index, digest, kind: 5, data: &[byte; 10] };
    extend_and_log(paths, &measuring, &Deadline::after(Deadline::DEFAULT))
}

fn logged(paths: &Paths) -> Option<Vec<u8>> {
    run_time_log(paths, &Deadline::after(Deadline::DEFAULT)).unwrap().map(|log| log.bytes)
}

#[test]
fn what_extends_a_register_is_in_the_log() {
    let (_home, paths) = home();
    assert_eq!(logged(&paths), None);
    measure(&paths, 2, 1).unwrap();
    measure(&paths, 3, 2).unwrap();
    let bytes = logged(&paths).unwrap();
    let log = EventLog::parse(&bytes).unwrap();
    assert_eq!(log.length, bytes.len());
    let events: Vec<_> =
        log.events.iter().map(|event| (event.rtmr(), event.digest.unwrap().0[0])).collect();
    assert_eq!(events, [(Some(2), 1), (Some(3), 2)]);
    assert_eq!(log.events[0].data, [1; 10]);
    assert_eq!(fs::read(paths.measurements.join("rtmr3:sha384")).unwrap(), [2; 48]);
}

#[test]
fn no_register_means_no_log() {
    let (_home, paths) = home();
    assert_eq!(measure(&paths, 4, 1), Err(RtmrError::NoSuchRegister(4)));
    fs::remove_dir_all(&paths.measurements).unwrap();
    let refused = measure(&paths, 2, 1);
    assert!(matches!(refused, Err(RtmrError::Report(ReportError::NoDevice(_)))), "{refused:?}");
    assert!(!paths.event_log.exists());
}

#[test]
fn an_entry_whose_extension_failed_is_taken_back() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    let before = fs::read(&paths.event_log).unwrap();
    let register = paths.measurements.join("rtmr2:sha384");
    fs::remove_file(&register).unwrap();
    std::os::unix::fs::symlink("/dev/full", &register).unwrap();
    let refused = measure(&paths, 2, 2);
    assert!(
        matches!(&refused, Err(RtmrError::Io { path, .. }) if *path == register),
        "{refused:?}"
    );
    assert_eq!(fs::read(&paths.event_log).unwrap(), before);
}

#[test]
fn a_log_that_cannot_be_written_leaves_the_register_as_it_was() {
    let (_home, paths) = home();
    fs::create_dir_all(paths.event_log.parent().unwrap()).unwrap();
    for damage in [&b"no log"[..], &[0; 100]] {
        fs::write(&paths.event_log, damage).unwrap();
        let refused = measure(&paths, 2, 1);
        assert!(matches!(refused, Err(RtmrError::Log { .. })), "{refused:?}");
        assert_eq!(fs::read(&paths.event_log).unwrap(), damage);
    }
    fs::remove_file(&paths.event_log).unwrap();
    std::os::unix::fs::symlink("/dev/full", &paths.event_log).unwrap();
    let refused = measure(&paths, 2, 1);
    assert!(matches!(refused, Err(RtmrError::Log { .. })), "{refused:?}");
    assert_eq!(fs::read(paths.measurements.join("rtmr2:sha384")).unwrap(), [0; 48]);
}

#[test]
fn a_log_that_breaks_off_is_not_appended_to() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    let whole = fs::read(&paths.event_log).unwrap();
    fs::write(&paths.event_log, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(measure(&paths, 2, 2), Err(RtmrError::Log { .. })));
    // Padding would end the log for every reader, and what comes after it would be lost.
    fs::write(&paths.event_log, [&whole[..], &[0; 16]].concat()).unwrap();
    assert!(matches!(measure(&paths, 2, 2), Err(RtmrError::Log { .. })));
}

#[test]
fn a_lock_that_somebody_keeps_costs_no_more_than_the_deadline() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    let holder = fs::File::open(&paths.event_log).unwrap();
    flock(&holder, FlockOperation::LockExclusive).unwrap();
    let measuring = Measuring { index: 2, digest: Measurement([2; 48]), kind: 5, data: b"" };
    let deadline = Deadline::after(Duration::from_millis(5));
    let refused = extend_and_log(&paths, &measuring, &deadline);
    assert!(
        matches!(&refused, Err(RtmrError::Log { fault, .. }) if fault.contains("lock")),
        "{refused:?}"
    );
    assert_eq!(fs::read(paths.measurements.join("rtmr2:sha384")).unwrap(), [1; 48]);
}

#[test]
fn readers_share_the_lock_and_keep_registers_from_being_extended() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    let soon = || Deadline::after(Duration::from_millis(5));
    let readers = [(); 2].map(|()| run_time_log(&paths, &soon()).unwrap().unwrap());
    let measuring = Measuring { index: 2, digest: Measurement([2; 48]), kind: 5, data: b"" };
    let refused = extend_and_log(&paths, &measuring, &soon());
    assert!(matches!(refused, Err(RtmrError::Log { .. })), "{refused:?}");
    assert_eq!(fs::read(paths.measurements.join("rtmr2:sha384")).unwrap(), [1; 48]);
    drop(readers);
    extend_and_log(&paths, &measuring, &Deadline::after(Deadline::DEFAULT)).unwrap();
}

#[test]
fn a_log_that_is_being_written_is_not_read() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    let writer = fs::File::open(&paths.event_log).unwrap();
    flock(&writer, FlockOperation::LockExclusive).unwrap();
    let refused = run_time_log(&paths, &Deadline::after(Duration::from_millis(5)));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn the_log_is_its_owners_alone() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    assert_eq!(fs::metadata(&paths.event_log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_log_that_is_moved_away_is_begun_anew() {
    let (_home, paths) = home();
    measure(&paths, 2, 1).unwrap();
    fs::rename(&paths.event_log, paths.event_log.with_extension("rotated")).unwrap();
    measure(&paths, 2, 2).unwrap();
    let bytes = logged(&paths).unwrap();
    assert_eq!(EventLog::parse(&bytes).unwrap().events.len(), 1);
}

#[test]
fn many_at_once_lose_no_entry_and_tear_none() {
    let (_home, paths) = home();
    std::thread::scope(|scope| {
        for byte in 0..32 {
            let paths = &paths;
            scope.spawn(move || measure(paths, 2, byte).unwrap());
        }
    });
    let bytes = logged(&paths).unwrap();
    let log = EventLog::parse(&bytes).unwrap();
    let mut seen: Vec<u8> = log.events.iter().map(|event| event.digest.unwrap().0[0]).collect();
    // The plain file keeps the last that was written: the last of the log.
    let last = fs::read(paths.measurements.join("rtmr2:sha384")).unwrap();
    assert_eq!(seen.last(), last.first());
    seen.sort_unstable();
    assert_eq!(seen, (0..32).collect::<Vec<u8>>());
}
