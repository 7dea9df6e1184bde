//! A C program written for Intel's `libtdx_attest`, built against our header and library, in a simulated TD.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

mod simulated_td;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest as _, Sha384};
use simulated_td::{Sandbox, assert_code, error_of};

/// The program, where `Sandbox::inside` has its shell.
const IN_TD: &str = "LD_LIBRARY_PATH=lib ./in_td";

/// What it prints where everything works.
const ALL_IS_WELL: &str = "report: 0
bound: 1
quote: 0
bound: 1
key id: 1
count key ids: 0
list key ids: 0
known: 1
extend 2: 0
extend 3: 0
";

/// A folder with a platform, the program, and the library that this test run was built with, laid out as installed.
fn sandbox(name: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::new(name)?;
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join("libtdx_attest.so");
    let lib = sandbox.0.join("lib");
    fs::create_dir(&lib).unwrap();
    fs::copy(library, lib.join("libtdx_attest.so.1")).unwrap();
    symlink("libtdx_attest.so.1", lib.join("libtdx_attest.so")).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "in_td"]);
    compiler.arg(dropin("tests/c/in_td.c")).arg("-I").arg(dropin("include"));
    let built = compiler.args(["-L", "lib", "-ltdx_attest"]).current_dir(&sandbox.0).output();
    assert_code(&built.unwrap(), 0);
    Some(sandbox)
}

fn dropin(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dropin/tdx-attest").join(path)
}

fn told(run: &Output) -> &str {
    assert_code(run, 0);
    assert_eq!(error_of(run), "", "the library prints nothing");
    std::str::from_utf8(&run.stdout).unwrap()
}

/// The status of one of the calls.
fn status<'t>(told: &'t str, call: &str) -> &'t str {
    let status = told.lines().find_map(|line| line.strip_prefix(call)?.strip_prefix(": "));
    status.unwrap_or_else(|| panic!("no {call} in {told}"))
}

#[test]
fn everything_that_a_td_offers_works_and_the_quote_verifies() {
    let Some(sandbox) = sandbox("c_program") else { return };
    let script = format!(
        "cd /sys/devices/virtual/misc/tdx_guest/measurements && cat rtmr2:sha384 rtmr3:sha384 > $OLDPWD/before
cd $OLDPWD && {IN_TD} quote.dat
cd /sys/devices/virtual/misc/tdx_guest/measurements && cat rtmr2:sha384 rtmr3:sha384 > $OLDPWD/after"
    );
    let run = sandbox.inside(&[], &script);
    assert_eq!(told(&run).replace("written: 1\n", ""), ALL_IS_WELL);

    let report_data: String = (1..=64).map(|byte| format!("{byte:02x}")).collect();
    let verified = sandbox.verify("quote.dat", &["--report-data", &report_data]);
    assert_code(&verified, 0);
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(text.ends_with("\nVerification completed successfully.\n"), "{text}");

    let registers = |name| fs::read(sandbox.0.join(name)).unwrap();
    let extended = |register: &[u8]| Sha384::new().chain_update(register).chain_update([1; 48]);
    let expected: Vec<u8> =
        registers("before").chunks(48).flat_map(|register| extended(register).finalize()).collect();
    assert_eq!(registers("after"), expected);
}

#[test]
fn two_at_once_share_an_entry_that_the_administrator_made() {
    let Some(sandbox) = sandbox("c_program_entry") else { return };
    let _qgs = sandbox.qgs();
    let script = format!(
        "mkdir $REPORTS/theirs && export DCAP_TDX_QUOTE_CONFIGFS_PATH=$REPORTS/theirs
{IN_TD} > first & first=$!
{IN_TD} > second & second=$!
wait $first && wait $second && ls $REPORTS > entries"
    )
    .replace("$REPORTS", "/sys/kernel/config/tsm/report");
    let run = sandbox.inside(&["--qgs", "unix:qgs.socket"], &script);
    assert_eq!(told(&run), "");
    for (file, expected) in
        [("first", ALL_IS_WELL), ("second", ALL_IS_WELL), ("entries", "theirs\n")]
    {
        assert_eq!(fs::read_to_string(sandbox.0.join(file)).unwrap(), expected, "{file}");
    }
}

#[test]
fn each_fault_of_a_td_has_its_status() {
    let Some(sandbox) = sandbox("c_program_faults") else { return };
    // The fault, and the statuses of a report and of a quote.
    for (fault, report, quote) in [
        ("report", "5", "5"),
        ("io", "0", "8"),
        ("too-large", "0", "8"),
        ("empty", "0", "8"),
        ("other-provider", "0", "8"),
        ("mkdir-denied", "0", "8"),
        // The way that is left is GET_QUOTE, which this driver does not know.
        ("no-provider", "0", "8"),
        ("competing-writer", "0", "9"),
        // What passes is waited for.
        ("busy,times=2", "0", "0"),
        ("timed-out,times=1", "0", "0"),
        ("interrupted,times=2", "0", "0"),
    ] {
        let run = sandbox.inside(&["--fault", fault], IN_TD);
        let told = told(&run);
        let found = [status(told, "report"), status(told, "quote")];
        assert_eq!(found, [report, quote], "{fault}");
        assert_eq!(status(told, "extend 2"), "0", "{fault}");
    }
}

#[test]
fn what_this_td_does_not_have_has_its_status() {
    let Some(sandbox) = sandbox("c_program_lacks") else { return };
    let statuses = |prepare: &str, prefix: &str| {
        let run = sandbox.inside(&[], &format!("{prepare} {prefix} {IN_TD}"));
        let told = told(&run);
        ["report", "quote", "extend 2"].map(|call| status(told, call).parse::<u8>().unwrap())
    };
    // Nobody listens at port 1 of the host, and a port that is configured is the only way.
    let configured = "mount -t tmpfs none /etc && echo port=1 > /etc/tdx-attest.conf &&";
    assert_eq!(statuses(configured, ""), [0, 4, 0]);
    // Without the files of the registers they are the device's, and EXTEND_RTMR does not cross FUSE.
    assert_eq!(statuses("", "DCAP_TDX_RTMR_SYSFS_PATH=/nowhere"), [0, 0, 6]);
    let old_kernel =
        "umount /sys/kernel/config/tsm/report && rmdir /sys/kernel/config/tsm/report &&";
    assert_eq!(statuses(old_kernel, ""), [0, 8, 0]);
    assert_eq!(statuses("umount /dev/tdx_guest && rm /dev/tdx_guest &&", ""), [10, 10, 0]);
}
