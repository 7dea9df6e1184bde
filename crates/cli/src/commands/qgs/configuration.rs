//! Which configuration: a file, whose name tells its form, with the command line's own words on top.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tdattest_qgs::config::{BackendConfig, Config, Listen, VSOCK_PORT};
use tdattest_qgs::listen::UnixSettings;

use crate::input::{reason, shown};
use crate::output::Hinted;

/// Our own file.
pub(super) const OWN: &str = "/etc/tdattest/qgs.toml";

/// That of Intel's daemon.
pub(super) const INTELS: &str = "/etc/qgs.conf";

/// Largest file, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What all of the commands have that need the configuration.
#[derive(clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration: TOML if its name ends in .toml, else the form of Intel's daemon [default: /etc/tdattest/qgs.toml, then /etc/qgs.conf, then neither]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Listen here and nowhere else: unix:PATH or vsock:PORT; may be given twice, once for each
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    listen: Vec<Where>,

    /// Make quotes of this simulated platform, as `tdattest sim platform new` made it
    #[arg(long, value_name = "DIR")]
    platform: Option<PathBuf>,

    /// Workers, each with an enclave of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    workers: Option<u8>,

    /// Serve metrics and health over HTTP here, such as 127.0.0.1:9464
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,

    /// The socket of `tdattest qgs status`
    #[arg(long, value_name = "PATH")]
    status: Option<PathBuf>,

    /// The user to become once the sockets are open
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// An address of the command line.
#[derive(Clone)]
enum Where {
    Unix(PathBuf),
    Vsock(u32),
}

fn parse_address(text: &str) -> Result<Where, String> {
    let unix = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    if let Some(path) = unix {
        return Ok(Where::Unix(path.into()));
    }
    let port = match text {
        "vsock" => Some(VSOCK_PORT),
        text => text.strip_prefix("vsock:").and_then(|port| port.parse().ok()),
    };
    let port = port.filter(|port| (1..u32::MAX).contains(port));
    port.map(Where::Vsock).ok_or_else(|| {
        "expected unix:PATH or vsock:PORT, such as unix:/run/tdx-qgs/qgs.socket or vsock:4050"
            .into()
    })
}

/// Where a configuration comes from.
pub(super) enum Source {
    /// A file.
    File(PathBuf),
    /// Neither of the usual files is there.
    None,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&shown(path)),
            Self::None => write!(f, "the usual settings (there is no {OWN} and no {INTELS})"),
        }
    }
}

impl ConfigArgs {
    /// The configuration, and where it comes from.
    pub(super) fn read(&self) -> Result<(Config, Source)> {
        let (mut config, source) = self.read_file()?;
        self.listen_where_asked(&mut config);
        if let Some(platform) = &self.platform {
            config.backend = BackendConfig::Simulated { platform: platform.clone() };
        }
        if let Some(workers) = self.workers {
            config.settings.pool.workers = workers.into();
        }
        if let Some(path) = &self.status {
            config.status.get_or_insert_default().path.clone_from(path);
        }
        config.metrics = self.metrics.or(config.metrics);
        config.user = self.user.clone().or(config.user);
        Ok((config, source))
    }

    fn listen_where_asked(&self, config: &mut Config) {
        if self.listen.is_empty() {
            return;
        }
        let from_file = config.listen.unix.take().unwrap_or_default();
        let mut listen = Listen { unix: None, vsock: None, asked_for: true };
        for address in &self.listen {
            match address {
                Where::Unix(path) => {
                    listen.unix = Some(UnixSettings { path: path.clone(), ..from_file.clone() });
                }
                Where::Vsock(port) => listen.vsock = Some(*port),
            }
        }
        config.listen = listen;
    }

    fn read_file(&self) -> Result<(Config, Source)> {
        if let Some(path) = &self.config {
            return parse(path, &text(path)?).map(|config| (config, Source::File(path.clone())));
        }
        for path in [OWN, INTELS].map(Path::new) {
            if path.exists() {
                return parse(path, &text(path)?).map(|config| (config, Source::File(path.into())));
            }
        }
        Ok((Config::default(), Source::None))
    }
}

fn text(path: &Path) -> Result<String> {
    let unreadable = |fault: io::Error| {
        let problem = format!("cannot read {}: {}", shown(path), reason(&fault));
        Hinted::error(
            problem,
            "give the configuration with --config, or leave it out for the usual settings",
        )
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn parse(path: &Path, text: &str) -> Result<Config> {
    let own = path.extension().is_some_and(|extension| extension == "toml");
    let parsed = if own { Config::from_toml(text) } else { Config::from_intel(text) };
    parsed.map_err(|fault| {
        let hint = match own {
            true => "packaging/qgs/qgs.toml has every key; it is installed as share/doc/tdattest/qgs.toml",
            false => "Intel's daemon has `port` and `number_threads`; all else goes into a file whose name ends in .toml",
        };
        Hinted::error(format!("{}: {fault}", shown(path)), hint)
    })
}
