//! The replicas: processes with one configuration, each at a Unix socket of its own, and how they are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha512};
use tdattest_simulator::Platform;

use super::samples::Sandbox;

/// Opens both what users and what administrators may do.
const TOKEN: &str = "a token of a test, and of nobody else";

/// A process that is killed when this is dropped, as SIGKILL kills.
pub(crate) struct Replica(Child);

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An answer that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the `Warning` says.
    pub(crate) warning: Option<String>,
    pub(crate) body: String,
}

/// What all replicas have in common.
pub(crate) struct Replicas {
    folder: PathBuf,
    documents: Vec<String>,
    platform: Platform,
}

impl Replicas {
    pub(crate) fn new(
        sandbox: &Sandbox,
        platform: &Platform,
        upstream: &str,
        database: &str,
    ) -> Self {
        sandbox.write("root.der", platform.root_ca().der().unwrap());
        let hash = HEXLOWER.encode(&Sha512::digest(TOKEN));
        for (name, mode) in [("lazy", "lazy"), ("offline", "offline")] {
            let text = format!(
                "[store]\nat = \"{database}\"\n[[source]]\nat = \"{upstream}\"\n[cache]\nmode = \"{mode}\"\n[deadlines]\nclient_seconds = 60\n\
                 [trust]\nroot_certificate = \"root.der\"\n\
                 [access]\nuser_token_sha512 = \"{hash}\"\nadmin_token_sha512 = \"{hash}\"\n"
            );
            sandbox.write(&format!("{name}.toml"), text);
        }
        let fmspc = platform.hardware.fmspc;
        let documents = vec![
            format!("/sgx/certification/v4/tcb?fmspc={fmspc}"),
            format!("/tdx/certification/v4/tcb?fmspc={fmspc}"),
            "/sgx/certification/v4/qe/identity".into(),
            "/tdx/certification/v4/qe/identity".into(),
            "/sgx/certification/v4/pckcrl?ca=platform".into(),
            "/sgx/certification/v4/rootcacrl".into(),
        ];
        Self { folder: sandbox.path().to_owned(), documents, platform: platform.clone() }
    }

    /// Starts a replica that listens at the socket of this name.
    pub(crate) fn start(&self, name: &str) -> Replica {
        self.serve(name, "lazy.toml")
    }

    /// Starts one that fetches nothing.
    pub(crate) fn start_offline(&self, name: &str) -> Replica {
        self.serve(name, "offline.toml")
    }

    fn serve(&self, name: &str, configuration: &str) -> Replica {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tdattest"))
            .args(["pccs", "serve", "--log", "json", "--state", name, "--config", configuration])
            .args(["--listen", &format!("unix:{name}.socket")])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let replica = Replica(child);
        let mut said = Vec::new();
        loop {
            let Some(Ok(line)) = log.next() else { panic!("it does not start: {said:#?}") };
            if line.contains("\"serving\"") {
                break;
            }
            said.push(line);
        }
        // It would stop when nobody reads what it says.
        thread::spawn(move || log.for_each(drop));
        replica
    }

    /// Has every replica answer everything once, the same; that is what they have cached then.
    pub(crate) fn warm(&self, names: &[&str]) -> BTreeMap<String, Answer> {
        let mut cached = BTreeMap::new();
        for path in self.documents.iter().cloned().chain([self.pckcert(0)]) {
            for name in names {
                let answer = self.get(name, &path);
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                let first = cached.entry(path.clone()).or_insert_with(|| answer.clone());
                assert_eq!(*first, answer, "{path}");
            }
        }
        cached
    }

    /// The answer to a GET.
    pub(crate) fn get(&self, name: &str, path: &str) -> Answer {
        self.try_get(name, path).unwrap_or_else(|| panic!("{name} breaks the connection at {path}"))
    }

    /// The same; `None` where the connection cannot be had, or breaks before the answer's end.
    pub(crate) fn try_get(&self, name: &str, path: &str) -> Option<Answer> {
        self.ask(name, &format!("GET {path}"), "")
    }

    /// Registers a platform.
    pub(crate) fn register(&self, name: &str, number: usize) -> Option<Answer> {
        let hardware = &self.platform.hardware;
        let body = serde_json::json!({
            "qe_id": qe_id(number),
            "pce_id": hardware.pce_id.to_string(),
            "cpu_svn": hardware.cpu_svn.to_string(),
            "pce_svn": self.pce_svn(),
            "enc_ppid": encrypted_ppid(number),
            "platform_manifest": "",
        });
        self.ask(name, "POST /sgx/certification/v4/platforms", &body.to_string())
    }

    /// The ids of all platforms whose certificates are kept.
    pub(crate) fn registered(&self, name: &str) -> BTreeSet<String> {
        let answer = self.get(name, "/sgx/certification/v4/platforms?source=[]");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let list: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
        list.iter().map(|platform| platform["qe_id"].as_str().unwrap().to_owned()).collect()
    }

    fn pckcert(&self, number: usize) -> String {
        let hardware = &self.platform.hardware;
        format!(
            "/sgx/certification/v4/pckcert?qeid={}&encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid={}",
            qe_id(number),
            encrypted_ppid(number),
            hardware.cpu_svn,
            self.pce_svn(),
            hardware.pce_id
        )
    }

    fn pce_svn(&self) -> String {
        HEXLOWER.encode(&self.platform.hardware.pce_svn.to_le_bytes())
    }

    fn ask(&self, name: &str, request: &str, body: &str) -> Option<Answer> {
        let mut stream = UnixStream::connect(self.folder.join(format!("{name}.socket"))).ok()?;
        let length = body.len();
        let headers = format!(
            "Host: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             user-token: {TOKEN}\r\nadmin-token: {TOKEN}\r\n"
        );
        write!(stream, "{request} HTTP/1.1\r\n{headers}\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        whole(&answer)
    }
}

/// An answer, unless something of it is missing.
fn whole(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
        })
    };
    let is_whole = header("content-length") == Some(body.len().to_string());
    is_whole.then(|| Answer { status, warning: header("warning"), body: body.to_owned() })
}

/// The id of a platform of the test.
pub(crate) fn qe_id(number: usize) -> String {
    format!("{number:032X}")
}

/// The encrypted PPID of a platform of the test, by which the upstream is asked.
pub(crate) fn encrypted_ppid(number: usize) -> String {
    // All zeros would say that there is none.
    format!("5a{number:0766x}")
}
