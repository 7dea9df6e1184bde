//! A chain of certificates before it is sealed: leaf first, as PEM text.

use data_encoding::BASE64;

use super::CertificateDraft;
use crate::error::MintError;

/// A chain to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainDraft {
    /// The certificates, leaf first.
    pub certificates: Vec<CertificateDraft>,
    /// Where the text breaks off, in bytes; `None` to have it whole.
    pub cut_at: Option<usize>,
}

/// Base64 characters in a line (RFC 7468, section 2).
const LINE: usize = 64;

impl ChainDraft {
    /// A chain of these certificates.
    pub fn new(certificates: Vec<CertificateDraft>) -> Self {
        Self { certificates, cut_at: None }
    }

    /// The certificate the chain is about.
    pub fn leaf(&mut self) -> Option<&mut CertificateDraft> {
        self.certificates.first_mut()
    }

    /// The PEM text.
    ///
    /// # Errors
    /// When a certificate cannot be encoded.
    pub fn pem(&self) -> Result<Vec<u8>, MintError> {
        let mut text = String::new();
        for certificate in &self.certificates {
            text.push_str(&pem("CERTIFICATE", &certificate.der()?));
        }
        let mut text = text.into_bytes();
        text.truncate(self.cut_at.unwrap_or(text.len()));
        Ok(text)
    }
}

/// One PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(LINE) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
