//! Whether the server at the other end is the one that was meant: the system's roots, a file of CAs, or a pinned
//! certificate.
//!
//! Source: RFC 8446; Intel's PCCS before 1.27, whose certificates are of X.509 version 1, self-signed and without names.
//! Must stay true: whatever is trusted, the server proves that it has the key of the certificate that it shows.

mod public_key;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;
use sha2::{Digest as _, Sha256};
use tdattest_wire::bytes::Hex;

use crate::error::SourceError;
use public_key::PublicKey;

/// Largest file of CAs: those of a whole system have 300 KB.
const CA_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What makes a server the right one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// A certificate for its name, from a CA that this system trusts.
    #[default]
    System,
    /// A certificate for its name, from a CA of this file (PEM) and no other.
    CaFile(PathBuf),
    /// One of these certificates, whatever they say: names, dates and issuers are not looked at.
    Pins(Vec<Pin>),
    /// Any certificate. Whoever is on the way can read and change everything; documents are verified all the same.
    DangerousInsecure,
}

/// The SHA-256 of a certificate, DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = SourceError;

    /// Hexadecimal, with or without the colons that `openssl x509 -fingerprint` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.trim().chars().filter(|digit| *digit != ':').collect();
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| SourceError::Pin(text.into()))
    }
}

impl Trust {
    /// How TLS is spoken under this trust: version 1.2 or newer.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, SourceError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let algorithms = Arc::clone(&provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| SourceError::Http(fault.to_string()))?;
        let config = match self {
            Self::System => config
                .with_platform_verifier()
                .map_err(|fault| SourceError::SystemRoots(described(&fault)))?,
            Self::CaFile(path) => config.with_root_certificates(roots(path)?),
            Self::Pins(pins) => {
                let shown = ShownCertificate { pins: Some(pins.clone()), provider: algorithms };
                config.dangerous().with_custom_certificate_verifier(Arc::new(shown))
            }
            Self::DangerousInsecure => {
                let shown = ShownCertificate { pins: None, provider: algorithms };
                config.dangerous().with_custom_certificate_verifier(Arc::new(shown))
            }
        };
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// How TLS is spoken where there is none: nobody is trusted.
    pub(crate) fn nobody() -> Result<ClientConfig, SourceError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| SourceError::Http(fault.to_string()))?;
        Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}

/// A fault of TLS in the words of whoever reads it.
pub(crate) fn described(fault: &rustls::Error) -> String {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    match fault {
        rustls::Error::General(text) => text.clone(),
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "its certificate is from no CA that is trusted here".into()
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "its certificate is for another name".into()
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "its certificate has expired".into()
        }
        other if other.to_string().contains("UnsupportedCertVersion") => {
            "its certificate is of X.509 version 1, which names no server; pin it by its SHA-256"
                .into()
        }
        other => other.to_string(),
    }
}

/// Whether it says that this is the wrong server: by the rules of TLS, or by those of this module.
pub(crate) fn is_refusal(fault: &rustls::Error) -> bool {
    matches!(fault, rustls::Error::InvalidCertificate(_) | rustls::Error::General(_))
}

fn roots(path: &Path) -> Result<RootCertStore, SourceError> {
    let fault = |cause: String| SourceError::CaFile { path: path.into(), cause };
    let mut text = Vec::new();
    File::open(path)
        // One byte more than allowed tells a file at the limit from a longer one.
        .and_then(|file| file.take(CA_FILE_BYTES.saturating_add(1)).read_to_end(&mut text))
        .map_err(|error| fault(error.to_string()))?;
    if u64::try_from(text.len()).map_or(true, |length| length > CA_FILE_BYTES) {
        return Err(fault(format!("it is larger than {CA_FILE_BYTES} bytes")));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(described(&error)))?;
    }
    if roots.is_empty() {
        return Err(fault("there is no certificate in it, PEM".into()));
    }
    Ok(roots)
}

/// Trusts a certificate for being itself, or any; the server must have its key in either case.
#[derive(Debug)]
struct ShownCertificate {
    /// `None` where any is as good as another.
    pins: Option<Vec<Pin>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ShownCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Pin::of(end_entity);
        if self.pins.as_ref().is_none_or(|pins| pins.contains(&found)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "its certificate has SHA-256 {found}, another is pinned"
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        PublicKey::of(certificate)?.verify(message, signed, &self.provider)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = PublicKey::of(certificate)?;
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key.info().into(), signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_pin_with_and_without_colons() {
        let pin = Pin::of(b"a certificate");
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let colons: Vec<String> = pin.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(colons.join(":").parse(), Ok(pin));
        assert_eq!("ab".parse::<Pin>(), Err(SourceError::Pin("ab".into())));
    }

    #[test]
    fn a_file_without_a_certificate_is_no_file_of_cas() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let trust = Trust::CaFile(file.path().into());
        assert!(matches!(trust.client_config(), Err(SourceError::CaFile { .. })));
    }

    #[test]
    fn a_file_of_cas_is_never_read_in_part() {
        let key = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
        let mut text = key.cert.pem().into_bytes();
        text.resize(usize::try_from(CA_FILE_BYTES).unwrap(), b'\n');
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert!(roots(file.path()).is_ok());
        text.push(b'\n');
        std::fs::write(file.path(), &text).unwrap();
        assert!(matches!(roots(file.path()), Err(SourceError::CaFile { .. })));
    }
}
