//! `tdattest pccs`: served, asked, looked into and ended, in front of a simulated PCS.
#![cfg(target_os = "linux")]

mod samples;
mod schema;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use samples::{Run, Sandbox};
use schema::Schema;
use serde_json::{Value, json};

const TDATTEST: &str = env!("CARGO_BIN_EXE_tdattest");

const IDENTITY: &str = "/sgx/certification/v4/qe/identity";

/// Everything in a folder of its own, and no configuration of this machine.
const OWN: [&str; 6] = ["--config", "empty.toml", "--state", "state", "--root", "p/root.pem"];

/// A process that is killed when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `tdattest sim pcs`, and its address.
fn upstream(sandbox: &Sandbox) -> (Process, String) {
    let mut child = Command::new(TDATTEST)
        .args(["sim", "pcs", "--platform", "p", "--listen", "127.0.0.1:0"])
        .current_dir(sandbox.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    (Process(child), url.trim_end().into())
}

/// `tdattest pccs serve` at the socket `http`.
struct Server {
    process: Process,
    log: BufReader<ChildStderr>,
    /// The line of the log that says what it serves.
    serving: Value,
}

impl Server {
    fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let mut child = Command::new(TDATTEST)
            .args(["pccs", "serve", "--log", "json", "--listen", "unix:http"])
            .args(OWN)
            .args(more)
            .current_dir(sandbox.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { process: Process(child), log, serving: Value::Null };
        server.serving = server.until("serving");
        server
    }

    /// The next line of the log with a message.
    fn until(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ends before `{message}`");
            let json: Value =
                serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line:?}"));
            if json["message"] == message {
                return json;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }

    /// Its exit code after SIGTERM.
    fn end(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.process.0.wait().unwrap().code()
    }
}

/// A folder with a platform `p` and an empty configuration.
fn sandbox(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("pccs_{name}"));
    let made = sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    fs::write(sandbox.path().join("empty.toml"), "").unwrap();
    sandbox
}

fn pccs(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["pccs"], arguments, &OWN].concat())
}

/// The whole answer to a request.
fn ask(sandbox: &Sandbox, request: &str, headers: &str) -> String {
    let stream = UnixStream::connect(sandbox.path().join("http")).unwrap();
    String::from_utf8(asked(stream, request, headers)).unwrap()
}

fn asked(mut stream: impl Read + Write, request: &str, headers: &str) -> Vec<u8> {
    write!(stream, "{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Header and body of what the simulated PCS answers.
fn of_upstream(url: &str, path: &str) -> (String, Vec<u8>) {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let answer = asked(stream, &format!("GET {path}"), "");
    let ends = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..ends].to_vec()).unwrap(), answer[ends + 4..].to_vec())
}

/// A platform_collaterals.json with one document, the CRL of the root CA.
fn platform_collaterals(url: &str) -> String {
    let (header, _) = of_upstream(url, IDENTITY);
    let chain = header.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("SGX-Enclave-Identity-Issuer-Chain").then_some(value)
    });
    let (_, crl) = of_upstream(url, "/IntelSGXRootCA.der");
    let certificates = json!({
        "SGX-PCK-Certificate-Issuer-Chain": {},
        "SGX-Enclave-Identity-Issuer-Chain": chain.unwrap(),
    });
    let collaterals = json!({
        "version": 4, "pck_certs": [], "tcbinfos": [], "certificates": certificates,
        "rootcacrl": data_encoding::HEXLOWER.encode(&crl),
    });
    json!({ "collaterals": collaterals }).to_string()
}

#[test]
fn a_database_that_fails_on_the_way_is_said_and_the_import_can_be_repeated() {
    let sandbox = sandbox("fails");
    let (_upstream, url) = upstream(&sandbox);
    fs::write(sandbox.path().join("file.json"), platform_collaterals(&url)).unwrap();
    assert_eq!(pccs(&sandbox, &["user", "add", "alice"]).code, Some(0));
    let database = rusqlite::Connection::open(sandbox.path().join("state/pccs.sqlite")).unwrap();
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON documents BEGIN SELECT RAISE(FAIL, 'full'); END";
    database.execute_batch(full).unwrap();
    let failed = pccs(&sandbox, &["import", "file.json"]);
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    assert!(failed.stderr.contains("import the file again"), "{}", failed.stderr);

    database.execute_batch("DROP TRIGGER full").unwrap();
    let imported = pccs(&sandbox, &["import", "file.json"]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let status = pccs(&sandbox, &["status", "--json"]).json();
    assert_eq!(status["documents"][0]["request"], "/sgx/certification/v4/rootcacrl");
}

#[test]
fn what_the_upstream_has_is_served_kept_and_told() {
    let sandbox = sandbox("kept");
    let (upstream, url) = upstream(&sandbox);
    let server = Server::start(&sandbox, &["--source", &url]);
    assert_eq!(server.serving["store"], "sqlite");
    let first = ask(&sandbox, &format!("GET {IDENTITY}"), "");
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    assert_eq!(server.end(), Some(0));
    drop(upstream);
    // A service that starts later needs no upstream for what is kept.
    let server = Server::start(&sandbox, &["--source", &url]);
    let again = ask(&sandbox, &format!("GET {IDENTITY}"), "");
    assert!(again.starts_with("HTTP/1.1 200"), "{again}");
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&again), body(&first));

    let status = pccs(&sandbox, &["status", "--json"]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    let json = status.json();
    assert_eq!(json["documents"][0]["request"], format!("{IDENTITY}?update=standard"));
    assert_eq!(Schema::read("pccs-status.json").faults(&json), Vec::<String>::new());
    // In a hundred years it has ended.
    let later = pccs(&sandbox, &["status", "--at", "2126-01-01T00:00:00Z"]);
    assert_eq!(later.code, Some(1));
    assert!(later.stdout.contains("ended"), "{}", later.stdout);
    assert_eq!(server.end(), Some(0));
}

/// The one address of a server's that speaks HTTPS.
fn https(server: &Server) -> String {
    let listens = server.serving["listeners"].as_str().unwrap();
    let address = listens.split(", ").find(|address| !address.starts_with("unix:"));
    format!("https://{}", address.unwrap().trim_start_matches("https://"))
}

#[test]
fn the_whole_way_from_a_pcs_through_the_service_to_a_verdict() {
    let sandbox = sandbox("whole_way");
    let (upstream, url) = upstream(&sandbox);
    let server = Server::start(&sandbox, &["--listen", "127.0.0.1:0", "--source", &url]);
    let address = https(&server);
    assert_eq!(sandbox.run(&["sim", "quote", "--platform", "p", "-o", "q"]).code, Some(0));
    let success = |arguments: &[&str]| {
        let run = sandbox.run(&[arguments, &["--root", "p/root.pem"]].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}{}", run.stdout, run.stderr);
        run
    };
    let from = ["--source", &address, "--ca-file", "state/tls/ca.pem", "--no-cache"];
    success(&[&["collateral", "fetch", "q", "-o", "b.json"], &from[..]].concat());
    let verified = success(&["verify", "q", "--collateral", "b.json", "--offline"]);
    assert!(verified.stdout.contains("Verification completed successfully"), "{}", verified.stdout);

    // Of a host that is set up for Intel's libraries; and all this time there was nobody else to ask but the service.
    drop(upstream);
    let qcnl =
        format!("{{ // of this host\n  \"pccs_url\": \"{address}/sgx/certification/v4/\" }}\n");
    fs::write(sandbox.path().join("sgx_default_qcnl.conf"), qcnl).unwrap();
    let by_qcnl = ["--qcnl-conf", "sgx_default_qcnl.conf", "--ca-file", "state/tls/ca.pem"];
    success(&[&["verify", "q", "--no-cache"], &by_qcnl[..]].concat());
    // Without its CA the service is nobody's.
    let unknown = ["verify", "q", "--no-cache", "--source", &address, "--root", "p/root.pem"];
    let refused = sandbox.run(&unknown);
    assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_token_opens_what_it_is_for_and_nothing_once_it_is_removed() {
    let sandbox = sandbox("tokens");
    let added = pccs(&sandbox, &["user", "add", "alice", "--role", "admin"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let token = added.stdout.trim().to_owned();
    let other = pccs(&sandbox, &["user", "add", "rack-7"]).stdout.trim().to_owned();
    let listed = pccs(&sandbox, &["user", "list"]);
    assert!(listed.stdout.contains("alice") && listed.stdout.contains("rack-7"));
    assert!(!listed.stdout.contains(&token), "{}", listed.stdout);

    let server = Server::start(&sandbox, &["--source", "file:nothing"]);
    let status = |token: &str| {
        let header = format!("admin-token: {token}\r\n");
        let answer = ask(&sandbox, "GET /sgx/certification/v4/platforms", &header);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(&token), "200");
    assert_eq!(status(&other), "401");
    assert_eq!(status(""), "401");
    assert_eq!(pccs(&sandbox, &["user", "remove", "alice", "--role", "admin"]).code, Some(0));
    // A service that runs notices.
    while status(&token) != "401" {}
    assert_eq!(pccs(&sandbox, &["user", "remove", "alice", "--role", "admin"]).code, Some(1));
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_looks_for_something_makes_no_database_and_names_the_one_it_used() {
    let sandbox = sandbox("which");
    let looks: [&[&str]; 4] =
        [&["status"], &["refresh"], &["user", "list"], &["user", "remove", "alice"]];
    for arguments in looks {
        let run = pccs(&sandbox, arguments);
        assert_eq!(run.code, Some(3), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("there is no database yet"), "{}", run.stderr);
        assert!(!sandbox.path().join("state").exists(), "{arguments:?}");
    }
    assert_eq!(pccs(&sandbox, &["user", "add", "alice"]).code, Some(0));
    let name = sandbox.path().join("state/pccs.sqlite").display().to_string();
    for arguments in looks {
        let run = pccs(&sandbox, arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(&name), "{arguments:?}: {}", run.stderr);
        assert!(!run.stdout.contains(&name), "{arguments:?}: {}", run.stdout);
    }
}

#[test]
fn an_address_that_cannot_be_read_is_a_mistake_and_no_database_that_is_away() {
    let sandbox = sandbox("address");
    fs::write(sandbox.path().join("url"), "postgres://a:b:c").unwrap();
    let text = "[store]\ndatabase_url_file = \"url\"";
    fs::write(sandbox.path().join("mistaken.toml"), text).unwrap();
    let run = sandbox.run(&["pccs", "status", "--config", "mistaken.toml"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("see to its address"), "{}", run.stderr);
}

#[test]
fn a_database_that_refuses_its_role_may_be_mended_and_is_no_mistake() {
    let sandbox = sandbox("refuses");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A server of PostgreSQL's protocol that lets nobody in, as while a password is being changed.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut size = [0; 4];
            stream.read_exact(&mut size).unwrap();
            let mut rest = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap() - 4];
            stream.read_exact(&mut rest).unwrap();
            let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0";
            let size = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            stream.write_all(&[b"E", &size[..], fields].concat()).unwrap();
        }
    });
    let name = sandbox.path().join("url");
    fs::write(&name, format!("postgres://pccs:secret@{address}/pccs")).unwrap();
    let text = "[store]\ndatabase_url_file = \"url\"";
    fs::write(sandbox.path().join("refused.toml"), text).unwrap();
    let run = sandbox.run(&["pccs", "status", "--config", "refused.toml"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("28P01"), "{}", run.stderr);
    assert!(run.stderr.contains("on its server to the role"), "{}", run.stderr);
}

#[test]
fn a_token_that_would_be_guessed_is_refused() {
    let sandbox = sandbox("weak");
    fs::write(sandbox.path().join("token"), "password\n").unwrap();
    let added = pccs(&sandbox, &["user", "add", "alice", "--token-file", "token"]);
    assert_eq!(added.code, Some(2));
    assert!(added.stderr.contains("the token has 8 characters"), "{}", added.stderr);
}

#[test]
fn https_is_spoken_with_a_certificate_that_a_signal_exchanges() {
    let sandbox = sandbox("certificate");
    let mut server =
        Server::start(&sandbox, &["--listen", "127.0.0.1:0", "--source", "file:nothing"]);
    let ca = server.serving["ca"].as_str().unwrap().to_owned();
    assert_eq!(ca, "state/tls/ca.pem");
    let key = fs::metadata(sandbox.path().join("state/tls/key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    server.signal(Signal::HUP);
    server.until("a new certificate is in use");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_key_of_the_environment_is_for_intel_alone() {
    let sandbox = sandbox("key");
    assert_eq!(pccs(&sandbox, &["user", "add", "alice"]).code, Some(0));
    let refresh = |source: &str| {
        let arguments = [&["pccs", "refresh", "--source", source], &OWN[..]].concat();
        let mut command = sandbox.command(&arguments);
        command.env("TDATTEST_PCCS_API_KEY_FILE", "no_such_key");
        command.output().unwrap()
    };
    // Nothing is kept, and so nobody is asked.
    let other = refresh("https://pccs.example.org");
    assert_eq!(other.status.code(), Some(0), "{}", String::from_utf8_lossy(&other.stderr));
    let intel = refresh("https://api.trustedservices.intel.com");
    assert_eq!(intel.status.code(), Some(2));
    let told = String::from_utf8(intel.stderr).unwrap();
    assert!(told.contains("no_such_key"), "{told}");
}

#[test]
fn plain_http_on_a_network_wants_to_be_said_by_name() {
    let sandbox = sandbox("plain");
    let served = pccs(&sandbox, &["serve", "--listen", "http://0.0.0.0:0"]);
    assert_eq!(served.code, Some(2));
    assert!(served.stderr.contains("dangerous_plain_http = true"), "{}", served.stderr);
}

#[test]
fn intels_configuration_is_read_and_what_has_no_effect_is_logged() {
    let sandbox = sandbox("intels");
    let text = r#"{ // Intel's
        "HTTPS_PORT": 8081, "hosts": "127.0.0.1", "CachingFillMode": "OFFLINE", "LogLevel": "info"
    }"#;
    fs::create_dir(sandbox.path().join("config")).unwrap();
    fs::write(sandbox.path().join("config/default.json"), text).unwrap();
    let start = |listen: &str| {
        let mut child = Command::new(TDATTEST)
            // From within its folder: the certificate is looked for in the one above.
            .args(["pccs", "serve", "--log", "json", "--config", "default.json"])
            .args(["--state", "../state", "--listen", "unix:../http", "--listen", listen])
            .current_dir(sandbox.path().join("config"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Server { process: Process(child), log, serving: Value::Null }
    };
    let mut server = start("127.0.0.1:0");
    server.until("LogLevel has no effect: give --log-level");
    let certificate = sandbox.path().join("ssl_key/file.crt");
    let missing = certificate.display();
    server.until(&format!(
        "there is no `{missing}`: another certificate is made, whose CA all clients have to be given"
    ));
    server.until("serving");
    let answer = ask(&sandbox, &format!("GET {IDENTITY}"), "");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert_eq!(server.end(), Some(0));

    // Without HTTPS there is no certificate, and what stands in the way of Intel's is in nobody's way.
    fs::write(sandbox.path().join("ssl_key"), "no folder").unwrap();
    let mut server = start("unix:../other");
    server.until("serving");
    assert_eq!(server.end(), Some(0));
    let config = sandbox.path().join("config/default.json").display().to_string();
    let added = sandbox.run(&["pccs", "user", "add", "a", "--config", &config, "--state", "state"]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
}
