//! A simulated TD for the tests of one kind: a folder with a platform in it, and commands that run in a TD of that.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A time at which a simulated platform is valid.
pub(crate) const AT: &str = "2026-11-01T12:00:00Z";

pub(crate) const TDATTEST: &str = env!("CARGO_BIN_EXE_tdattest");

/// A folder with a platform `p` in it.
pub(crate) struct Sandbox(pub(crate) PathBuf);

impl Sandbox {
    /// Makes the folder anew; `None`, with the reason printed, where no TD can be simulated.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if let Err(reason) = possible() {
            eprintln!("skipped: {reason}");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("td").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let sandbox = Self(folder);
        let made = sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]);
        assert_eq!(made.status.code(), Some(0), "{made:?}");
        Some(sandbox)
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.0).stdin(Stdio::null()).env("TDATTEST", TDATTEST);
        command.env_remove("CLICOLOR_FORCE");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(TDATTEST).args(arguments).output().unwrap()
    }

    /// A shell inside the TD. `$TDATTEST` is the command.
    pub(crate) fn inside(&self, options: &[&str], script: &str) -> Output {
        let inside = [&["sim", "td", "--platform", "p"], options, &["--", "sh", "-c", script]];
        self.run(&inside.concat())
    }

    /// Verifies a quote with the platform's own collateral and root.
    pub(crate) fn verify(&self, quote: &str, expected: &[&str]) -> Output {
        if !self.0.join("bundle.json").exists() {
            let made = self.run(&[
                "sim",
                "collateral",
                "--platform",
                "p",
                "--at",
                AT,
                "-o",
                "bundle.json",
            ]);
            assert_code(&made, 0);
        }
        let verify = ["verify", quote, "--collateral", "bundle.json", "--root", "p/root.pem"];
        self.run(&[&verify[..], &["--at", AT], expected].concat())
    }

    /// A QGS of the platform, which listens at `qgs.socket`.
    pub(crate) fn qgs(&self) -> Qgs {
        let mut command = self.command(TDATTEST);
        command.args(["sim", "qgs", "--platform", "p", "--listen", "unix:qgs.socket"]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert_eq!(line, "listening at unix:qgs.socket\n");
        Qgs { process, told }
    }
}

/// Whether a TD can be simulated here, asked without any code of ours.
pub(crate) fn possible() -> Result<(), String> {
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    fuse.map_err(|fault| format!("/dev/fuse: {fault}"))?;
    let of_a_user: &[&str] = match rustix::process::geteuid().is_root() {
        true => &[],
        false => &["--user", "--map-root-user"],
    };
    let output = Command::new("unshare").args(of_a_user).args(["--mount", "true"]).output();
    let output = output.map_err(|fault| format!("unshare cannot be run: {fault}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("no namespaces: {told}")) }
}

/// `tdattest sim qgs`, killed when this is dropped.
pub(crate) struct Qgs {
    process: Child,
    told: BufReader<ChildStderr>,
}

impl Qgs {
    /// Ends it with a signal: how it ended, and what it told since it listens.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

impl Drop for Qgs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", error_of(output));
}

/// What it said on standard error.
pub(crate) fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
