//! `tdattest qgs`: served, asked, reloaded, ended, and looked into.
#![cfg(target_os = "linux")]

mod samples;
mod schema;
mod simulated_td;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use samples::{Run, Sandbox};
use schema::Schema;
use serde_json::Value;
use simulated_td::{TDATTEST, assert_code};
use tdattest_simulator::folder;
use tdattest_simulator::pcs_server::PcsServer;
use tdattest_verifier::wire::Fixed as _;
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::qgs::{NoAnswer, PREFIX_BYTES, QgsError, QuoteResponse, Request};
use tdattest_verifier::wire::quote::Quote;

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// `tdattest qgs serve`, killed when this is dropped.
struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    /// The first line of the log: what it serves.
    serving: Value,
}

impl Server {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(TDATTEST);
        command.args(["qgs", "serve", "--log", "json"]).args(arguments).current_dir(folder);
        Self::run(command.stdin(Stdio::null()))
    }

    fn run(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut server = Self { process, log, serving: Value::Null };
        server.serving = server.line();
        // What it does without, it says first.
        while server.serving["level"] == "WARN" {
            server.serving = server.line();
        }
        assert_eq!(server.serving["message"], "serving", "{}", server.serving);
        server
    }

    /// The next line of the log.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line:?}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Its exit code after a signal.
    fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with a platform `p` in it.
fn sandbox(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("qgs_{name}"));
    let made = sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    sandbox
}

/// An empty configuration: not that of this machine.
const EMPTY: [&str; 2] = ["--config", "/dev/null"];

const SIMULATED: [&str; 8] = [
    EMPTY[0],
    EMPTY[1],
    "--platform",
    "p",
    "--listen",
    "unix:qgs.socket",
    "--status",
    "status.socket",
];

fn status(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["qgs", "status", "--socket", "status.socket"], more].concat())
}

/// Waits until so many workers have their context.
fn until_ready(sandbox: &Sandbox, count: usize) {
    loop {
        let json = status(sandbox, &["--json"]).json();
        let workers = json["workers"].as_array().unwrap();
        if workers.iter().filter(|worker| worker["state"] == "ready").count() == count {
            return;
        }
        thread::yield_now();
    }
}

/// A TDREPORT of the platform in a folder.
fn report(platform: &Path) -> Vec<u8> {
    folder::open(platform).unwrap().launch_td().report(ReportData([7; 64])).to_bytes().to_vec()
}

/// Asks for the quote of a report.
fn ask(sandbox: &Sandbox, report: &[u8]) -> Result<Vec<u8>, NoAnswer> {
    let mut stream = UnixStream::connect(sandbox.path().join("qgs.socket")).unwrap();
    stream.write_all(&Request::Quote { report, id_list: &[] }.write()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    QuoteResponse::parse(&answer[PREFIX_BYTES..]).map(|response| response.quote.to_vec())
}

#[test]
fn a_td_whose_host_runs_the_service_gets_quotes_that_verify() {
    let Some(sandbox) = simulated_td::Sandbox::new("qgs_serve") else { return };
    let _server = Server::start(&sandbox.0, &SIMULATED);
    for provider in ["configfs", "unix:qgs.socket"] {
        let ask = format!("$TDATTEST quote --provider {provider} --nonce {NONCE} -o quote.dat");
        assert_code(&sandbox.inside(&["--qgs", "unix:qgs.socket"], &ask), 0);
        let verified = sandbox.verify("quote.dat", &["--nonce", NONCE]);
        assert_code(&verified, 0);
        let text = String::from_utf8(verified.stdout).unwrap();
        assert!(text.ends_with("\nVerification completed successfully.\n"), "{text}");
        fs::remove_file(sandbox.0.join("quote.dat")).unwrap();
    }
}

#[test]
fn the_status_says_why_a_quote_was_refused() {
    let sandbox = sandbox("status");
    let _server = Server::start(sandbox.path(), &SIMULATED);
    let honest = report(&sandbox.path().join("p"));
    let quote = ask(&sandbox, &honest).unwrap();
    assert_eq!(Quote::parse(&quote).unwrap().body().report_data(), &ReportData([7; 64]));
    let mut forged = honest;
    forged[128] ^= 1;
    assert_eq!(ask(&sandbox, &forged), Err(NoAnswer::Refused(QgsError::INVALID_PARAMETER)));

    let json = status(&sandbox, &["--json"]).json();
    assert_eq!(Schema::read("qgs-status.json").faults(&json), Vec::<String>::new());
    assert_eq!(json["ready"], true);
    let failure = &json["failures"][0];
    assert_eq!((&failure["request"], &failure["asked"]), (&2.into(), &"quote".into()));
    let reason = &failure["reason"];
    assert_eq!((&reason["hop"], &reason["code"]), (&"report".into(), &"report.forged".into()));

    until_ready(&sandbox, 4);
    let text = status(&sandbox, &[]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    for part in
        ["state        ready", "4 ready", "report (report.forged): ", "hint: the TD must run"]
    {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    assert!(!status(&sandbox, &["--failures", "0"]).stdout.contains("report (report.forged)"));
}

#[test]
fn without_a_service_the_status_says_so() {
    let sandbox = sandbox("no_service");
    let run = status(&sandbox, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
    assert!(
        run.stderr.starts_with("error: no service answers at `status.socket`"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_signal_ends_it_and_leaves_no_socket() {
    let sandbox = sandbox("end");
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(sandbox.path(), &SIMULATED);
        assert!(sandbox.path().join("qgs.socket").exists());
        assert_eq!(server.end(signal), Some(0));
        assert!(!sandbox.path().join("qgs.socket").exists());
        assert!(!sandbox.path().join("status.socket").exists());
    }
}

#[test]
fn a_second_service_leaves_the_first_alone() {
    let sandbox = sandbox("second");
    let _server = Server::start(sandbox.path(), &SIMULATED);
    let second = sandbox.run(&[&["qgs", "serve"][..], &SIMULATED].concat());
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("a service listens there already"), "{}", second.stderr);
    assert!(ask(&sandbox, &report(&sandbox.path().join("p"))).is_ok());
}

#[test]
fn a_reload_takes_the_file_as_it_is_now_or_leaves_everything_as_it_was() {
    let sandbox = sandbox("reload");
    let write = |workers: &str| {
        let text = format!(
            "[unix]\npath = \"qgs.socket\"\nmode = \"0600\"\n[status]\npath = \"status.socket\"\n\
             [backend]\nkind = \"simulated\"\nplatform = \"p\"\n[workers]\ncount = {workers}\n"
        );
        sandbox.write("qgs.toml", text);
    };
    write("2");
    let mut server = Server::start(sandbox.path(), &["--config", "qgs.toml"]);
    let workers = || status(&sandbox, &["--json"]).json()["workers"].as_array().unwrap().len();
    assert_eq!(workers(), 2);
    write("3");
    server.signal(Signal::HUP);
    assert_eq!(server.line()["message"], "reloaded");
    assert_eq!(workers(), 3);
    write("0");
    server.signal(Signal::HUP);
    let line = server.line();
    let (message, cause) = (line["message"].as_str().unwrap(), line["cause"].as_str().unwrap());
    assert!(message.starts_with("not reloaded"), "{line}");
    assert!(cause.contains("line 10, column 9: 0, expected a number from 1 to 255"), "{line}");
    assert_eq!(workers(), 3);
    assert!(ask(&sandbox, &report(&sandbox.path().join("p"))).is_ok());
}

#[test]
fn a_socket_of_systemds_is_taken() {
    let sandbox = sandbox("activation");
    let listener = UnixListener::bind(sandbox.path().join("qgs.socket")).unwrap();
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$
        exec \"$TDATTEST\" qgs serve --config /dev/null --log json --platform p --status status.socket";
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("TDATTEST", TDATTEST).current_dir(sandbox.path());
    let server = Server::run(command.stdin(Stdio::from(OwnedFd::from(listener))));
    assert!(server.serving["listeners"].as_str().unwrap().ends_with("qgs.socket"));
    assert!(ask(&sandbox, &report(&sandbox.path().join("p"))).is_ok());
    assert_eq!(server.end(Signal::TERM), Some(0));
    // It is systemd's, and stays.
    assert!(sandbox.path().join("qgs.socket").exists());
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_its_place() {
    let sandbox = sandbox("wrong");
    for (name, text, says) in [
        ("own.toml", "[workers]\ncuont = 4\n", "line 2, column 1: unknown field `cuont`"),
        (
            "own.toml",
            "workers = 4\n",
            "line 1, column 11: invalid type: integer `4`, expected a section",
        ),
        ("qgs.conf", "port = 4050\nthreads = 4\n", "line 2, column 1: unknown key `threads`"),
    ] {
        sandbox.write(name, text);
        for command in ["serve", "check"] {
            let run = sandbox.run(&["qgs", command, "--config", name]);
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{name} {command}");
            assert!(run.stderr.contains(says), "{}", run.stderr);
        }
    }
    let run = sandbox.run(&["qgs", "serve", "--config", "none.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with("error: cannot read `none.toml`"), "{}", run.stderr);
    for address in ["tcp:1", "unix:", "vsock:0", "vsock:4294967295", "qgs.socket"] {
        let run = sandbox.run(&[&["qgs", "serve", "--listen", address], &EMPTY[..]].concat());
        assert_eq!(run.code, Some(2), "{address}");
        assert!(run.stderr.contains("expected unix:PATH or vsock:PORT"), "{}", run.stderr);
    }
    let run = sandbox.run(&[&["qgs", "serve", "--user", "no-such-user"][..], &SIMULATED].concat());
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.starts_with("error: there is no user no-such-user\nhint: "),
        "{}",
        run.stderr
    );
}

#[test]
fn a_check_finds_nothing_in_the_way_of_a_simulated_platform() {
    let sandbox = sandbox("check");
    others_may_enter(&sandbox, true);
    let with_metrics = [&SIMULATED[..], &["--metrics", "127.0.0.1:0"]].concat();
    let server = Server::start(sandbox.path(), &with_metrics);
    let metrics = server.serving["metrics"].as_str().unwrap();
    let run = check(&sandbox, &["--metrics", metrics]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let expected = ["configuration", "Unix socket", "status socket", "metrics", "backend"];
    let expected = expected.map(|subject| (subject.to_owned(), "ok".to_owned()));
    let quote = ("a quote".into(), "ok".into());
    assert_eq!(findings(&run), [&expected[..], &[quote]].concat());
}

/// A check of the simulated platform, as JSON.
fn check(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["qgs", "check", "--json"][..], &SIMULATED, more].concat())
}

/// What a check has found: subjects and states.
fn findings(run: &Run) -> Vec<(String, String)> {
    let json = run.json();
    assert_eq!(Schema::read("qgs-check.json").faults(&json), Vec::<String>::new());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = json["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["subject"]), text(&finding["state"]))).collect()
}

fn others_may_enter(sandbox: &Sandbox, may: bool) {
    let mode = if may { 0o755 } else { 0o700 };
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_check_tells_what_keeps_a_service_from_its_sockets_and_others_from_them() {
    let sandbox = sandbox("sockets");
    let found = |run: &Run, subject: &str| {
        let found = findings(run).into_iter().find(|(name, _)| name == subject);
        found.map(|(_, state)| state)
    };
    others_may_enter(&sandbox, false);
    let run = check(&sandbox, &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for subject in ["Unix socket", "socket's folder", "status socket"] {
        assert_eq!(found(&run, subject).as_deref(), Some("warning"), "{subject}");
    }
    assert!(!sandbox.path().join("qgs.socket").exists());

    others_may_enter(&sandbox, true);
    sandbox.write("qgs.socket", "no socket");
    let run = check(&sandbox, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(found(&run, "Unix socket").as_deref(), Some("failure"));
    assert_eq!(found(&run, "socket's folder"), None);

    let text = "[unix]\npath = \"other.socket\"\ngroup = \"no-such-group\"\n\
                [backend]\nkind = \"simulated\"\nplatform = \"p\"\n\
                [metrics]\naddress = \"127.0.0.1:0\"\n";
    sandbox.write("qgs.toml", text);
    let run = sandbox.run(&["qgs", "check", "--json", "--config", "qgs.toml"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(found(&run, "Unix socket").as_deref(), Some("failure"));
    assert_eq!(found(&run, "metrics").as_deref(), Some("warning"));
}

#[test]
fn a_check_without_sgx_devices_says_that_there_can_be_no_quotes_here() {
    if Path::new("/dev/sgx_enclave").exists() {
        return;
    }
    let sandbox = sandbox("no_devices");
    let asked = [&["qgs", "check", "--listen", "unix:qgs.socket"], &EMPTY[..]].concat();
    let run = sandbox.run(&asked);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(
        run.stdout.contains("failure  enclave device    there is no /dev/sgx_enclave\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_qemu_and_libvirt_are_told_is_printed_for_copying() {
    let sandbox = sandbox("qemu");
    let both = ["--listen", "unix:/srv/q's", "--listen", "vsock:4051"];
    let run = sandbox.run(&[&["qgs", "check", "--print-qemu"][..], &EMPTY, &both].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let objects: Vec<Value> = run
        .stdout
        .lines()
        .filter_map(|line| {
            line.strip_prefix("-object '")?
                .strip_suffix("' -machine confidential-guest-support=tdx")
        })
        .map(|object| serde_json::from_str(&object.replace(r"'\''", "'")).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["quote-generation-socket"]["path"], "/srv/q's");
    assert_eq!(objects[1]["quote-generation-socket"]["port"], "4051");
    assert!(
        run.stdout.contains("<quoteGenerationService path='/srv/q&apos;s'/>"),
        "{}",
        run.stdout
    );
}

/// A quote provider's file with these members.
fn provider_file(sandbox: &Sandbox, members: &str) {
    sandbox.write("qcnl.conf", format!("{{ // ours\n{members}\n}}\n"));
}

const PROVIDER: [&str; 2] = ["--qcnl-conf", "qcnl.conf"];

/// The state of a finding, and what it says.
fn finding(run: &Run, subject: &str) -> (String, String) {
    let json = run.json();
    let found = json["findings"].as_array().unwrap().iter().find(|one| one["subject"] == subject);
    let text = |name| found.unwrap()[name].as_str().unwrap().to_owned();
    (text("state"), text("says"))
}

#[test]
fn a_check_tells_the_line_of_a_mistake_in_the_providers_file() {
    let sandbox = sandbox("provider_file");
    others_may_enter(&sandbox, true);
    let members = "  \"local_cache_only\": true,\n  \"use_secure_cert\": \"false\"";
    provider_file(&sandbox, members);
    let run = check(&sandbox, &PROVIDER);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let (state, says) = finding(&run, "provider's file");
    assert_eq!(state, "failure");
    assert!(
        says.starts_with("`qcnl.conf`: line 3, column 22: `use_secure_cert` is a string"),
        "{says}"
    );
    // It would not be asked by Intel's library either.
    let (state, says) = finding(&run, "caching service");
    assert_eq!((state.as_str(), says.contains("local_cache_only")), ("ok", true), "{says}");

    let run = check(&sandbox, &["--qcnl-conf", "none.conf"]);
    assert_eq!((run.code, finding(&run, "provider's file").0.as_str()), (Some(1), "failure"));
}

#[test]
fn a_check_tells_whether_the_caching_service_answers() {
    let sandbox = sandbox("caching_service");
    others_may_enter(&sandbox, true);
    let platform = folder::open(&sandbox.path().join("p")).unwrap();
    let now = || "2026-11-01T12:00:00Z".parse().unwrap();
    let server =
        PcsServer::start(platform, &"127.0.0.1:0".parse().unwrap(), Arc::new(now)).unwrap();
    provider_file(&sandbox, &format!("\"pccs_url\": \"{}/sgx/certification/v4/\"", server.url()));
    let rooted_at = |at| [&PROVIDER[..], &["--root", "p/root.pem", "--at", at]].concat();
    let rooted = rooted_at("2026-11-01T12:00:00Z");
    let service = |run: &Run| finding(run, "caching service");

    let run = check(&sandbox, &rooted);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(
        service(&run),
        ("ok".into(), format!("{} answers, with a PCK CRL that is genuine", server.url()))
    );
    // A service that works has a newer one long before the end.
    for (at, code, state, says) in [
        ("2026-11-28T00:00:00Z", 0, "warning", "that ends at 2026-12-01T00:00:00Z"),
        ("2027-02-01T00:00:00Z", 1, "failure", "that ended at 2026-12-01T00:00:00Z"),
        ("2026-10-01T00:00:00Z", 0, "warning", "after now"),
    ] {
        let run = check(&sandbox, &rooted_at(at));
        let found = service(&run);
        assert_eq!((run.code, found.0.as_str()), (Some(code), state), "{at}: {}", run.stderr);
        assert!(found.1.contains(says), "{at}: {}", found.1);
    }
    // It is not encrypted.
    assert_eq!(finding(&run, "provider's file").0, "warning");

    // Under Intel's root the documents are nobody's.
    let run = check(&sandbox, &PROVIDER);
    assert_eq!((run.code, service(&run).0.as_str()), (Some(1), "failure"));

    for (failure, state) in [("pckcrl=404", "warning"), ("pckcrl=502", "failure")] {
        server.recover();
        server.fail(failure.parse().unwrap());
        assert_eq!(service(&check(&sandbox, &rooted)).0, state, "{failure}");
    }
    drop(server);
    let (state, says) = service(&check(&sandbox, &rooted));
    assert_eq!(state, "failure");
    assert!(says.ends_with("cannot be reached: connection refused"), "{says}");
}
