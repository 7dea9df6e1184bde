//! Where collateral is fetched from, and where it is kept: the command line, then the configuration, then Intel's PCS.
//!
//! Must stay true: what is risky is named, and said again when it is used; no key is ever shown.

pub(crate) mod config;
pub(crate) mod keeper;
mod qcnl;

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use tdattest_collateral::{Pin, Source, Trust};
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::pcs::EvaluationDataSet;

use crate::input;
use crate::output::{self, Hinted};
use config::Config;

/// Where to ask, and what to trust there.
#[derive(clap::Args)]
#[command(next_help_heading = "Sources of collateral")]
pub(crate) struct SourceArgs {
    /// Fetch from here: https://…, or the path of a bundle, archive or folder; may be given many times, and they are asked in this order [default: the configuration, then Intel's PCS]
    #[arg(long = "source", value_name = "URL|PATH")]
    sources: Vec<Source>,

    /// Fetch from the service that this file of Intel's QCNL names, after the sources that are given
    #[arg(long, value_name = "FILE")]
    qcnl_conf: Option<PathBuf>,

    /// Trust the CAs of this file (PEM) with the sources' TLS, and no others
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin_sha256", "dangerous_insecure"])]
    ca_file: Option<PathBuf>,

    /// Trust the certificate with this SHA-256 (of its DER) with the sources' TLS, whatever it says; may be given many times
    #[arg(long, value_name = "HEX", conflicts_with = "dangerous_insecure")]
    pin_sha256: Vec<Pin>,

    /// Trust every certificate with the sources' TLS; the documents are verified all the same
    #[arg(long)]
    dangerous_insecure: bool,

    /// Allow unencrypted HTTP to other machines; the documents are verified all the same
    #[arg(long)]
    dangerous_allow_http: bool,

    /// Send the subscription key in this file to the sources
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Which set of TCB info: standard, early, or a TCB evaluation data number [default: standard]
    #[arg(long, value_name = "SET", value_parser = parse_set)]
    set: Option<EvaluationDataSet>,

    /// Keep documents in this folder [default: $XDG_CACHE_HOME/tdattest; without that ~/.cache/tdattest, for root /var/cache/tdattest]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache_dir: Option<PathBuf>,

    /// Neither use nor keep documents; then nothing is remembered that would tell old ones from new
    #[arg(long)]
    no_cache: bool,

    /// Serve what is kept and has not ended, and ask no source
    #[arg(long, conflicts_with = "no_cache")]
    cached: bool,

    /// Ask the sources for newer documents, whatever is kept
    #[arg(long, conflicts_with_all = ["no_cache", "cached"])]
    refresh: bool,

    /// Take documents that are older than ones that were seen before
    #[arg(long)]
    dangerous_allow_rollback: bool,

    /// Take documents that have ended when no newer ones can be had
    #[arg(long)]
    dangerous_allow_stale: bool,

    /// Read the configuration from this file [default: ~/.config/tdattest/config.toml, then /etc/tdattest/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where to ask, and how to keep what comes.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) sources: Vec<Source>,
    pub(crate) set: EvaluationDataSet,
    /// Nothing is kept without one.
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) allow_rollback: bool,
    pub(crate) allow_stale: bool,
    /// No source is asked.
    pub(crate) cached: bool,
    /// The sources are asked whatever is kept.
    pub(crate) refresh: bool,
}

impl SourceArgs {
    /// What the command line and the configuration come to.
    ///
    /// # Errors
    /// When the configuration or a file that is named cannot be used.
    pub(crate) fn resolve(&self) -> Result<Sources> {
        let config = self.configuration()?;
        let (sources, set) = self.sources(&config)?;
        Ok(Sources {
            sources,
            // A file of QCNL that says nothing of it means the standard set: it is asked last.
            set: self.set.or(config.set).or(set).unwrap_or_default(),
            cache_dir: self.cache_dir(&config)?,
            allow_rollback: self.dangerous_allow_rollback,
            allow_stale: self.dangerous_allow_stale,
            cached: self.cached,
            refresh: self.refresh,
        })
    }

    /// The configuration alone.
    pub(crate) fn configuration(&self) -> Result<Config> {
        config::read(self.config.as_deref())
    }

    /// Which set is asked for by name.
    pub(crate) fn set(&self) -> Option<EvaluationDataSet> {
        self.set
    }

    /// Which set quotes are judged by: the one that would be fetched.
    ///
    /// # Errors
    /// When the configuration or a file that it names cannot be used.
    pub(crate) fn wanted_set(&self) -> Result<EvaluationDataSet> {
        if let Some(set) = self.set {
            return Ok(set);
        }
        let config = self.configuration()?;
        if let Some(set) = config.set {
            return Ok(set);
        }
        let is_given = self.sources_are_given();
        let file = if is_given { self.qcnl_conf.as_ref() } else { config.qcnl_conf.as_ref() };
        file.map_or(Ok(EvaluationDataSet::default()), |path| Ok(qcnl::source(path)?.1))
    }

    fn sources_are_given(&self) -> bool {
        !self.sources.is_empty() || self.qcnl_conf.is_some()
    }

    /// The sources, and the set that a file of QCNL asks for.
    fn sources(&self, config: &Config) -> Result<(Vec<Source>, Option<EvaluationDataSet>)> {
        let (sources, qcnl_conf): (Result<Vec<Source>>, _) = if self.sources_are_given() {
            let given = self.sources.iter().map(|source| self.with_trust(source.clone()));
            (given.collect(), self.qcnl_conf.as_ref())
        } else {
            self.require_effect(config)?;
            let configured = config.sources.iter().map(config::SourceConfig::source);
            (configured.collect(), config.qcnl_conf.as_ref())
        };
        let mut sources = sources?;
        let mut set = None;
        if let Some(path) = qcnl_conf {
            let (source, asked) = qcnl::source(path)?;
            // What the file says of its certificate holds, unless the command line says otherwise.
            sources.push(match self.says_whom_to_trust() {
                true => self.with_trust(source)?,
                false => self.with_key(source)?,
            });
            set = Some(asked);
        }
        if sources.is_empty() {
            sources.push(self.with_trust(Source::intel())?);
        }
        Ok((sources, set))
    }

    /// Refuses what would be said to nobody: who pins must not only believe to have pinned.
    fn require_effect(&self, config: &Config) -> Result<()> {
        let is_said =
            self.says_whom_to_trust() || self.api_key_file.is_some() || self.dangerous_allow_http;
        if is_said && !config.sources.is_empty() {
            return Err(Hinted::error(
                "--ca-file, --pin-sha256, --api-key-file, --dangerous-insecure and --dangerous-allow-http say nothing of the sources of the configuration",
                "give them with --source; in the configuration each source has its own",
            ));
        }
        Ok(())
    }

    fn says_whom_to_trust(&self) -> bool {
        self.dangerous_insecure || self.ca_file.is_some() || !self.pin_sha256.is_empty()
    }

    fn with_trust(&self, source: Source) -> Result<Source> {
        let trust = match (&self.ca_file, &self.pin_sha256[..]) {
            _ if self.dangerous_insecure => Trust::DangerousInsecure,
            (Some(file), _) => Trust::CaFile(file.clone()),
            (None, []) => Trust::System,
            (None, pins) => Trust::Pins(pins.to_vec()),
        };
        self.with_key(source_with(source, trust))
    }

    fn with_key(&self, source: Source) -> Result<Source> {
        with(source, self.api_key_file.as_deref(), self.dangerous_allow_http)
    }

    fn cache_dir(&self, config: &Config) -> Result<Option<PathBuf>> {
        if self.no_cache {
            return Ok(None);
        }
        if let Some(given) = self.cache_dir.as_ref().or(config.cache_dir.as_ref()) {
            return Ok(Some(given.clone()));
        }
        let missing = || {
            Hinted::error(
                "there is no folder to keep documents in: neither XDG_CACHE_HOME nor HOME is set",
                "give --cache-dir DIR, or --no-cache",
            )
        };
        config::default_cache_dir().map(Some).ok_or_else(missing)
    }
}

/// A source with what is trusted there. What is risky is said.
pub(crate) fn source_with(source: Source, trust: Trust) -> Source {
    if !source.is_service() {
        return source;
    }
    if trust == Trust::DangerousInsecure {
        let text =
            format!("{source}: its certificate is not checked, anybody can pretend to be it");
        output::note(&output::warning(&text));
    }
    source.with_trust(trust)
}

/// A source with its key, and over HTTP where that is allowed.
pub(crate) fn with(
    source: Source,
    api_key_file: Option<&std::path::Path>,
    allow_http: bool,
) -> Result<Source> {
    if !source.is_service() {
        return Ok(source);
    }
    let source = if allow_http { source.dangerous_allow_http() } else { source };
    if allow_http && source.is_unencrypted() {
        let text = format!(
            "{source} is not encrypted: whoever is on the way reads along, and can withhold documents"
        );
        output::note(&output::warning(&text));
    }
    let Some(path) = api_key_file else { return Ok(source) };
    let key = input::read(path, API_KEY_BYTES).map_err(|problem| anyhow!(problem))?;
    let key =
        String::from_utf8(key).with_context(|| format!("{} is no text", input::shown(path)))?;
    if key.trim().is_empty() {
        return Err(anyhow!("{} is empty, expected a subscription key", input::shown(path)));
    }
    Ok(source.with_api_key(&key)?)
}

/// The trust anchor: this file's root, or Intel's.
pub(crate) fn trust_anchor(root: Option<&std::path::Path>) -> Result<TrustAnchor> {
    let Some(path) = root else { return Ok(TrustAnchor::intel()) };
    let root = input::root_certificate(path).map_err(|problem| anyhow!(problem))?;
    TrustAnchor::from_der(&root).map_err(|fault| anyhow!("{}: {fault}", input::shown(path)))
}

pub(crate) fn parse_set(text: &str) -> Result<EvaluationDataSet, String> {
    match text {
        "standard" => Ok(EvaluationDataSet::Standard),
        "early" => Ok(EvaluationDataSet::Early),
        number => number
            .parse()
            .map(EvaluationDataSet::Number)
            .map_err(|_| "expected standard, early or a number such as 17".into()),
    }
}

/// Largest file of an API key: keys have 32 characters.
const API_KEY_BYTES: usize = 4096;
