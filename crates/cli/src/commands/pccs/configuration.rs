//! Which configuration: a file, whose name tells its form, with the environment and the command line on top.

use std::fmt;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
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

/// What Intel's service lays over its file, JSON.
const LAID_OVER: &str = "NODE_CONFIG";

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
    /// Where Intel's service is, if the configuration is its own.
    pub(super) intels: Option<PathBuf>,
}

impl ConfigArgs {
    /// The configuration, and where it comes from.
    pub(super) fn read(&self) -> Result<Read> {
        let mut read = match &self.config {
            Some(path) => parse(path)?,
            None if Path::new(OWN).exists() => parse(Path::new(OWN))?,
            None => Read {
                config: Config::default(),
                origin: Origin::None,
                notes: Vec::new(),
                intels: None,
            },
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
    let (config, notes) = parsed.map_err(|fault| {
        let hint = match is_own {
            true => "packaging/pccs/pccs.toml has every key; it is installed as share/doc/tdattest/pccs.toml",
            false => "this is read as Intel's config/default.json; our own form is TOML, in a file whose name ends in .toml",
        };
        Hinted::error(format!("{}: {fault}", shown(path)), hint)
    })?;
    let mut intels = None;
    if !is_own {
        let path = path::absolute(path).context("cannot tell the folder that this works in")?;
        refuse_what_is_laid_over(&path, std::env::var_os(LAID_OVER).is_some())?;
        intels = path.parent().and_then(Path::parent).map(Into::into);
    }
    Ok(Read { config, origin: Origin::File(path.into()), notes, intels })
}

/// Intel's service lays what stands beside `config/default.json`, and in a variable, over it: tokens, perhaps.
fn refuse_what_is_laid_over(path: &Path, has_variable: bool) -> Result<()> {
    let hint = "bring its keys into default.json, or write a configuration of our own form (TOML)";
    if has_variable {
        let problem = format!("{LAID_OVER} is set: Intel's service reads it, this one does not");
        return Err(Hinted::error(problem, hint));
    }
    let (Some(folder), true) = (path.parent(), path.ends_with("default.json")) else {
        return Ok(());
    };
    let unreadable =
        |fault: io::Error| anyhow!("cannot read {}: {}", shown(folder), reason(&fault));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let beside = entry.map_err(unreadable)?.path();
        let name = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_over = ["local", "production"].iter().any(|over| name.starts_with(over));
        if is_over && name.ends_with(".json") {
            let what = shown(&beside);
            let problem =
                format!("Intel's service lays {what} over default.json, and here it is not read");
            return Err(Hinted::error(problem, hint));
        }
    }
    Ok(())
}

/// Takes the certificate of Intel's service, in `ssl_key` of its folder. Without it, a note: clients will notice.
pub(super) fn take_intels_certificate(
    config: &mut Config,
    folder: &Path,
) -> Result<Option<String>> {
    let [certificate, private_key] =
        ["file.crt", "private.pem"].map(|name| folder.join("ssl_key").join(name));
    for file in [&certificate, &private_key] {
        let is_there = file.try_exists().map_err(|fault| {
            let problem = format!("cannot look for {}: {}", shown(file), reason(&fault));
            Hinted::error(
                problem,
                "copy config and ssl_key to where the user of the service may read them",
            )
        })?;
        if !is_there {
            return Ok(Some(format!(
                "there is no {}: another certificate is made, whose CA all clients have to be given",
                shown(file)
            )));
        }
    }
    config.certificate = CertificateAt::Files { certificate, private_key };
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder of Intel's service, with these files.
    fn intels(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::create_dir(folder.path().join("ssl_key")).unwrap();
        let path = folder.path().join("config/default.json");
        fs::write(&path, "{}").unwrap();
        for file in files {
            fs::write(folder.path().join(file), "{}").unwrap();
        }
        (folder, path)
    }

    #[test]
    fn takes_intels_certificate_or_says_that_another_is_made() {
        let (folder, path) = intels(&["ssl_key/file.crt", "ssl_key/private.pem"]);
        let mut read = parse(&path).unwrap();
        assert_eq!(read.intels.as_deref(), Some(folder.path()));
        let note = take_intels_certificate(&mut read.config, folder.path()).unwrap();
        let [certificate, private_key] =
            ["ssl_key/file.crt", "ssl_key/private.pem"].map(|name| folder.path().join(name));
        let files = CertificateAt::Files { certificate, private_key };
        assert_eq!((read.config.certificate, note), (files, None));

        let (folder, path) = intels(&["ssl_key/file.crt"]);
        let mut read = parse(&path).unwrap();
        let note = take_intels_certificate(&mut read.config, folder.path()).unwrap();
        assert_eq!(read.config.certificate, CertificateAt::Generated(Vec::new()));
        assert!(note.is_some());
    }

    #[test]
    fn a_certificate_that_cannot_be_looked_for_is_not_exchanged_for_another() {
        let (folder, path) = intels(&[]);
        // What is in it cannot be told, to root either.
        fs::remove_dir(folder.path().join("ssl_key")).unwrap();
        fs::write(folder.path().join("ssl_key"), "no folder").unwrap();
        // Most commands need none.
        let mut config = parse(&path).unwrap().config;
        assert!(take_intels_certificate(&mut config, folder.path()).is_err());
    }

    #[test]
    fn refuses_what_intels_service_would_lay_over_its_file() {
        for over in ["config/local.json", "config/production.json", "config/local-production.json"]
        {
            let (_folder, path) = intels(&[over]);
            assert!(parse(&path).is_err(), "{over}");
        }
        let (_folder, path) = intels(&["config/custom.json", "config/local.txt"]);
        assert!(parse(&path).is_ok());
        assert!(refuse_what_is_laid_over(&path, true).is_err());
        assert!(refuse_what_is_laid_over(&path, false).is_ok());
    }
}
