//! Where the database is, and the TLS on the way there.
//!
//! Must stay true: TLS that does not verify the server is no choice; a password that goes over a network goes over TLS,
//! unless `sslmode` says otherwise.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::StoreError;
use super::PostgresSettings;

/// A database's address, with the TLS that it asks for.
pub(super) struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Reads the address.
    pub(super) fn read(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let config = config(&settings.address, settings.deadline)?;
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(tls(settings)?)),
        };
        Ok(Self { config, tls })
    }

    /// What opens connections to it.
    pub(super) fn manager(self, config: ManagerConfig) -> Manager {
        match self.tls {
            Some(tls) => Manager::from_config(self.config, tls, config),
            None => Manager::from_config(self.config, NoTls, config),
        }
    }
}

fn config(address: &str, deadline: Duration) -> Result<Config, StoreError> {
    // The library knows neither word; we verify in every mode.
    let spelled = address
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    // What the library says of it may repeat a part of the password.
    let mut config: Config = spelled.parse().map_err(|_| {
        StoreError::Misconfigured(
            "the address of the database cannot be read; expected postgres://user:password@host/name?sslmode=require"
                .into(),
        )
    })?;
    if !spelled.contains("sslmode=") {
        let mode = if is_local(&config) { SslMode::Disable } else { SslMode::Require };
        config.ssl_mode(mode);
    }
    if config.get_application_name().is_none() {
        config.application_name("tdattest-pccs");
    }
    config.connect_timeout(deadline);
    config.keepalives_idle(Duration::from_secs(10));
    config.tcp_user_timeout(deadline.saturating_mul(2));
    Ok(config)
}

/// Whether every host of an address is this machine.
fn is_local(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    };
    config.get_hosts().iter().all(is_local)
        && config.get_hostaddrs().iter().all(|ip| ip.is_loopback())
}

fn tls(settings: &PostgresSettings) -> Result<ClientConfig, StoreError> {
    let broken = |fault: rustls::Error| StoreError::Broken(format!("TLS to the database: {fault}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    let Some(file) = &settings.ca_file else {
        let verifier = Arc::new(Verifier::new(provider).map_err(broken)?);
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        return Ok(builder.with_no_client_auth());
    };
    let unread = |fault: &dyn std::fmt::Display| {
        StoreError::Misconfigured(format!("the certificates in {}: {fault}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|fault| unread(&fault))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|fault| unread(&fault))?;
        roots.add(certificate).map_err(|fault| unread(&fault))?;
    }
    if roots.is_empty() {
        return Err(unread(&"expected PEM certificates, found none"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(address: &str) -> SslMode {
        config(address, Duration::from_secs(1)).unwrap().get_ssl_mode()
    }

    #[test]
    fn requires_tls_unless_the_database_is_on_this_machine() {
        for local in [
            "postgres://u@localhost/d",
            "postgres://u@127.0.0.1/d",
            "postgres://u@[::1]/d",
            "postgres://u@%2Frun%2Fpostgresql/d",
            "host=/run/postgresql user=u",
        ] {
            assert_eq!(mode(local), SslMode::Disable, "{local}");
        }
        for elsewhere in [
            "postgres://u@db.example.org/d",
            "postgres://u@192.0.2.1/d",
            "postgres://u@localhost,db.example.org/d",
            "host=localhost hostaddr=192.0.2.1 user=u",
        ] {
            assert_eq!(mode(elsewhere), SslMode::Require, "{elsewhere}");
        }
    }

    #[test]
    fn follows_the_ssl_mode_of_the_address() {
        for (name, expected) in [
            ("disable", SslMode::Disable),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::Require),
            ("verify-full", SslMode::Require),
        ] {
            assert_eq!(mode(&format!("postgres://u@db/d?sslmode={name}")), expected);
            assert_eq!(mode(&format!("host=localhost user=u sslmode={name}")), expected);
        }
    }

    #[test]
    fn repeats_nothing_of_an_address_that_it_cannot_read() {
        for address in ["postgres://u:sec:ret@h:port/d", "secret", "host=h secret=1"] {
            let fault = config(address, Duration::from_secs(1)).unwrap_err();
            assert!(!fault.to_string().contains("sec"), "{fault}");
            assert!(matches!(fault, StoreError::Misconfigured(_)));
        }
        let settings = PostgresSettings::new("postgres://u:secret@h/d");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
