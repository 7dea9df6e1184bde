//! `tdattest sim td` and `tdattest sim qgs`, end to end: shells inside a simulated TD.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A time at which a simulated platform is valid.
const AT: &str = "2026-11-01T12:00:00Z";

/// Asks for a quote as a shell does. The report data is 64 times `a`.
const ASK: &str = "set -e
e=/sys/kernel/config/tsm/report/shell
mkdir $e
printf '%064d' 0 | tr 0 a > $e/inblob
test $(cat $e/generation) = 1
cat $e/outblob > quote.dat || { rmdir $e; exit 9; }
rmdir $e";

/// A folder with a platform `p` in it.
struct Sandbox(PathBuf);

impl Sandbox {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("td").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let sandbox = Self(folder);
        let made = sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]);
        assert_eq!(made.status.code(), Some(0), "{made:?}");
        sandbox
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_tdattest")).args(arguments).output().unwrap()
    }

    /// A shell inside the TD.
    fn inside(&self, options: &[&str], script: &str) -> Output {
        let inside = [&["sim", "td", "--platform", "p"], options, &["--", "sh", "-c", script]];
        self.run(&inside.concat())
    }
}

/// Whether a TD can be simulated here; says why not.
fn possible() -> bool {
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    if let Err(fault) = &fuse {
        eprintln!("skipped: /dev/fuse: {fault}");
    }
    fuse.is_ok()
}

/// Whether this process sees anything of a simulated TD where a TD has it.
fn is_visible() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut ours = mounts.lines().filter_map(|line| line.strip_prefix("tdattest-td "));
    ours.any(|place| place.starts_with("/sys") || place.starts_with("/dev"))
        || Path::new("/dev/tdx_guest").exists()
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_quote_of_a_shell_in_the_td_verifies() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new("verifies");
    assert_code(&sandbox.inside(&[], ASK), 0);
    assert!(!is_visible());

    let collateral = ["sim", "collateral", "--platform", "p", "--at", AT, "-o", "bundle.json"];
    assert_code(&sandbox.run(&collateral), 0);
    let report_data = "61".repeat(64);
    let verify = ["verify", "quote.dat", "--collateral", "bundle.json", "--root", "p/root.pem"];
    let verified =
        sandbox.run(&[&verify[..], &["--at", AT, "--report-data", &report_data]].concat());
    assert_code(&verified, 0);
}

#[test]
fn everything_of_a_td_is_there_and_everything_else_still_is() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new("everything");
    let run = sandbox.inside(
        &[],
        "set -e
test -f /dev/tdx_guest; test -c /dev/null; test -c /dev/fuse; echo x > /dev/null
for r in 0 1 2 3; do test $(wc -c < /sys/class/misc/tdx_guest/measurements/rtmr$r:sha384) = 48; done
test $(wc -c < /sys/firmware/acpi/tables/data/CCEL) = 65536
ls /sys/kernel /sys/devices/virtual/misc /dev > inside",
    );
    assert_code(&run, 0);
    let inside = fs::read_to_string(sandbox.0.join("inside")).unwrap();
    for folder in ["/sys/kernel", "/sys/devices/virtual/misc"] {
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(inside.lines().any(|line| line == name), "{folder}/{name}");
        }
    }
}

#[test]
fn the_command_decides_about_the_exit_code() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new("exit_code");
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        assert_code(&sandbox.inside(&[], script), code);
    }
    let missing = sandbox.run(&["sim", "td", "--platform", "p", "--", "no-such-program"]);
    assert_code(&missing, 2);
    // Inside it there is another TD to hide, were it let.
    let again = format!("{} sim td --platform p -- true", env!("CARGO_BIN_EXE_tdattest"));
    assert_code(&sandbox.inside(&[], &again), 3);
}

#[test]
fn faults_reach_the_command() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new("faults");
    assert_code(&sandbox.inside(&["--fault", "io"], ASK), 9);
    assert_code(&sandbox.inside(&["--fault", "empty"], ASK), 0);
    assert_eq!(fs::read(sandbox.0.join("quote.dat")).unwrap(), [0_u8; 0]);
    let refused =
        sandbox.inside(&["--fault", "mkdir-denied"], "mkdir /sys/kernel/config/tsm/report/x");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Permission denied"), "{refused:?}");
    assert_code(&sandbox.inside(&["--fault", "nonsense"], "true"), 2);
}

#[test]
fn without_the_rights_of_root_a_user_namespace_does() {
    let possible = possible() && Command::new("setpriv").arg("--version").output().is_ok();
    if !possible || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: root gives up a right with setpriv here");
        return;
    }
    let sandbox = Sandbox::new("user_namespace");
    let mut command = sandbox.command("setpriv");
    command.args(["--bounding-set=-sys_admin", env!("CARGO_BIN_EXE_tdattest")]);
    command.args(["sim", "td", "--platform", "p", "--", "sh", "-c", ASK]);
    assert_code(&command.output().unwrap(), 0);
}

/// `tdattest sim qgs`, killed when this is dropped.
struct Qgs(Child);

impl Drop for Qgs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_td_gets_its_quote_from_a_qgs_which_ends_on_a_signal() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new("qgs");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_tdattest"));
    command.args(["sim", "qgs", "--platform", "p", "--listen", "unix:qgs.socket"]);
    let mut qgs = Qgs(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut told = BufReader::new(qgs.0.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "listening at unix:qgs.socket\n");

    assert_code(&sandbox.inside(&["--qgs", "unix:qgs.socket"], ASK), 0);
    assert!(fs::metadata(sandbox.0.join("quote.dat")).unwrap().len() > 1000);

    let pid = Pid::from_child(&qgs.0);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(qgs.0.wait().unwrap().code(), Some(0));
    assert!(!sandbox.0.join("qgs.socket").exists());
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("quote of ") && rest.lines().count() == 1, "{rest}");
    assert!(rest.contains("for report data 6161616161616161..."), "{rest}");

    // Without it the TD learns that there is no quote, and no more.
    assert_code(&sandbox.inside(&["--qgs", "unix:qgs.socket"], ASK), 9);
}
