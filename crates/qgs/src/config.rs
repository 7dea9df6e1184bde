//! How the service is to run: our own TOML, or the `qgs.conf` of Intel's daemon.
//!
//! Must stay true: a key that is not known, or a value that makes no sense, is an error with its place; nothing is taken
//! to mean something else.

mod intel;
mod own;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::backend::intel::IntelSettings;
use crate::listen::UnixSettings;
use crate::service::Settings;

/// The port at which virtual machines look for the service.
pub const VSOCK_PORT: u32 = 4050;

/// How the service is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where peers come in.
    pub listen: Listen,
    /// What makes the quotes.
    pub backend: BackendConfig,
    /// Workers, limits, deadlines.
    pub settings: Settings,
    /// Where metrics and health are served over HTTP.
    pub metrics: Option<SocketAddr>,
    /// Where `tdattest qgs status` asks.
    pub status: Option<UnixSettings>,
    /// The user to become once the sockets are open.
    pub user: Option<String>,
}

/// Where peers come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A Unix socket.
    pub unix: Option<UnixSettings>,
    /// A vsock port.
    pub vsock: Option<u32>,
    /// Whether somebody asked for them; else what this host does not have is left out.
    pub asked_for: bool,
}

/// What makes the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendConfig {
    /// Intel's libraries.
    Intel(IntelSettings),
    /// A simulated platform.
    Simulated {
        /// Its folder.
        platform: PathBuf,
    },
}

impl Default for Config {
    /// As without a file: where Intel's clients look, with Intel's libraries.
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            backend: BackendConfig::Intel(IntelSettings::default()),
            settings: Settings::default(),
            metrics: None,
            status: Some(status_socket()),
            user: None,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self { unix: Some(UnixSettings::default()), vsock: Some(VSOCK_PORT), asked_for: false }
    }
}

/// The socket of `tdattest qgs status`, unless told otherwise.
fn status_socket() -> UnixSettings {
    UnixSettings { path: "/run/tdx-qgs/status.socket".into(), mode: 0o660, group: None }
}

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// From 1; `None` if it is nowhere, such as a section that is missing.
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

impl Config {
    /// Reads our own form.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        own::read(text)
    }

    /// Reads the form of Intel's daemon.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_intel(text: &str) -> Result<Self, ConfigError> {
        intel::read(text)
    }
}

#[cfg(test)]
mod tests;
