//! `tdattest channel`, `rtmr`, `quote` and `report` on plain files and against a scripted QGS.
#![cfg(target_os = "linux")]
mod samples;
mod schema;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;

use samples::{Run, Sandbox};
use schema::Schema;
use sha2::{Digest as _, Sha384};
use tdattest_verifier::wire::bytes::Measurement;
use tdattest_verifier::wire::event_log::{Event, EventLog, write_header};
use tdattest_verifier::wire::qgs::{MessageType, QgsError, QuoteResponse};

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new("in_a_td"));

/// A folder of its own for a test, with four registers of zeros.
struct Root(String);

impl Root {
    fn new(name: &str) -> Self {
        for index in 0..4 {
            SANDBOX.write(&format!("{name}/{}", register(index)), [0; 48]);
        }
        Self(name.into())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        SANDBOX.run(&[arguments, &["--root", &self.0]].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        SANDBOX.path().join(&self.0).join(name)
    }
}

fn register(index: u8) -> String {
    format!("sys/devices/virtual/misc/tdx_guest/measurements/rtmr{index}:sha384")
}

/// One error, perhaps rows, and one hint at the end.
fn assert_unavailable(run: &Run, error: &str, hint: &str) {
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.starts_with(&format!("error: {error}")), "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap();
    assert!(last.starts_with("hint: ") && last.contains(hint), "{}", run.stderr);
    assert_eq!(run.stderr.matches("hint: ").count(), 1, "{}", run.stderr);
}

#[test]
fn what_cannot_be_had_leaves_no_file_and_replaces_none() {
    let root = Root::new("nothing");
    fs::write(root.path("kept"), "before").unwrap();
    for command in ["quote", "report"] {
        for file in ["new", "kept"] {
            let path = root.path(file);
            let run = root.run(&[command, "-o", path.to_str().unwrap()]);
            assert_unavailable(&run, "no ", "run it inside a TD");
        }
    }
    assert!(!root.path("new").exists());
    assert_eq!(fs::read(root.path("kept")).unwrap(), b"before");
    let run = root.run(&["quote"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
}

#[test]
fn the_ways_are_tried_in_the_order_that_is_asked_for() {
    let root = Root::new("order");
    let run = root.run(&["quote", "--provider", "ioctl,unix:s,configfs,vsock:1:2"]);
    let ways: Vec<&str> = run
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert_eq!(ways, ["ioctl", "unix:s", "configfs", "vsock:1:2"]);
}

#[test]
fn a_stale_configuration_is_explained_and_the_other_ways_are_tried() {
    let root = Root::new("stale");
    fs::create_dir_all(root.path("etc")).unwrap();
    fs::write(root.path("etc/tdx-attest.conf"), "Port=4050\n").unwrap();
    let run = root.run(&["quote"]);
    assert!(
        run.stderr.contains("line 1 of stale/etc/tdx-attest.conf is no port"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("  ioctl"), "{}", run.stderr);
    fs::write(root.path("etc/tdx-attest.conf"), "port=70000\n").unwrap();
    let run = root.run(&["quote", "--provider", "vsock"]);
    assert_unavailable(&run, "no quote can be had here", "tdattest channel");
}

#[test]
fn devices_that_are_no_guest_devices_are_told_apart() {
    let root = Root::new("devices");
    fs::create_dir_all(root.path("dev")).unwrap();
    fs::write(root.path("dev/tdx-guest"), "").unwrap();
    assert_unavailable(&root.run(&["report"]), "no TDREPORT can be had here", "newer kernel");
    fs::write(root.path("dev/tdx_guest"), "").unwrap();
    let run = root.run(&["report"]);
    assert_unavailable(&run, "no TDREPORT can be had here", "newer kernel");
    assert!(run.stderr.contains("GET_REPORT0"), "{}", run.stderr);
}

#[test]
fn a_folder_that_is_no_configfs_leaves_no_entry() {
    let root = Root::new("no_configfs");
    fs::create_dir_all(root.path("sys/kernel/config/tsm/report")).unwrap();
    let run = root.run(&["quote", "--provider", "configfs"]);
    assert_unavailable(&run, "no quote can be had here", "");
    assert_eq!(fs::read_dir(root.path("sys/kernel/config/tsm/report")).unwrap().count(), 0);
}

#[test]
fn what_intels_client_would_do_is_said_for_every_kind_of_file() {
    let root = Root::new("show");
    fs::create_dir_all(root.path("etc")).unwrap();
    let shown = |text: Option<&str>| {
        match text {
            Some(text) => fs::write(root.path("etc/tdx-attest.conf"), text).unwrap(),
            None => assert!(!root.path("etc/tdx-attest.conf").exists()),
        }
        let run = root.run(&["channel", "show"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        run.stdout
    };
    for (text, expected) in [
        (None, &["(not there)", "port            none\n", "uses no vsock"][..]),
        (Some(""), &["port            none\n", "uses no vsock"]),
        (Some("# x\nport=4050\n"), &["4050 (line 2)", "asks the QGS", "dev/vsock is not there"]),
        (Some("port=0\n"), &["0 (line 1)", "nobody can listen"]),
        (Some("port:4050\n"), &["none: line 1 is nearly a port", "uses no vsock"]),
        (Some("port=65536\nport=4050\n"), &["line 1 says 65536", "uses no vsock"]),
    ] {
        let shown = shown(text);
        for part in expected {
            assert!(shown.contains(part), "{text:?}: expected {part}\n{shown}");
        }
    }
}

#[test]
fn a_port_is_set_once_in_place_with_the_permissions_kept() {
    let root = Root::new("set");
    fs::create_dir_all(root.path("etc")).unwrap();
    let path = root.path("etc/tdx-attest.conf");
    fs::write(&path, "# mine\nport = 1\nlast").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(root.run(&["channel", "set", "--port", "4050"]).code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nport=4050\nlast");
    let written = fs::metadata(&path).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o640);
    let again = root.run(&["channel", "set", "--port", "4050"]);
    assert!(again.stdout.contains("is set already"), "{}", again.stdout);
    assert_eq!(fs::metadata(&path).unwrap().ino(), written.ino(), "nothing was written");
    assert_eq!(root.run(&["channel", "unset"]).code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nlast");
    assert!(root.run(&["channel", "unset"]).stdout.starts_with("no port is set"));
    assert_eq!(fs::read_dir(root.path("etc")).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn a_line_that_is_nearly_a_port_is_kept_and_warned_of() {
    let root = Root::new("nearly");
    fs::write(root.path("conf"), "PORT=1\n").unwrap();
    let run = root.run(&["channel", "unset", "--config", "nearly/conf"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.starts_with("warning: line 1 looks like a port"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(root.path("conf")).unwrap(), "PORT=1\n");
}

#[test]
fn a_configuration_that_cannot_be_read_or_written_is_misuse_and_leaves_nothing() {
    let root = Root::new("unwritable");
    for (config, error) in [
        ("unwritable/none/conf", "error: cannot write `unwritable/none/conf`: "),
        ("unwritable", "error: cannot read `unwritable`: "),
        ("/dev/full", "error: cannot read `/dev/full`: "),
    ] {
        let run = root.run(&["channel", "set", "--port", "4050", "--config", config]);
        assert_eq!(run.code, Some(2), "{config}");
        assert!(run.stderr.starts_with(error), "{}", run.stderr);
    }
    assert!(!root.path("none").exists());
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        return;
    }
    fs::create_dir_all(root.path("etc")).unwrap();
    fs::set_permissions(root.path("etc"), fs::Permissions::from_mode(0o500)).unwrap();
    let run = root.run(&["channel", "set", "--port", "4050"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(fs::read_dir(root.path("etc")).unwrap().count(), 0);
}

/// `channel test` with the sample's TDREPORT, against a service that does what the script says once it has the request.
fn test_channel(name: &str, script: impl FnOnce(UnixStream) + Send + 'static) -> Run {
    let socket = SANDBOX.path().join(name);
    let listener = UnixListener::bind(&socket).unwrap();
    let service = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.read_exact(&mut [0; 1052]).unwrap();
        script(stream);
    });
    let qgs = format!("unix:{name}");
    let arguments = ["channel", "test", "--report", "td_report", "--timeout", "0.5", "--qgs"];
    let run = SANDBOX.run(&[&arguments[..], &[&qgs]].concat());
    service.join().unwrap();
    run
}

fn answered(name: &str, bytes: Vec<u8>) -> Run {
    test_channel(name, move |mut stream| stream.write_all(&bytes).unwrap())
}

/// The hops that it says are fine, and the one that failed.
fn hops(run: &Run) -> (usize, Option<String>) {
    let lines = || run.stdout.lines().filter_map(|line| line.strip_prefix("  "));
    let failed = lines().find_map(|line| line.strip_suffix("failed"));
    let passed = lines().filter(|line| line.ends_with("ok")).count();
    (passed, failed.map(|hop| hop.trim().to_owned()))
}

#[test]
fn a_channel_that_works_says_so_hop_by_hop() {
    let quote = SANDBOX.read("tdx_quote");
    let run = answered("q1", QuoteResponse { selected_id: &[], quote: &quote }.write());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(hops(&run), (6, None));
    assert!(
        run.stdout.ends_with(&format!("{} bytes, 70 of them padding\n", quote.len())),
        "{}",
        run.stdout
    );
}

#[test]
fn a_channel_that_fails_names_the_hop() {
    let refused = QgsError::UNEXPECTED.write(MessageType::QuoteResponse);
    let other = QuoteResponse { selected_id: &[], quote: &SANDBOX.read("sgx_quote") }.write();
    let no_quote = QuoteResponse { selected_id: &[], quote: b"no quote" }.write();
    for (name, answer, passed, hop, hint) in [
        ("q2", refused, 4, "QGS", "journalctl"),
        ("q3", Vec::new(), 3, "receive", "gave up"),
        ("q4", b"HTTP/1.1 400 Bad Request".to_vec(), 3, "receive", "no QGS"),
        ("q5", no_quote, 5, "quote", "no QGS"),
        ("q6", other, 5, "quote", "do not use"),
    ] {
        let run = answered(name, answer);
        assert_unavailable(&run, "no quote can be had from unix:", hint);
        assert_eq!(hops(&run), (passed, Some(hop.to_owned())), "{}", run.stderr);
    }
    // Never answers: until the client goes.
    let run = test_channel("q7", |mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_unavailable(&run, "no quote can be had from unix:q7: waiting for the QGS", "--timeout");
    assert_eq!(hops(&run), (3, Some("receive".into())));
}

/// RTMR after one extension.
fn extended(register: [u8; 48], digest: [u8; 48]) -> [u8; 48] {
    Sha384::new().chain_update(register).chain_update(digest).finalize().into()
}

#[test]
fn logs_that_explain_the_registers_match_and_one_more_extension_does_not() {
    let root = Root::new("explained");
    let digest: [u8; 48] = Sha384::digest(b"boot").into();
    let mut ccel = Vec::new();
    write_header(&mut ccel);
    Event { register: 1, kind: 5, digest: Some(Measurement(digest)), data: b"boot" }
        .write(&mut ccel);
    ccel.extend_from_slice(&[0xff; 4096]);
    SANDBOX.write("explained/sys/firmware/acpi/tables/data/CCEL", ccel);
    fs::write(root.path(&register(0)), extended([0; 48], digest)).unwrap();
    assert_eq!(root.run(&["rtmr", "extend", "--index", "3", "--event", "app 1.0"]).code, Some(0));
    let app: [u8; 48] = Sha384::digest(b"app 1.0").into();
    // A plain file keeps what was written; here is what the CPU would make of it.
    assert_eq!(fs::read(root.path(&register(3))).unwrap(), app);
    fs::write(root.path(&register(3)), extended([0; 48], app)).unwrap();
    let log = root.run(&["rtmr", "log"]);
    assert_eq!(log.code, Some(0), "{}\n{}", log.stdout, log.stderr);
    assert_eq!(log.stdout.matches("matches the register").count(), 4, "{}", log.stdout);
    assert!(log.stdout.contains("EV_ACTION") && log.stdout.contains("app 1.0"), "{}", log.stdout);
    let json = root.run(&["rtmr", "log", "--json"]).json();
    assert_eq!(
        (json["events"][1]["log"].as_str(), json["events"][1]["rtmr"].as_u64()),
        (Some("run time"), Some(3))
    );
    assert_eq!(json["rtmrs"][3]["matches"], true);
    assert_eq!(Schema::read("event-log.json").faults(&json), Vec::<String>::new());

    fs::write(root.path(&register(2)), [1; 48]).unwrap();
    let log = root.run(&["rtmr", "log"]);
    assert_eq!((log.code, log.stdout.matches("differs: ").count()), (Some(1), 1));
    assert_eq!(root.run(&["rtmr", "log", "--json"]).json()["rtmrs"][2]["matches"], false);

    fs::remove_file(root.path(&register(2))).unwrap();
    let json = root.run(&["rtmr", "log", "--json"]).json();
    assert_eq!(json["rtmrs"][2]["matches"], serde_json::Value::Null);
    assert_eq!(Schema::read("event-log.json").faults(&json), Vec::<String>::new());
}

#[test]
fn registers_are_read_for_people_and_scripts() {
    let root = Root::new("read");
    fs::write(root.path(&register(2)), [0xab; 48]).unwrap();
    let text = root.run(&["rtmr", "read"]).stdout;
    assert_eq!(text.lines().nth(2), Some(format!("RTMR2  {}", "ab".repeat(48)).as_str()));
    let json = root.run(&["rtmr", "read", "--json"]).json();
    assert_eq!(
        (json["source"].as_str(), json["rtmrs"][2].as_str()),
        (Some("sysfs"), Some("ab".repeat(48).as_str()))
    );
    assert_eq!(Schema::read("rtmrs.json").faults(&json), Vec::<String>::new());
}

#[test]
fn a_file_and_a_digest_are_measured_as_what_they_are() {
    let root = Root::new("measured");
    SANDBOX.write("measured/app.toml", "x = 1\n");
    let digest: [u8; 48] = Sha384::digest(b"x = 1\n").into();
    let file = root.run(&[
        "rtmr",
        "extend",
        "--index",
        "2",
        "--data-file",
        "measured/app.toml",
        "--log",
        "measured/log",
    ]);
    assert_eq!(file.code, Some(0), "{}", file.stderr);
    let hex = "cd".repeat(48);
    let given =
        root.run(&["rtmr", "extend", "--index", "3", "--digest", &hex, "--log", "measured/log"]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    let bytes = fs::read(root.path("log")).unwrap();
    let events = EventLog::parse(&bytes).unwrap().events;
    assert_eq!((events[0].digest.unwrap().0, events[0].data), (digest, &b"measured/app.toml"[..]));
    assert_eq!((events[1].digest.unwrap().0, events[1].data), ([0xcd; 48], &b""[..]));
    assert!(!root.path("run").exists());
}

#[test]
fn a_log_that_is_none_is_neither_shown_nor_appended_to() {
    let root = Root::new("damaged");
    fs::write(root.path("log"), "no log").unwrap();
    let shown = root.run(&["rtmr", "log", "--log", "damaged/log"]);
    assert_eq!(shown.code, Some(2));
    assert!(
        shown.stderr.starts_with("error: the run time log cannot be read: "),
        "{}",
        shown.stderr
    );
    let run = root.run(&["rtmr", "extend", "--index", "3", "--event", "x", "--log", "damaged/log"]);
    assert_unavailable(
        &run,
        "RTMR3 cannot be extended: damaged/log: cannot be appended to",
        "--log",
    );
    assert_eq!(fs::read(root.path("log")).unwrap(), b"no log");
    assert_eq!(fs::read(root.path(&register(3))).unwrap(), [0; 48]);
}
