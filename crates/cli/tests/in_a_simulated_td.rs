//! `tdattest quote` and `tdattest report` in a simulated TD: every way to a quote, and everything that can go wrong there.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped")]

mod simulated_td;

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use simulated_td::{Sandbox, TDATTEST, assert_code, error_of};
use tdattest_simulator::folder;
use tdattest_simulator::qgs_server::QgsServer;
use tdattest_verifier::wire::quote::Quote;
use vsock::{VMADDR_CID_ANY, VMADDR_CID_LOCAL, VsockListener, VsockStream};

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// Asks for a quote in a TD, and verifies it outside.
fn assert_verified(sandbox: &Sandbox, options: &[&str], provider: &str) {
    let _ = fs::remove_file(sandbox.0.join("quote.dat"));
    let ask = format!("$TDATTEST quote --provider {provider} --nonce {NONCE} -o quote.dat");
    let asked = sandbox.inside(options, &ask);
    assert_code(&asked, 0);
    assert!(error_of(&asked).contains(&format!("obtained by  {provider}\n")), "{asked:?}");
    let verified = sandbox.verify("quote.dat", &["--nonce", NONCE]);
    assert_code(&verified, 0);
    let text = String::from_utf8(verified.stdout).unwrap();
    assert!(text.ends_with("\nVerification completed successfully.\n"), "{text}");
    let other = sandbox.verify("quote.dat", &["--nonce", &"ff".repeat(16)]);
    assert_code(&other, 1);
}

#[test]
fn a_quote_verifies_whether_it_came_over_configfs_or_a_unix_socket() {
    let Some(sandbox) = Sandbox::new("ways") else { return };
    let _qgs = sandbox.qgs();
    for (options, provider) in [
        (&[][..], "configfs"),
        (&["--qgs", "unix:qgs.socket"], "configfs"),
        (&["--qgs", "unix:qgs.socket"], "unix:qgs.socket"),
    ] {
        assert_verified(&sandbox, options, provider);
    }
}

#[test]
fn a_quote_verifies_when_it_came_over_vsock() {
    let listener = match vsock_loopback() {
        Ok(listener) => listener,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let Some(sandbox) = Sandbox::new("vsock") else { return };
    let _qgs = sandbox.qgs();
    let port = listener.local_addr().unwrap().port();
    let socket = sandbox.0.join("qgs.socket");
    // Ends with this process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            relay(stream.unwrap(), &socket).unwrap();
        }
    });
    assert_verified(&sandbox, &[], &format!("vsock:{VMADDR_CID_LOCAL}:{port}"));
}

/// A listener that this very machine can reach over vsock, or why there is none.
fn vsock_loopback() -> Result<VsockListener, String> {
    const ANY_PORT: u32 = u32::MAX;
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, ANY_PORT)
        .map_err(|fault| format!("this kernel has no vsock: {fault}"))?;
    let port = listener.local_addr().map_err(|fault| fault.to_string())?.port();
    VsockStream::connect_with_cid_port(VMADDR_CID_LOCAL, port)
        .map_err(|fault| format!("this kernel has no vsock loopback: {fault}"))?;
    // The connection above is the first that would be accepted.
    listener.accept().map_err(|fault| fault.to_string())?;
    Ok(listener)
}

/// Carries a request to a Unix socket, and its answer back.
fn relay(mut client: VsockStream, socket: &Path) -> io::Result<()> {
    let mut service = UnixStream::connect(socket)?;
    let (mut requests, mut to_service) = (client.try_clone()?, service.try_clone()?);
    let request = thread::spawn(move || io::copy(&mut requests, &mut to_service));
    io::copy(&mut service, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)?;
    let _ = request.join();
    Ok(())
}

#[test]
fn processes_that_ask_at_once_each_get_their_own_quote() {
    let Some(sandbox) = Sandbox::new("at_once") else { return };
    let script = "
for round in 1 2 3 4; do
  $TDATTEST quote --report-data $(printf '%0128d' 0 | tr 0 a) -o a$round 2> a.err & a=$!
  $TDATTEST quote --report-data $(printf '%0128d' 0 | tr 0 b) -o b$round 2> b.err & b=$!
  wait $a || { cat a.err >&2; exit 8; }
  wait $b || { cat b.err >&2; exit 9; }
done
ls /sys/kernel/config/tsm/report > entries";
    assert_code(&sandbox.inside(&[], script), 0);
    for round in 1..=4 {
        for (name, byte) in [("a", 0xaa), ("b", 0xbb)] {
            let quote = fs::read(sandbox.0.join(format!("{name}{round}"))).unwrap();
            assert_eq!(Quote::parse(&quote).unwrap().body().report_data().0, [byte; 64]);
        }
    }
    assert_eq!(fs::read_to_string(sandbox.0.join("entries")).unwrap(), "");
}

/// It cannot be had here: exit code 3, one error that says this, one hint that says that, no data, and no file.
fn assert_unavailable(sandbox: &Sandbox, run: &Output, says: &str, remedy: &str) {
    assert_code(run, 3);
    let error = error_of(run);
    assert!(error.starts_with("error: no ") && error.contains(says), "expected {says}\n{error}");
    let hint = error.lines().last().and_then(|line| line.strip_prefix("hint: "));
    assert!(hint.is_some_and(|hint| hint.contains(remedy)), "expected {remedy}\n{error}");
    assert_eq!(error.matches("hint: ").count(), 1, "{error}");
    assert_eq!(run.stdout, b"", "{error}");
    assert_nothing_made(sandbox);
}

/// Neither the file asked for, nor a draft of it.
fn assert_nothing_made(sandbox: &Sandbox) {
    let names = fs::read_dir(&sandbox.0).unwrap().map(|entry| entry.unwrap().file_name());
    let made: Vec<_> =
        names.filter(|name| name.to_string_lossy().starts_with("quote.dat")).collect();
    assert_eq!(made, [""; 0]);
}

/// Little for what never ends, and else enough for any machine.
fn patience(fault: &str) -> &'static str {
    let endless =
        ["busy", "interrupted", "timed-out", "delay=3600", "hang", "slow=60", "paused=60"];
    if endless.contains(&fault) { "--timeout 1" } else { "" }
}

#[test]
fn each_fault_of_a_td_is_told_with_its_hop_and_its_remedy() {
    let Some(sandbox) = Sandbox::new("device_faults") else { return };
    // The fault, the first words of what became of configfs, and a part of what to do.
    for (fault, says, remedy) in [
        ("busy", "configfs-tsm: busy", "ask again in half a minute"),
        ("io", "configfs-tsm: /sys/kernel/config/tsm/report/", "check its QGS"),
        ("timed-out", "configfs-tsm: no answer within", "--timeout"),
        ("interrupted", "configfs-tsm: no answer within", "--timeout"),
        ("too-large", "configfs-tsm: /sys/kernel/config/tsm/report/", "check its QGS"),
        ("empty", "configfs-tsm: the quote is empty", "quote-generation-socket"),
        ("competing-writer", "configfs-tsm: generation is 2", "ask again"),
        ("delay=3600", "configfs-tsm: no answer within", "--timeout"),
        ("mkdir-denied", "/sys/kernel/config/tsm/report/", "run it as root"),
        ("no-provider", "not available here: configfs-tsm has no provider", "modprobe tdx_guest"),
        (
            "other-provider",
            "configfs-tsm: the provider is `sev_guest`",
            "another kind of confidential VM",
        ),
    ] {
        // By the usual ways: the others must not hide what is wrong with the one that is there.
        let ask = format!("$TDATTEST quote {} -o quote.dat", patience(fault));
        let asked = sandbox.inside(&["--fault", fault], &ask);
        assert_unavailable(&sandbox, &asked, &format!("\n  configfs  {says}"), remedy);
    }
    let old_kernel = "umount /sys/kernel/config/tsm/report && rmdir /sys/kernel/config/tsm/report";
    let asked = sandbox.inside(&[], &format!("{old_kernel} && $TDATTEST quote -o quote.dat"));
    let says = "\n  configfs  not available here: /sys/kernel/config/tsm/report is not there";
    assert_unavailable(&sandbox, &asked, says, "Linux 6.7 or later");
    let asked = sandbox.inside(&["--fault", "report"], "$TDATTEST report -o quote.dat");
    assert_unavailable(&sandbox, &asked, "no TDREPORT can be had here: /dev/tdx_guest: ", "dmesg");
    // What passes is waited for.
    for fault in ["busy,times=2", "interrupted,times=2", "timed-out,times=1"] {
        assert_code(&sandbox.inside(&["--fault", fault], "$TDATTEST quote > quote"), 0);
    }
}

#[test]
fn each_misbehaviour_of_a_qgs_is_told_with_its_hop_and_its_remedy() {
    let Some(sandbox) = Sandbox::new("qgs_faults") else { return };
    let platform = folder::open(&sandbox.0.join("p")).unwrap();
    let server = QgsServer::start(&platform, &sandbox.0.join("qgs.socket")).unwrap();
    let ask = "$TDATTEST quote --provider unix:qgs.socket -o quote.dat";
    let asked = |misbehaviour: &str| {
        server.misbehave(Some(misbehaviour.parse().unwrap()));
        sandbox.inside(&[], &format!("{ask} {}", patience(misbehaviour)))
    };
    for (misbehaviour, says, remedy) in [
        ("hang", "waiting for the QGS: no answer within", "--timeout"),
        ("slow=60", "waiting for the QGS: no answer within", "--timeout"),
        ("paused=60", "waiting for the QGS: no answer within", "--timeout"),
        ("garbage", "QGS: ", "no QGS of this protocol"),
        ("oversize", "QGS: ", "no QGS of this protocol"),
        ("unframed", "QGS: ", "no QGS of this protocol"),
        ("wrong-major", "QGS: ", "no QGS of this protocol"),
        ("empty-quote", "QGS: ", "no QGS of this protocol"),
        ("truncated-quote", "what came is no quote", "no QGS of this protocol"),
        ("close-after-request", "waiting for the QGS: it closed the connection", "the QGS gave up"),
        ("short-prefix", "waiting for the QGS: it closed the connection", "the QGS gave up"),
        ("close-after-prefix", "waiting for the QGS: it closed the connection", "the QGS gave up"),
        ("close-mid-body", "waiting for the QGS: it closed the connection", "the QGS gave up"),
        ("error", "QGS: ", "could not make the quote"),
        ("other-report-data", "the quote has other report data", "do not use that quote"),
    ] {
        let says = format!("\n  unix:qgs.socket  {says}");
        assert_unavailable(&sandbox, &asked(misbehaviour), &says, remedy);
        // Through the kernel the TD learns no more than that there is none.
        if misbehaviour == "error" {
            let qgs = ["--qgs", "unix:qgs.socket"];
            let asked = sandbox.inside(&qgs, "$TDATTEST quote --provider configfs -o quote.dat");
            assert_unavailable(&sandbox, &asked, "\n  configfs  configfs-tsm: ", "check its QGS");
        }
    }
    for misbehaviour in
        ["byte-by-byte", "paused=0", "wrong-minor", "selected-id", "trailing-bytes", "padded-quote"]
    {
        assert_code(&asked(misbehaviour), 0);
        fs::remove_file(sandbox.0.join("quote.dat")).unwrap();
    }
    drop(server);
    let says = "\n  unix:qgs.socket  connecting to the QGS: unix:qgs.socket: ";
    assert_unavailable(&sandbox, &sandbox.inside(&[], ask), says, "check that a QGS runs");
}

#[test]
fn a_vsock_port_where_nobody_listens_is_told_with_its_remedy() {
    let Some(sandbox) = Sandbox::new("no_vsock") else { return };
    let configured = "mount -t tmpfs none /etc && echo port=1 > /etc/tdx-attest.conf";
    for (provider, remedy) in [
        ("vsock:2:1", "check that a QGS listens on that port"),
        ("vsock", "the port in /etc/tdx-attest.conf leads nowhere"),
    ] {
        let ask = format!("{configured} && $TDATTEST quote --provider {provider} -o quote.dat");
        let says = "  connecting to the QGS: vsock:2:1: ";
        assert_unavailable(&sandbox, &sandbox.inside(&[], &ask), says, remedy);
    }
    // It does not keep anybody from the ways that work.
    let asked = sandbox.inside(&[], &format!("{configured} && $TDATTEST quote -o quote.dat"));
    assert_code(&asked, 0);
}

#[test]
fn a_user_who_may_not_is_told_what_would_let_him() {
    let Some(sandbox) = Sandbox::new("not_root") else { return };
    const AS_NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups $TDATTEST";
    let nobody = sandbox.inside(&[], &format!("{AS_NOBODY} --version"));
    if !nobody.status.success() {
        eprintln!("skipped: nobody else can be asked to run it: {}", error_of(&nobody));
        return;
    }
    let asked = sandbox.inside(&[], &format!("{AS_NOBODY} quote -o quote.dat"));
    let says = "\n  configfs  /sys/kernel/config/tsm/report/";
    assert_unavailable(&sandbox, &asked, says, "run it as root");
    let asked = sandbox.inside(&[], &format!("{AS_NOBODY} report -o quote.dat"));
    let says = "no TDREPORT can be had here: /dev/tdx_guest: permission denied";
    assert_unavailable(&sandbox, &asked, says, "udev rule");
}

#[test]
fn a_full_disk_is_misuse_and_leaves_no_file() {
    let Some(sandbox) = Sandbox::new("full") else { return };
    // A quote has more than one page, a TDREPORT is less than that: hence no room at all for the second.
    for (command, prepare) in [("quote", "true"), ("report", "head -c 4096 /dev/zero > small/rest")]
    {
        let script = format!(
            "mkdir -p small && mount -t tmpfs -o size=4k none small && {prepare}
$TDATTEST {command} -o small/file.dat; code=$?; rm -f small/rest; ls -A small > left; exit $code"
        );
        let run = sandbox.inside(&[], &script);
        assert_code(&run, 2);
        let error = error_of(&run);
        assert!(error.starts_with("error: cannot write `small/file.dat`: "), "{error}");
        assert!(error.contains("\nhint: nothing was written"), "{error}");
        assert_eq!(fs::read_to_string(sandbox.0.join("left")).unwrap(), "");
        for destination in ["-o /dev/full", "> /dev/full"] {
            let run = sandbox.inside(&[], &format!("$TDATTEST {command} {destination}"));
            assert_code(&run, 2);
            assert!(error_of(&run).starts_with("error: cannot write "), "{}", error_of(&run));
        }
    }
}

#[test]
fn report_data_of_another_length_is_misuse_before_anything_is_asked() {
    let Some(sandbox) = Sandbox::new("lengths") else { return };
    for command in ["quote", "report"] {
        for wrong in ["--report-data 00", "--nonce 00", "--data-file none"] {
            let ask = format!("$TDATTEST {command} {wrong} -o quote.dat");
            let run = sandbox.inside(&["--fault", "no-provider", "--fault", "report"], &ask);
            assert_code(&run, 2);
            assert!(error_of(&run).starts_with("error: "), "{}", error_of(&run));
            assert_nothing_made(&sandbox);
        }
        for length in [0, 63, 65, 128] {
            let hex = "ab".repeat(length);
            let ask = format!("$TDATTEST {command} --report-data '{hex}' -o quote.dat");
            assert_code(&sandbox.inside(&[], &ask), 2);
            assert_nothing_made(&sandbox);
        }
    }
}

#[test]
fn without_a_device_the_command_says_that_this_is_no_td() {
    let Some(sandbox) = Sandbox::new("no_device") else { return };
    fs::create_dir(sandbox.0.join("empty")).unwrap();
    for (command, says) in [("quote", "\n  configfs  not available here"), ("report", "not there")]
    {
        let mut outside = Command::new(TDATTEST);
        outside.args([command, "--root", "empty", "-o", "quote.dat"]).current_dir(&sandbox.0);
        assert_unavailable(&sandbox, &outside.output().unwrap(), says, "TD");
    }
}
