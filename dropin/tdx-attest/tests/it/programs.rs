//! C programs without a TD: what they are told, with no device, with one that gives no TDREPORT, and of registers.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};

use crate::c_compiler::build;

/// What a TD-less namespace is made of: empty `/dev` and `/etc`, and then what the test puts there.
const EMPTY: &str = "mount -t tmpfs none /dev && mount -t tmpfs none /etc && ";

/// Runs a program of `home` in a mount namespace that `prepare` has changed; `None` with a reason if there are none here.
fn in_namespace(home: &Path, prepare: &str, command: &str) -> Option<Output> {
    let unshare = |script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .current_dir(home)
            .env("LD_LIBRARY_PATH", home.join("lib"))
            .output()
    };
    match unshare(&format!("{EMPTY} true")) {
        Ok(probe) if probe.status.success() => {}
        Ok(probe) => {
            eprintln!("skipped: no namespaces: {}", String::from_utf8_lossy(&probe.stderr));
            return None;
        }
        Err(fault) => {
            eprintln!("skipped: unshare cannot be run: {fault}");
            return None;
        }
    }
    Some(unshare(&format!("{EMPTY} {prepare} exec {command}")).unwrap())
}

fn assert_silent_success(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{}: {text}", output.status);
    assert!(output.stdout.is_empty(), "the library prints nothing");
}

#[test]
fn every_status_without_a_device_is_intels() {
    let home = tempfile::tempdir().unwrap();
    let program = build("without_td", home.path());
    if Path::new("/dev/tdx_guest").exists() {
        eprintln!("not run as it is: this machine has a guest device");
    } else {
        let library = home.path().join("lib");
        let run = Command::new(program).arg("10").env("LD_LIBRARY_PATH", library).output();
        assert_silent_success(&run.unwrap());
    }
    if let Some(output) = in_namespace(home.path(), "", "./without_td 10") {
        assert_silent_success(&output);
    }
}

#[test]
fn a_device_that_gives_no_report_is_told_before_any_configuration_is_read() {
    let home = tempfile::tempdir().unwrap();
    build("without_td", home.path());
    for config in ["", "port=4050", "port=70000", "Port: 1", "\\\\0\\\\377", "# port=1"] {
        let prepare =
            format!(": > /dev/tdx_guest && printf '{config}\\n' > /etc/tdx-attest.conf && ");
        let Some(output) = in_namespace(home.path(), &prepare, "./without_td 5") else { return };
        assert_silent_success(&output);
    }
}

#[test]
fn a_device_that_cannot_be_opened_is_a_device_failure() {
    let home = tempfile::tempdir().unwrap();
    build("without_td", home.path());
    // Neither missing nor forbidden: a folder, and a link to itself.
    for prepare in ["mkdir /dev/tdx_guest &&", "ln -s tdx_guest /dev/tdx_guest &&"] {
        let Some(output) = in_namespace(home.path(), prepare, "./without_td 10") else { return };
        assert_silent_success(&output);
    }
}

/// The lines that `in_td` prints of registers 2 and 3.
fn extended(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().filter(|line| line.starts_with("extend")).map(str::to_owned).collect()
}

#[test]
fn registers_are_extended_where_the_environment_says_and_the_kernels_refusal_has_its_status() {
    let home = tempfile::tempdir().unwrap();
    build("in_td", home.path());
    let registers = home.path().join("registers");
    fs::create_dir(&registers).unwrap();
    fs::write(registers.join("rtmr2:sha384"), [0; 48]).unwrap();
    // Writing no number there is EINVAL, as is extending a register that the TDX module does not know.
    std::os::unix::fs::symlink("/proc/self/oom_score_adj", registers.join("rtmr3:sha384")).unwrap();
    let output = Command::new(home.path().join("in_td"))
        .env("LD_LIBRARY_PATH", home.path().join("lib"))
        .env("DCAP_TDX_RTMR_SYSFS_PATH", &registers)
        .output();
    assert_eq!(extended(&output.unwrap()), ["extend 2: 0", "extend 3: 11"]);
    assert_eq!(fs::read(registers.join("rtmr2:sha384")).unwrap(), [1; 48]);
}

#[test]
fn registers_without_a_file_need_a_device_that_knows_them() {
    let home = tempfile::tempdir().unwrap();
    build("in_td", home.path());
    let elsewhere = "env DCAP_TDX_RTMR_SYSFS_PATH=/nowhere ./in_td";
    let Some(output) = in_namespace(home.path(), "", elsewhere) else { return };
    assert_eq!(extended(&output), ["extend 2: 10", "extend 3: 10"]);
    let prepare = ": > /dev/tdx_guest &&";
    let Some(output) = in_namespace(home.path(), prepare, elsewhere) else { return };
    assert_eq!(extended(&output), ["extend 2: 6", "extend 3: 6"]);
}

#[test]
fn the_reason_of_each_failure_is_told_in_syslog() {
    let home = tempfile::tempdir().unwrap();
    build("in_td", home.path());
    let socket = home.path().join("log");
    let syslog = UnixDatagram::bind(&socket).unwrap();
    syslog.set_nonblocking(true).unwrap();
    let prepare = format!("ln -s '{}' /dev/log &&", socket.display());
    let command = "env DCAP_TDX_RTMR_SYSFS_PATH=/nowhere ./in_td";
    let Some(output) = in_namespace(home.path(), &prepare, command) else { return };
    assert!(output.stderr.is_empty(), "{output:?}");
    let calls = ["get_report", "get_quote", "extend", "extend"];
    for call in calls {
        let mut line = [0; 1024];
        let length = syslog.recv(&mut line).unwrap();
        let line = String::from_utf8_lossy(&line[..length]);
        let reason = format!("libtdx_attest: tdx_att_{call}: /dev/tdx_guest: ");
        assert!(line.contains(&reason), "{line}");
    }
    assert!(syslog.recv(&mut [0; 1024]).is_err(), "one line a failure");
}
