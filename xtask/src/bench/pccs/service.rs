//! The service as users run it: the release command, its configuration, its memory and CPU time.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tdattest_simulator::Platform;

/// How long a start may take at most before something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything but the process.
pub(super) struct Setup {
    command: PathBuf,
    configuration: PathBuf,
    ca: PathBuf,
    address: SocketAddr,
}

impl Setup {
    /// Writes the configuration of a service with SQLite and a certificate of its own.
    pub(super) fn new(
        command: &Path,
        folder: &Path,
        platform: &Platform,
        upstream: &str,
    ) -> Result<Self> {
        // Free a moment ago: nobody else takes ports on a machine that measures.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let root = folder.join("root.der");
        fs::write(&root, platform.root_ca().der()?)?;
        let (configuration, state) = (folder.join("pccs.toml"), folder.join("state"));
        let text = format!(
            "listen = [\"https://{address}\"]\nstate = {state:?}\n\n[[source]]\nat = \"{upstream}\"\n\n\
             [trust]\nroot_certificate = {root:?}\n"
        );
        fs::write(&configuration, text)?;
        Ok(Self { command: command.into(), configuration, ca: state.join("tls/ca.pem"), address })
    }

    /// The address of a path of the service.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// A client that trusts the service's own CA alone, with connections of its own.
    pub(super) fn client(&self) -> Result<reqwest::Client> {
        let ca = fs::read(&self.ca).context("reading the service's CA")?;
        let mut roots = rustls::RootCertStore::empty();
        for der in tdattest_verifier::wire::pem::certificates(&ca)? {
            roots.add(der.into())?;
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?)
    }
}

/// The release command, built now.
pub(super) fn build() -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "tdattest-cli"])
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build: {status}");
    let metadata = crate::workspace::members()?;
    Ok(metadata.target_directory.join("release/tdattest").into_std_path_buf())
}

/// A service that runs; it is ended when dropped.
pub(super) struct Service {
    child: Child,
    /// From its start to its first answer.
    pub(super) first_answer: Duration,
}

impl Service {
    /// Starts the service and waits for its first answer.
    pub(super) fn start(setup: &Setup) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The certificate of its CA is there from the second start on; before it, that it listens is as good.
        let client = setup.client().ok();
        let begun = Instant::now();
        let child = Command::new(&setup.command)
            .args(["pccs", "serve", "--config"])
            .arg(&setup.configuration)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the service")?;
        let mut service = Self { child, first_answer: Duration::ZERO };
        let url = setup.url("/healthz/live");
        loop {
            let answered = match &client {
                Some(client) => runtime.block_on(async {
                    client.get(&url).send().await.is_ok_and(|answer| answer.status() == 200)
                }),
                // It listens before it makes a certificate.
                None => setup.ca.is_file() && TcpStream::connect(setup.address).is_ok(),
            };
            if answered {
                service.first_answer = begun.elapsed();
                return Ok(service);
            }
            if let Some(status) = service.child.try_wait()? {
                bail!("the service ended: {status}");
            }
            ensure!(begun.elapsed() < PATIENCE, "the service does not answer");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What it holds of memory.
    pub(super) fn memory_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).with_context(|| format!("no VmRSS in {path}"))
    }

    /// What it has used of CPU time, in ticks of the kernel's accounts.
    pub(super) fn cpu_ticks(&self) -> Result<u32> {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        // After the name in parentheses, which may hold anything: state, then user and system time as words 12 and 13.
        let (_, rest) = text.rsplit_once(')').context("a process without a name")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let ticks =
            [11, 12].map(|index| words.get(index).and_then(|word| word.parse::<u32>().ok()));
        match ticks {
            [Some(user), Some(system)] => Ok(user.saturating_add(system)),
            _ => bail!("{path} looks like nothing known"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; what it keeps survives a kill, as it must.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
