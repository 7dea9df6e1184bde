//! A PostgreSQL server of a test's own: in a temporary folder, at a Unix socket, stopped and removed with it.
//!
//! For any test, by `#[path]`. PostgreSQL does not run as root: it runs as `nobody` then.
#![allow(dead_code)] // each test uses a part of it
#![allow(clippy::print_stderr)] // to say that it was skipped

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// `nobody`, everywhere.
const NOBODY: u32 = 65_534;

/// A server that runs until it is dropped.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    folder: tempfile::TempDir,
    options: Vec<String>,
    running: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Starts a server; `None`, and a line on standard error, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[], |_| {})
    }

    /// The server that all the tests of this process share while any of them runs.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// Starts a server with settings of its own (`-c name=value`), once `prepare` has put files into its folder.
    pub(crate) fn start_with(settings: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        own(&data);
        let server = Self {
            programs,
            folder,
            options: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            running: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        server.run("initdb", &["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-U"]);
        prepare(&data);
        server.resume();
        Some(server)
    }

    /// A new database's address.
    pub(crate) fn new_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// Runs SQL in a database, as its owner, and gives the first value that it answers.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let address = self.address(database);
        let asked = async {
            let (client, connection) =
                tokio_postgres::connect(&address, tokio_postgres::NoTls).await?;
            let connection = tokio::spawn(connection);
            let answer = client.simple_query(statement).await?;
            drop(client);
            connection.await.unwrap()?;
            Ok::<_, tokio_postgres::Error>(answer)
        };
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // On a thread of its own: the caller may be within a runtime.
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| runtime().block_on(asked)).join().unwrap().unwrap()
        });
        let value = answer.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        value.unwrap_or_default().to_owned()
    }

    fn address(&self, database: &str) -> String {
        let folder = self.data().to_str().unwrap().replace('/', "%2F");
        format!("postgres://{USER}@{folder}/{database}")
    }

    /// Ends the server at once, as a crash of it would: connections break, nothing is tidied up.
    pub(crate) fn crash(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut server) = running.take() else { return };
        // SIGQUIT: its processes end at once. SIGKILL would leave some behind.
        let id = server.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &id]).status().unwrap().success());
        server.wait().unwrap();
    }

    /// Starts it again, at the same place, and waits until it answers.
    pub(crate) fn resume(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(running.is_none(), "it runs already");
        let mut server = unprivileged(&self.programs.join("postgres"));
        server.arg("-D").arg(self.data()).arg("-k").arg(self.data());
        for setting in ["listen_addresses=", "fsync=off", "max_connections=200"] {
            server.args(["-c", setting]);
        }
        for setting in &self.options {
            server.args(["-c", setting]);
        }
        let mut server = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let Some(Ok(line)) = log.next() else { panic!("it does not start: {said:#?}") };
            if line.contains("ready to accept connections") {
                break;
            }
            said.push(line);
        }
        // It would stop when nobody reads what it says.
        std::thread::spawn(move || log.for_each(drop));
        *running = Some(server);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = unprivileged(&self.programs.join(program));
        let output = command.args(arguments).arg(USER).arg("-D").arg(self.data()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The owner of the databases.
const USER: &str = "tdattest";

/// The folder with the programs of the newest PostgreSQL that is installed.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH");
    let on_path = on_path.iter().flat_map(std::env::split_paths);
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let configured = Command::new("pg_config").arg("--bindir").output();
    let configured = configured.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    on_path
        .chain(debian.into_iter().rev())
        .chain(configured.map(|folder| PathBuf::from(folder.trim())))
        .filter_map(|folder| folder.join("postgres").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_path_buf))
        .find(|folder| folder.join("initdb").is_file())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Makes a file or folder that of the user who runs the server.
pub(crate) fn own(path: &Path) {
    fs::set_permissions(
        path,
        fs::Permissions::from_mode(if path.is_dir() { 0o700 } else { 0o600 }),
    )
    .unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A command that is not run by root.
fn unprivileged(program: &Path) -> Command {
    let mut command = if is_root() {
        let id = NOBODY.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).env("LC_ALL", "C").current_dir("/");
    command
}
