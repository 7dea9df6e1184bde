//! Which configuration: a file, whose name tells its form, with the environment and the command line on top.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use tdattest_collateral::{Source, Trust};
use tdattest_pccs::config::{CertificateAt, Config, SourceAt, StoreAt, UrlAt};

use crate::input::{reason, shown};
use crate::output::Hinted;

/// Our own file.
const OWN: &str = "/etc/tdattest/pccs.toml";

/// Names the file with the URL of the database, such as one of systemd's credentials.
const DATABASE_URL_FILE: &str = "TDATTEST_PCCS_DATABASE_URL_FILE";

/// Names the file with the key of the sources that have none.
const API_KEY_FILE: &str = "TDATTEST_PCCS_API_KEY_FILE";

/// Largest file, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What all of the commands have that need the configuration.
#[derive(clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration: TOML if its name ends in .toml, else the config/default.json of Intel's service [default: /etc/tdattest/pccs.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Keep everything in this folder: the database, and the certificate in tls/ [default: /var/lib/tdattest-pccs]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// Ask these for documents, in this order: a PCS or PCCS (https://…), or file:PATH [default: Intel's PCS]
    #[arg(long, value_name = "SOURCE", value_parser = str::parse::<Source>)]
    source: Vec<Source>,

    /// The CA of the sources' certificates, PEM, instead of the system's
    #[arg(long, value_name = "FILE", requires = "source")]
    source_ca: Option<PathBuf>,
}

/// Where a configuration comes from.
pub(super) enum Origin {
    /// A file.
    File(PathBuf),
    /// The usual file is not there.
    None,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&shown(path)),
            Self::None => write!(f, "the usual settings (there is no {OWN})"),
        }
    }
}

/// A configuration that was read.
pub(super) struct Read {
    pub(super) config: Config,
    pub(super) origin: Origin,
    /// What stands in the file without an effect.
    pub(super) notes: Vec<String>,
}

impl ConfigArgs {
    /// The configuration, and where it comes from.
    pub(super) fn read(&self) -> Result<Read> {
        let mut read = match &self.config {
            Some(path) => parse(path)?,
            None if Path::new(OWN).exists() => parse(Path::new(OWN))?,
            None => Read { config: Config::default(), origin: Origin::None, notes: Vec::new() },
        };
        let config = &mut read.config;
        if let Some(folder) = &self.state {
            config.move_state(folder);
        }
        if self.root.is_some() {
            config.root_certificate.clone_from(&self.root);
        }
        if !self.source.is_empty() {
            config.sources = self.source.iter().map(|source| self.trusted(source)).collect();
        }
        from_environment(config);
        Ok(read)
    }

    fn trusted(&self, source: &Source) -> SourceAt {
        let source = match &self.source_ca {
            Some(path) => source.clone().with_trust(Trust::CaFile(path.clone())),
            None => source.clone(),
        };
        SourceAt { source, api_key_file: None }
    }
}

fn from_environment(config: &mut Config) {
    if let Some(path) = std::env::var_os(DATABASE_URL_FILE) {
        let ca_file = match &config.store {
            StoreAt::Postgres { ca_file, .. } => ca_file.clone(),
            _ => None,
        };
        config.store = StoreAt::Postgres { url: UrlAt::File(path.into()), ca_file };
    }
    if let Some(path) = std::env::var_os(API_KEY_FILE) {
        // The key is Intel's: others get one only where the file gives it to them.
        for source in config.sources.iter_mut().filter(|at| at.source.is_pcs()) {
            source.api_key_file.get_or_insert_with(|| path.clone().into());
        }
    }
}

fn parse(path: &Path) -> Result<Read> {
    let text = text(path)?;
    let is_own = path.extension().is_some_and(|extension| extension == "toml");
    let parsed = match is_own {
        true => Config::from_toml(&text).map(|config| (config, Vec::new())),
        false => Config::from_intel(&text),
    };
    let (mut config, notes) = parsed.map_err(|fault| {
        let hint = match is_own {
            true => "packaging/pccs/pccs.toml has every key; it is installed as share/doc/tdattest/pccs.toml",
            false => "this is read as Intel's config/default.json; our own form is TOML, in a file whose name ends in .toml",
        };
        Hinted::error(format!("{}: {fault}", shown(path)), hint)
    })?;
    if !is_own {
        take_intels_certificate(&mut config, path);
    }
    Ok(Read { config, origin: Origin::File(path.into()), notes })
}

/// Intel's service has its certificate in `ssl_key`, beside `config`.
fn take_intels_certificate(config: &mut Config, path: &Path) {
    let Some(folder) = path.parent().and_then(Path::parent) else { return };
    let [certificate, private_key] =
        ["file.crt", "private.pem"].map(|name| folder.join("ssl_key").join(name));
    if certificate.exists() && private_key.exists() {
        config.certificate = CertificateAt::Files { certificate, private_key };
    }
}

fn text(path: &Path) -> Result<String> {
    let unreadable = |fault: io::Error| {
        let problem = format!("cannot read {}: {}", shown(path), reason(&fault));
        let hint = "give the configuration with --config, or leave it out for the usual settings";
        Hinted::error(problem, hint)
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(anyhow!("{} is larger than 1 MiB, the most that is read", shown(path)));
    }
    fs::read_to_string(path).map_err(unreadable)
}
