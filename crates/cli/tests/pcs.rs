//! `tdattest sim pcs` among sockets and signals. What it answers is tested where it is made.
#![cfg(unix)]

mod samples;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use samples::Sandbox;

const AT: &str = "2026-11-01T12:00:00Z";

/// A running server, ended when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tdattest"))
            .args(["sim", "pcs", "--platform", "p", "--at", AT])
            .args(more)
            .current_dir(sandbox.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The address is printed once it listens.
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim_end().to_owned() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code and all that it noted.
    fn end(mut self) -> (Option<i32>, String) {
        let mut notes = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
        (self.child.wait().unwrap().code(), notes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sandbox(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("pcs_{name}"));
    assert_eq!(sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]).code, Some(0));
    sandbox
}

/// The whole answer to a request.
fn ask(mut stream: impl std::io::Read + std::io::Write, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: pcs\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn over_tcp(server: &Server, path: &str) -> String {
    ask(TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap(), path)
}

const TCB: &str = "/tdx/certification/v4/tcb?fmspc=5a1d0f6c0b00";

#[test]
fn it_serves_until_a_signal_and_notes_every_request() {
    for (signal, last) in [(Signal::INT, "ended"), (Signal::TERM, "ended by SIGTERM")] {
        let sandbox = sandbox("serves");
        let server = Server::start(&sandbox, &["--listen", "127.0.0.1:0"]);
        assert!(over_tcp(&server, TCB).starts_with("HTTP/1.1 200 "));
        assert!(over_tcp(&server, "/nothing").starts_with("HTTP/1.1 404 "));
        server.signal(signal);
        let (code, notes) = server.end();
        assert_eq!(code, Some(0), "{notes}");
        let lines: Vec<&str> = notes.lines().collect();
        assert!(lines[0].starts_with("serving FMSPC 5A1D0F6C0B00 at http://127.0.0.1:"), "{notes}");
        assert_eq!(lines[1], format!("200 GET {TCB}"));
        assert!(lines[2].starts_with("404 GET /nothing"), "{notes}");
        assert_eq!(lines[3..], [last]);
    }
}

#[test]
fn it_fails_as_it_is_told() {
    let sandbox = sandbox("fails");
    let rules = ["--fail", "tcb=503,times=1", "--fail", "tcb=lie:tcb-info.fmspc"];
    let options = [&["--listen", "127.0.0.1:0"][..], &rules].concat();
    let server = Server::start(&sandbox, &options);
    assert!(over_tcp(&server, TCB).starts_with("HTTP/1.1 503 "));
    let lie = over_tcp(&server, TCB);
    assert!(
        lie.starts_with("HTTP/1.1 200 ") && !lie.contains("\"fmspc\":\"5A1D0F6C0B00\""),
        "{lie}"
    );
    server.signal(Signal::TERM);
    let (_, notes) = server.end();
    assert!(
        notes.contains("(as told: 503)") && notes.contains("(as told: lie:tcb-info.fmspc)"),
        "{notes}"
    );
}

#[test]
fn a_fault_is_a_lie_to_everybody() {
    let sandbox = sandbox("fault");
    let options = ["--listen", "127.0.0.1:0", "--fault", "tcb-info.expired"];
    let server = Server::start(&sandbox, &options);
    assert!(over_tcp(&server, TCB).contains("\"nextUpdate\":\"2026-10-31T12:00:00Z\""));
    let run = sandbox.run(&["sim", "pcs", "--platform", "p", "--fault", "quote.signature"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

#[test]
fn a_unix_socket_is_gone_afterwards_and_one_in_the_way_is_left_alone() {
    let sandbox = sandbox("unix");
    let socket = sandbox.path().join("s");
    let server = Server::start(&sandbox, &["--listen", "unix:s"]);
    let answer = ask(UnixStream::connect(&socket).unwrap(), TCB);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let second = sandbox.run(&["sim", "pcs", "--platform", "p", "--listen", "unix:s"]);
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(socket.exists());
    server.signal(Signal::INT);
    assert_eq!(server.end().0, Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_port_in_use_is_one_clear_line_and_a_hint() {
    let sandbox = sandbox("port_in_use");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = sandbox.run(&["sim", "pcs", "--platform", "p", "--listen", &address]);
    assert_eq!(run.code, Some(2));
    let error = format!("error: cannot listen at {address}: the port is in use\nhint: ");
    assert!(run.stderr.starts_with(&error), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 2);
}
