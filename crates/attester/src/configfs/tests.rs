//! The exchange with a stand-in for the kernel: an entry's files are pipes, and a thread is behind them.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

const FILES: [&str; 4] = ["provider", "inblob", "generation", "outblob"];

/// Makes an entry whose files block until somebody is behind them.
fn make_pipes(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    for name in FILES {
        mknodat(CWD, path.join(name), FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    }
    Ok(())
}

/// Opens a pipe to write, as soon as somebody reads.
fn writer(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

fn remove_files(entry: &Path) {
    FILES.iter().for_each(|name| fs::remove_file(entry.join(name)).unwrap());
}

/// What the kernel does with an entry, once: the quote is the report data over and over.
fn serve(entry: &Path, generations: [&str; 2]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    writer(&entry.join("provider")).write_all(b"tdx_guest\n").unwrap();
    let mut report_data = Vec::new();
    File::open(entry.join("inblob")).unwrap().read_to_end(&mut report_data).unwrap();
    writer(&entry.join("generation")).write_all(generations[0].as_bytes()).unwrap();
    let mut outblob = writer(&entry.join("outblob"));
    let quoting = ONE_AT_A_TIME.lock().unwrap();
    outblob.write_all(&report_data.repeat(100)).unwrap();
    drop((quoting, outblob));
    let mut last = writer(&entry.join("generation"));
    // Before the client has the last of it and removes the entry, which a plain folder must be empty for.
    remove_files(entry);
    last.write_all(generations[1].as_bytes()).unwrap();
}

/// Asks a kernel that counts like this.
fn ask(
    folder: &Path,
    report_data: u8,
    generations: [&'static str; 2],
) -> Result<Vec<u8>, ProviderError> {
    let make = move |path: &Path| {
        make_pipes(path)?;
        let entry = path.to_owned();
        thread::spawn(move || serve(&entry, generations));
        Ok(())
    };
    ask_through(folder, make, report_data, late())
}

fn ask_through(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<()> + Send + 'static,
    report_data: u8,
    deadline: Deadline,
) -> Result<Vec<u8>, ProviderError> {
    let (folder, report_data) = (folder.to_owned(), ReportData([report_data; 64]));
    made_aside(&deadline, move || in_new_entry(&folder, make, &report_data, deadline))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

fn late() -> Deadline {
    Deadline::after(Deadline::DEFAULT)
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_quote_comes_through_an_entry_that_is_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(ask(folder.path(), 7, ["1\n", "1\n"]), Ok(vec![7; 6400]));
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn many_at_once_each_get_their_own() {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for number in 0..16 {
            let folder = folder.path();
            scope.spawn(move || {
                assert_eq!(ask(folder, number, ["1\n", "1\n"]), Ok(vec![number; 6400]));
            });
        }
    });
    assert_eq!(count(folder.path()), 0);
}

#[test]
fn a_generation_other_than_one_is_somebody_elses_write() {
    for other in ["0", "2", "01", "", "one"] {
        let refused = Err(ProviderError::Generation { expected: 1, found: other.into() });
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ask(folder.path(), 7, ["1\n", other]), refused);
        // Already before the quote is asked for.
        let make = move |path: &Path| {
            fs::create_dir(path)?;
            fs::write(path.join("provider"), "tdx_guest\n")?;
            fs::write(path.join("inblob"), "")?;
            fs::write(path.join("generation"), other)
        };
        assert_eq!(ask_through(folder.path(), make, 7, late()), refused);
    }
}

#[test]
fn another_tees_configfs_is_named() {
    for other in ["sev_guest", "tdx_guest_sim", ""] {
        let folder = tempfile::tempdir().unwrap();
        let make = move |path: &Path| {
            fs::create_dir(path)?;
            fs::write(path.join("provider"), format!("{other}\n"))
        };
        let refused = ask_through(folder.path(), make, 7, late());
        assert_eq!(refused, Err(ProviderError::OtherTee(other.into())));
    }
}

/// Asks in vain until the deadline, and says which entry was made; `None` on a machine too busy to make one by then.
fn entry_asked_in_vain(
    folder: &Path,
    deadline: Deadline,
    make: impl Fn(&Path) -> io::Result<()> + Send + 'static,
    meanwhile: impl FnOnce(),
) -> Option<PathBuf> {
    let (sender, made) = mpsc::channel();
    let make = move |path: &Path| {
        make(path)?;
        sender.send(path.to_owned()).unwrap();
        Ok(())
    };
    assert_eq!(ask_through(folder, make, 7, deadline), Err(timed_out(&deadline)));
    meanwhile();
    made.recv().ok()
}

/// Longer and longer deadlines, for busy machines.
fn deadlines() -> impl Iterator<Item = Deadline> {
    (0..12).map(|exponent| Deadline::after(Duration::from_millis(20 << exponent)))
}

/// An entry in which nobody is behind this file, and those before it are as they should be.
fn make_blocking(path: &Path, blocking: &str) -> io::Result<()> {
    make_pipes(path)?;
    let contents = [("provider", "tdx_guest\n"), ("inblob", ""), ("generation", "1\n")];
    for (name, content) in contents.into_iter().take_while(|(name, _)| *name != blocking) {
        fs::remove_file(path.join(name))?;
        fs::write(path.join(name), content)?;
    }
    Ok(())
}

#[test]
fn a_kernel_that_blocks_anywhere_costs_no_more_than_the_deadline_and_the_entry_goes_later() {
    for blocking in FILES {
        let folder = tempfile::tempdir().unwrap();
        let make = move |path: &Path| make_blocking(path, blocking);
        let entry = deadlines()
            .find_map(|deadline| entry_asked_in_vain(folder.path(), deadline, make, || ()))
            .unwrap();
        assert!(entry.is_dir(), "{blocking}");

        // The kernel goes on at last, and so does whoever was left there: to an entry that is a plain folder, and empty.
        let pipe = folder.path().join("pipe");
        fs::rename(entry.join(blocking), &pipe).unwrap();
        FILES.iter().filter(|name| **name != blocking).for_each(|name| {
            fs::remove_file(entry.join(name)).unwrap();
        });
        while entry.is_dir() {
            // For reading and writing, which waits for nobody.
            drop(OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
            thread::yield_now();
        }
    }
}

#[test]
fn an_entry_that_is_made_too_late_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let made_too_late = |deadline| {
        let (go_on, blocked) = mpsc::channel::<()>();
        let make = move |path: &Path| {
            let _ = blocked.recv();
            fs::create_dir(path)
        };
        entry_asked_in_vain(folder.path(), deadline, make, || drop(go_on))
    };
    let entry = deadlines().find_map(made_too_late).unwrap();
    while entry.is_dir() {
        thread::yield_now();
    }
}

#[test]
fn what_mkdir_says_of_a_missing_provider_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |errno: Errno| ask_through(folder.path(), move |_| Err(errno.into()), 7, late());
    for errno in [Errno::NXIO, Errno::NODEV, Errno::OPNOTSUPP] {
        assert_eq!(refused(errno), Err(ProviderError::NoProvider), "{errno}");
    }
    assert!(matches!(refused(Errno::ACCESS), Err(ProviderError::Permission(_))));
    assert!(matches!(refused(Errno::IO), Err(ProviderError::Io { hop: Hop::Configfs, .. })));
}

#[test]
fn a_folder_that_is_not_there_is_no_configfs() {
    let folder = tempfile::tempdir().unwrap();
    let missing = ask(&folder.path().join("report"), 7, ["1\n", "1\n"]);
    assert!(matches!(missing, Err(ProviderError::Unavailable(_))), "{missing:?}");
}

/// Tries as long as these are the answers, and says after which pauses.
fn try_with(
    deadline: &Deadline,
    answers: impl IntoIterator<Item = Result<u8, Errno>>,
) -> (Result<u8, ProviderError>, Vec<u128>) {
    let mut answers: VecDeque<_> = answers.into_iter().collect();
    let mut pauses = Vec::new();
    let told = patiently(
        deadline,
        Path::new("outblob"),
        |_| answers.pop_front().unwrap().map_err(io::Error::from),
        |pause| pauses.push(pause.as_millis()),
    );
    (told, pauses)
}

#[test]
fn a_busy_host_is_asked_again_after_pauses_that_grow_to_a_bound() {
    for passing in [Errno::BUSY, Errno::INTR, Errno::TIMEDOUT] {
        let answers = [Err(passing); 9].into_iter().chain([Ok(7)]);
        let (told, pauses) = try_with(&late(), answers);
        assert_eq!(told, Ok(7));
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }
}

#[test]
fn a_host_that_stays_busy_is_given_up_before_the_deadline_and_signals_for_ever_are_the_deadlines_end()
 {
    let deadline = soon();
    let busy = ProviderError::Busy { hop: Hop::Configfs };
    for (passing, told) in [
        (Errno::BUSY, busy),
        (Errno::INTR, timed_out(&deadline)),
        (Errno::TIMEDOUT, timed_out(&deadline)),
    ] {
        // The first pause would outlast the deadline.
        assert_eq!(try_with(&deadline, [Err(passing)]), (Err(told), vec![]), "{passing}");
    }
}

#[test]
fn a_final_fault_is_not_asked_again_and_names_the_file() {
    let (told, pauses) = try_with(&late(), [Err(Errno::IO)]);
    let Err(ProviderError::Io { hop: Hop::Configfs, fault }) = told else { panic!("{told:?}") };
    assert!(fault.starts_with("outblob: "), "{fault}");
    assert_eq!(pauses, [0; 0]);
    assert_eq!(try_with(&late(), [Err(Errno::NXIO)]).0, Err(ProviderError::NoProvider));
}

#[test]
fn nothing_is_begun_after_the_deadline() {
    let over = Deadline::after(Duration::ZERO);
    assert_eq!(try_with(&over, []), (Err(timed_out(&over)), vec![]));
}

#[test]
fn a_quote_beyond_the_limit_is_neither_read_for_ever_nor_cut_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let limit = tdattest_wire::limits::QUOTE_BYTES;
    let make = move |path: &Path| {
        fs::create_dir(path)?;
        fs::write(path.join("provider"), "tdx_guest\n")?;
        fs::write(path.join("inblob"), "")?;
        fs::write(path.join("generation"), "1\n")?;
        fs::write(path.join("outblob"), vec![7; limit * 2])
    };
    let length = ask_through(folder.path(), make, 7, late()).unwrap().len();
    assert!(length > limit && length < limit * 2, "{length}");
}
