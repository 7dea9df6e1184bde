//! How the service is to run: our own TOML, or the `config/default.json` of Intel's service.
//!
//! Must stay true: a key that is not known, or a value that makes no sense, is an error with its place; a key of Intel's
//! that has no effect here is named; a secret is never shown.

mod comments;
mod intel;
mod own;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tdattest_collateral::{RetryPolicy, Source};

use crate::api::Settings;
use crate::server::{Limits, ListenAt, Listener};
use crate::service::{Counters, Rhythm};
use crate::tls::{ServerName, TlsSettings};

/// The port at which clients look for Intel's service.
pub const PORT: u16 = 8081;

/// Where everything is kept, unless told otherwise.
pub const STATE: &str = "/var/lib/tdattest-pccs";

/// How the service is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients come in.
    pub listen: Vec<ListenAt>,
    /// Whether plain HTTP may be spoken where others are on the way.
    pub dangerous_plain_http: bool,
    /// The folder of everything that is kept here.
    pub state: PathBuf,
    /// Where the certificate comes from.
    pub certificate: CertificateAt,
    /// What is kept where.
    pub store: StoreAt,
    /// Whom documents are asked of, in this order.
    pub sources: Vec<SourceAt>,
    /// How the sources are asked again.
    pub retry: RetryPolicy,
    /// How the API answers. Nobody is told of it until [`Self::settings`] says whom.
    pub api: Settings,
    /// A root certificate, PEM, instead of Intel's.
    pub root_certificate: Option<PathBuf>,
    /// Where metrics and health are served over HTTP.
    pub metrics: Option<SocketAddr>,
    /// How much of everything.
    pub limits: Limits,
    /// How often each thing is done by itself.
    pub rhythm: Rhythm,
    /// The user to become once the sockets are open.
    pub user: Option<String>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateAt {
    /// It is made in the folder of the service, for these names besides those of this machine.
    Generated(Vec<ServerName>),
    /// From files.
    Files {
        /// The certificate, PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        private_key: PathBuf,
    },
}

/// What is kept where.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// Nowhere: it is gone when the service ends.
    Memory,
    /// In a file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, by its URL, which may hold a password.
    Postgres {
        /// The URL.
        url: UrlAt,
        /// The CA of its server's certificate, instead of the system's.
        ca_file: Option<PathBuf>,
    },
}

/// Where the URL of a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlAt {
    /// Here.
    Given(String),
    /// In a file.
    File(PathBuf),
}

/// Whom documents are asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAt {
    /// The source, with its key if that stood in the configuration.
    pub source: Source,
    /// The file with its key.
    pub api_key_file: Option<PathBuf>,
}

impl Default for Config {
    /// As without a file: where Intel's clients look, from Intel, fetched when somebody asks.
    fn default() -> Self {
        let state = PathBuf::from(STATE);
        Self {
            listen: vec![ListenAt::Https(SocketAddr::from(([127, 0, 0, 1], PORT)))],
            dangerous_plain_http: false,
            certificate: CertificateAt::Generated(Vec::new()),
            store: StoreAt::Sqlite(state.join(DATABASE)),
            state,
            sources: vec![SourceAt { source: Source::intel(), api_key_file: None }],
            retry: RetryPolicy::default(),
            api: Settings::default(),
            root_certificate: None,
            metrics: None,
            limits: Limits::default(),
            rhythm: Rhythm::default(),
            user: None,
        }
    }
}

/// The database in the folder of the service.
const DATABASE: &str = "pccs.sqlite";

impl Config {
    /// Reads our own form.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        own::read(text)
    }

    /// Reads the form of Intel's service, `config/default.json`, and says which of its keys have no effect here.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_intel(text: &str) -> Result<(Self, Vec<String>), ConfigError> {
        intel::read(text)
    }

    /// Keeps everything in another folder.
    pub fn move_state(&mut self, folder: &Path) {
        if self.store == StoreAt::Sqlite(self.state.join(DATABASE)) {
            self.store = StoreAt::Sqlite(folder.join(DATABASE));
        }
        self.state = folder.into();
    }

    /// Where the certificate comes from; nothing where none is needed. The listeners are those that are open, which need
    /// not be those that are named here.
    pub fn tls(&self, listeners: &[Listener]) -> Option<TlsSettings> {
        let needed = listeners.iter().any(|open| matches!(open.at(), ListenAt::Https(_)));
        needed.then(|| match &self.certificate {
            CertificateAt::Generated(names) => {
                TlsSettings::Generated { folder: self.state.join("tls"), names: names.clone() }
            }
            CertificateAt::Files { certificate, private_key } => TlsSettings::Files {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            },
        })
    }

    /// The settings of the API, which tells these counters what it does.
    pub fn settings(&self, counters: &Counters) -> Settings {
        Settings { watcher: Some(counters.watcher()), ..self.api.clone() }
    }

    /// What is right by itself, and not together.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |cause: String| Err(ConfigError { place: None, cause });
        if self.listen.is_empty() {
            return wrong("`listen` is empty, expected at least one address".into());
        }
        if let Some(at) = self.listen.iter().find(|at| at.is_exposed())
            && !self.dangerous_plain_http
        {
            return wrong(format!(
                "`listen` has {at}, where whoever is on the way can read tokens: use HTTPS, a loopback address or a Unix socket, or say dangerous_plain_http = true"
            ));
        }
        let api = &self.api;
        if self.limits.answer < api.client_deadline {
            return wrong("the deadline of a client is longer than an answer may take".into());
        }
        for (name, hash) in [("user", &api.user_token_hash), ("admin", &api.admin_token_hash)] {
            let is_hash = |hash: &String| {
                hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            if hash.as_ref().is_some_and(|hash| !is_hash(hash)) {
                return wrong(format!(
                    "the hash of the {name} token is no SHA-512, which has {HASH_DIGITS} hexadecimal digits"
                ));
            }
        }
        Ok(())
    }
}

/// The digits of a SHA-512.
const HASH_DIGITS: usize = 128;

impl fmt::Debug for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { .. } => f.write_str("postgresql"),
        }
    }
}

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// From 1; `None` if it is nowhere, such as in two keys together.
    pub place: Option<Place>,
    /// What was expected, and what was found.
    pub cause: String,
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => {
                write!(f, "line {line}, column {column}: {}", self.cause)
            }
            None => f.write_str(&self.cause),
        }
    }
}

impl Place {
    /// The place of a byte.
    fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: line.chars().count().saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests;
