//! `tdattest sim td` and `tdattest sim qgs`, end to end: shells inside a simulated TD.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

mod simulated_td;

use std::fs;
use std::path::Path;
use std::process::Command;

use simulated_td::{Sandbox, TDATTEST, assert_code};

/// Asks for a quote as a shell does. The report data is 64 times `a`.
const ASK: &str = "set -e
e=/sys/kernel/config/tsm/report/shell
mkdir $e
printf '%064d' 0 | tr 0 a > $e/inblob
test $(cat $e/generation) = 1
cat $e/outblob > quote.dat || { rmdir $e; exit 9; }
rmdir $e";

/// Whether this process sees anything of a simulated TD where a TD has it.
fn is_visible() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut ours = mounts.lines().filter_map(|line| line.strip_prefix("tdattest-td "));
    ours.any(|place| place.starts_with("/sys") || place.starts_with("/dev"))
        || Path::new("/dev/tdx_guest").exists()
}

#[test]
fn a_quote_of_a_shell_in_the_td_verifies() {
    let Some(sandbox) = Sandbox::new("verifies") else { return };
    assert_code(&sandbox.inside(&[], ASK), 0);
    assert!(!is_visible());

    let verified = sandbox.verify("quote.dat", &["--report-data", &"61".repeat(64)]);
    assert_code(&verified, 0);
}

#[test]
fn everything_of_a_td_is_there_and_everything_else_still_is() {
    let Some(sandbox) = Sandbox::new("everything") else { return };
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
    let Some(sandbox) = Sandbox::new("exit_code") else { return };
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        assert_code(&sandbox.inside(&[], script), code);
    }
    let missing = sandbox.run(&["sim", "td", "--platform", "p", "--", "no-such-program"]);
    assert_code(&missing, 2);
    // Inside it there is another TD to hide, were it let.
    let again = format!("{} sim td --platform p -- true", TDATTEST);
    assert_code(&sandbox.inside(&[], &again), 3);
}

#[test]
fn faults_reach_the_command() {
    let Some(sandbox) = Sandbox::new("faults") else { return };
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
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("skipped: it takes root, who gives up a right with setpriv");
        return;
    }
    let Some(sandbox) = Sandbox::new("user_namespace") else { return };
    let mut command = sandbox.command("setpriv");
    command.args(["--bounding-set=-sys_admin", TDATTEST]);
    command.args(["sim", "td", "--platform", "p", "--", "sh", "-c", ASK]);
    assert_code(&command.output().unwrap(), 0);
}

#[test]
fn a_td_gets_its_quote_from_a_qgs_which_ends_on_a_signal() {
    let Some(sandbox) = Sandbox::new("qgs") else { return };
    let qgs = sandbox.qgs();
    assert_code(&sandbox.inside(&["--qgs", "unix:qgs.socket"], ASK), 0);
    assert!(fs::metadata(sandbox.0.join("quote.dat")).unwrap().len() > 1000);

    let (status, rest) = qgs.end();
    assert_eq!(status.code(), Some(0));
    assert!(!sandbox.0.join("qgs.socket").exists());
    assert!(rest.starts_with("quote of ") && rest.lines().count() == 1, "{rest}");
    assert!(rest.contains("for report data 6161616161616161..."), "{rest}");

    // Without it the TD learns that there is no quote, and no more.
    assert_code(&sandbox.inside(&["--qgs", "unix:qgs.socket"], ASK), 9);
}
