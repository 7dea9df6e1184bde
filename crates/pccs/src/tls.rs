//! The certificate of the service: given in files, or made here under a CA of its own; exchanged without a restart.
//!
//! Must stay true: a certificate that cannot be used never replaces one that can; private keys are for their owner alone.

mod authority;
mod files;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use self::files::Stamp;
use crate::api::Clock;

pub use self::authority::CA_FILE;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSettings {
    /// From files that somebody else renews.
    Files {
        /// The certificate and those above it, PEM, its own first.
        certificate: PathBuf,
        /// Its key, PEM.
        private_key: PathBuf,
    },
    /// Made here.
    Generated {
        /// The folder of the CA, the certificate and their keys.
        folder: PathBuf,
        /// For which names and addresses, besides those of this machine.
        names: Vec<ServerName>,
    },
}

/// A name or an address by which clients know the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

impl std::str::FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let good = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match text.len() <= 253 && text.split('.').all(good) {
            true => Ok(Self::Dns(text.to_ascii_lowercase())),
            false => {
                let found = text.escape_debug();
                Err(format!(
                    "`{found}`, expected a DNS name or an address, such as pccs.example.org"
                ))
            }
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {fault}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        fault: std::io::Error,
    },
    /// A file is not what it is to be.
    #[error("{}: {cause}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What was expected.
        cause: String,
    },
    /// The key is another certificate's.
    #[error("the private key {} does not belong to the certificate {}", private_key.display(), certificate.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
    /// The CA may not certify a name that is asked for.
    #[error("the CA in {} was made for other names than `{name}`", folder.display())]
    NotForName {
        /// The folder of the CA.
        folder: PathBuf,
        /// The name.
        name: String,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Generate(#[from] rcgen::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate in use, and how to find the next.
pub struct Tls {
    settings: TlsSettings,
    clock: Clock,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    seen: Mutex<Seen>,
}

/// What was found at the last look.
struct Seen {
    /// The files that were taken, or whose content is of no use.
    stamp: Stamp,
    making: Told,
    taking: Told,
}

/// The mistake that was told last: it is told once, not at every look.
#[derive(Default)]
struct Told(Option<String>);

impl Told {
    /// The outcome, but nothing in place of a mistake that was told.
    fn once<T: Default>(
        &mut self,
        outcome: Result<T, TlsError>,
        in_any_case: bool,
    ) -> Result<T, TlsError> {
        let before = self.0.take();
        let Err(fault) = outcome else { return outcome };
        let text = fault.to_string();
        let is_told = !in_any_case && before.as_ref() == Some(&text);
        self.0 = Some(text);
        if is_told { Ok(T::default()) } else { Err(fault) }
    }
}

impl Tls {
    /// Reads the certificate, or makes one. One that ends soon will do where no other can be written.
    ///
    /// # Errors
    /// When there is none that can be used.
    pub fn start(settings: TlsSettings, clock: Clock) -> Result<Self, TlsError> {
        let (certificate, private_key) = paths(&settings);
        let mut making = Told::default();
        if let TlsSettings::Generated { folder, names } = &settings {
            match making.once(authority::keep(folder, names, clock()), true) {
                Err(fault @ TlsError::File { .. }) if authority::is_usable(folder, clock()) => {
                    tracing::error!(cause = %fault, "no new certificate can be written: the one that is there is used until its end");
                }
                made => made?,
            }
        }
        // Before they are read: what changes in between is read once more.
        let stamp = Stamp::of(&certificate, &private_key);
        let key = files::certified_key(&certificate, &private_key)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(key))));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let seen = Mutex::new(Seen { stamp, making, taking: Told::default() });
        Ok(Self { settings, clock, current, config, seen })
    }

    /// The CA that clients are to trust, if it was made here.
    pub fn ca_file(&self) -> Option<PathBuf> {
        match &self.settings {
            TlsSettings::Files { .. } => None,
            TlsSettings::Generated { folder, .. } => Some(folder.join(CA_FILE)),
        }
    }

    /// Makes a new certificate if the one that was made here ends soon, and takes the files if they have changed, or
    /// in any case. Whether they were taken.
    ///
    /// # Errors
    /// When what is there cannot be used; what was in use stays.
    pub fn renew(&self, in_any_case: bool) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match &self.settings {
            TlsSettings::Generated { folder, names } => {
                authority::keep(folder, names, (self.clock)())
            }
            TlsSettings::Files { .. } => Ok(()),
        };
        // What is there is looked at all the same: another process may have made it.
        let taken = self.take(&mut seen.stamp, in_any_case);
        seen.making.once(made, in_any_case)?;
        seen.taking.once(taken, in_any_case)
    }

    /// Takes the files if they are not those of the stamp, or in any case.
    fn take(&self, seen: &mut Stamp, in_any_case: bool) -> Result<bool, TlsError> {
        let (certificate, private_key) = paths(&self.settings);
        let stamp = Stamp::of(&certificate, &private_key);
        if !in_any_case && stamp == *seen {
            return Ok(false);
        }
        let key = files::certified_key(&certificate, &private_key);
        // What could not be read may be readable at the next look, though nothing tells so.
        if !matches!(key, Err(TlsError::File { .. })) {
            *seen = stamp;
        }
        let key = key?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        Ok(true)
    }

    /// What speaks TLS on a connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Certificate and key.
fn paths(settings: &TlsSettings) -> (PathBuf, PathBuf) {
    match settings {
        TlsSettings::Files { certificate, private_key } => {
            (certificate.clone(), private_key.clone())
        }
        TlsSettings::Generated { folder, .. } => authority::paths(folder),
    }
}

/// The certificate in use.
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

fn file(path: &Path, fault: std::io::Error) -> TlsError {
    TlsError::File { path: path.into(), fault }
}

/// Gathers the entropy of this process's first random number, which takes AWS-LC some 35 milliseconds: early and aside,
/// so that the first client does not wait for it.
pub fn seed_random() {
    // Whoever needs randomness finds that there is none, and says so.
    let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0; 1]);
}

#[cfg(test)]
mod tests;
