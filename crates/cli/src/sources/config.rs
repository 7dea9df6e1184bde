//! `config.toml`: the sources of a user or of a machine.
//!
//! Must stay true: a key that is not known is an error with its place.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use tdattest_collateral::{Pin, Source, Trust};
use tdattest_verifier::wire::pcs::EvaluationDataSet;

use super::{parse_set, source_with, with};
use crate::input;
use crate::output::Hinted;

/// The section `[collateral]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
pub(crate) struct Config {
    /// Asked in this order.
    #[serde(default, rename = "source")]
    pub(crate) sources: Vec<SourceConfig>,
    /// A file of Intel's QCNL, whose service is asked after the others.
    pub(crate) qcnl_conf: Option<PathBuf>,
    /// The root certificate that `tdattest collateral` trusts instead of Intel's.
    pub(crate) root: Option<PathBuf>,
    /// Which set of TCB info.
    #[serde(default, deserialize_with = "set")]
    pub(crate) set: Option<EvaluationDataSet>,
    /// Where documents are kept.
    pub(crate) cache_dir: Option<PathBuf>,
}

/// A section `[[collateral.source]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in double brackets")]
pub(crate) struct SourceConfig {
    /// Its address, or a path.
    #[serde(deserialize_with = "parsed")]
    at: Source,
    ca_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "pins")]
    pin_sha256: Vec<Pin>,
    #[serde(default)]
    dangerous_insecure: bool,
    #[serde(default)]
    dangerous_allow_http: bool,
    api_key_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    collateral: Config,
}

impl SourceConfig {
    /// The source, with what is trusted there.
    pub(crate) fn source(&self) -> Result<Source> {
        let ways = [self.ca_file.is_some(), !self.pin_sha256.is_empty(), self.dangerous_insecure];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            let text = format!(
                "source {}: give one of ca_file, pin_sha256 and dangerous_insecure",
                self.at
            );
            return Err(Hinted::error(text, HINT));
        }
        let trust = match &self.ca_file {
            Some(file) => Trust::CaFile(file.clone()),
            None if self.dangerous_insecure => Trust::DangerousInsecure,
            None if self.pin_sha256.is_empty() => Trust::System,
            None => Trust::Pins(self.pin_sha256.clone()),
        };
        let key = self.api_key_file.as_deref();
        with(source_with(self.at.clone(), trust), key, self.dangerous_allow_http)
    }
}

/// The configuration in this file, or in the first of the usual ones that is there.
///
/// # Errors
/// When it cannot be read, or says something that is not known.
pub(crate) fn read(given: Option<&Path>) -> Result<Config> {
    let found = match given {
        Some(path) => Some(path.to_owned()),
        None => usual().into_iter().find(|path| path.is_file()),
    };
    let Some(path) = found else { return Ok(Config::default()) };
    let bytes = input::read(&path, CONFIG_BYTES).map_err(|problem| Hinted::error(problem, HINT))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Hinted::error(format!("{} is no text", input::shown(&path)), HINT))?;
    parse(&text).map_err(|fault| Hinted::error(format!("{}: {fault}", input::shown(&path)), HINT))
}

fn parse(text: &str) -> Result<Config, String> {
    toml::from_str::<File>(text).map(|file| file.collateral).map_err(|fault| {
        let message = fault.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
        let before = fault.span().and_then(|span| text.get(..span.start));
        let Some(before) = before else { return message };
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        format!("line {line}, column {}: {message}", column.saturating_add(1))
    })
}

/// The files that are looked for.
fn usual() -> Vec<PathBuf> {
    let user = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let user = user.map(|folder| folder.join("tdattest/config.toml"));
    user.into_iter().chain([PathBuf::from("/etc/tdattest/config.toml")]).collect()
}

/// Where documents are kept unless something else is said.
pub(crate) fn default_cache_dir() -> Option<PathBuf> {
    match folder("XDG_CACHE_HOME") {
        Some(folder) => Some(folder.join("tdattest")),
        None if is_root() => Some("/var/cache/tdattest".into()),
        None => Some(folder("HOME")?.join(".cache/tdattest")),
    }
}

/// The folder that a variable names. A relative one is to be ignored (XDG Base Directory Specification).
fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn parsed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn pins<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Pin>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

fn set<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<EvaluationDataSet>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_set(&text).map(Some).map_err(serde::de::Error::custom)
}

/// Largest configuration, in bytes.
const CONFIG_BYTES: usize = 1024 * 1024;

const HINT: &str = "[collateral] has set, cache_dir, root and qcnl_conf; each [[collateral.source]] has at, ca_file, pin_sha256, api_key_file, dangerous_insecure and dangerous_allow_http";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_key() {
        let config = parse(
            r#"
            [collateral]
            set = "early"
            root = "/etc/tdattest/root.pem"
            cache_dir = "/srv/collateral"
            qcnl_conf = "/etc/sgx_default_qcnl.conf"
            [[collateral.source]]
            at = "https://pccs.example:8081/sgx/certification/v4/"
            ca_file = "/etc/tdattest/ca.pem"
            [[collateral.source]]
            at = "file:/srv/bundle.json"
            "#,
        )
        .unwrap();
        assert_eq!(config.set, Some(EvaluationDataSet::Early));
        assert_eq!(config.root, Some("/etc/tdattest/root.pem".into()));
        assert_eq!(config.cache_dir, Some("/srv/collateral".into()));
        assert_eq!(config.qcnl_conf, Some("/etc/sgx_default_qcnl.conf".into()));
        let sources: Vec<String> =
            config.sources.iter().map(|source| source.source().unwrap().to_string()).collect();
        assert_eq!(sources, ["https://pccs.example:8081", "file:/srv/bundle.json"]);
        assert!(parse("").unwrap().sources.is_empty());
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_place() {
        for (text, place) in [
            ("[colateral]\n", "line 1, column 2: "),
            ("[collateral]\nsett = \"early\"\n", "line 2, column 1: "),
            ("[collateral]\nset = \"latest\"\n", "line 2, column 7: "),
            ("[collateral]\n  set = 17\n", "line 2, column 9: "),
            ("[[collateral.source]]\nat = \"https://\"\n", "line 2, column 6: "),
            ("[[collateral.source]]\nat = \"a\"\npin_sha256 = [\"00\"]\n", "line 3, column 14: "),
            ("[[collateral.source]]\nat = \"a\"\ninsecure = true\n", "line 3, column 1: "),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.starts_with(place), "{text:?}: {fault}");
        }
    }

    #[test]
    fn two_ways_of_trust_are_none() {
        let text = "[[collateral.source]]\nat = \"https://a\"\nca_file = \"f\"\ndangerous_insecure = true\n";
        let config = parse(text).unwrap();
        assert!(config.sources[0].source().is_err());
    }
}
