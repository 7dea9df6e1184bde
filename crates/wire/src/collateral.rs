//! Collateral: the documents that judging a quote takes, gathered from wherever they came, untrusted.
//!
//! The JSON form is the one the Rust ecosystem exchanges (`QuoteCollateralV3` of the `dcap-qvl` crate); a folder holds
//! the same parts as files. Whatever encoding a part arrives in is decoded here once; signed bytes stay verbatim.

use alloc::string::{FromUtf8Error, String};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bytes::{EcdsaSignature, Hex};
use crate::error::ParseError;
use crate::json;
use crate::limits;
use crate::pem;
use crate::qe_identity::QeIdentity;
use crate::signed::{Document, Signed};
use crate::tcb_info::TcbInfo;

/// Everything beside the quote that a verification needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collateral {
    /// The chain of the PCK CRL's issuer, PEM.
    pub pck_crl_issuer_chain: Vec<u8>,
    /// The root CA's CRL, DER.
    pub root_ca_crl: Vec<u8>,
    /// The PCK CA's CRL, DER.
    pub pck_crl: Vec<u8>,
    /// The chain of the TCB info's signer, PEM.
    pub tcb_info_issuer_chain: Vec<u8>,
    /// The TCB info.
    pub tcb_info: Signed<TcbInfo>,
    /// The chain of the QE identity's signer, PEM.
    pub qe_identity_issuer_chain: Vec<u8>,
    /// The QE identity.
    pub qe_identity: Signed<QeIdentity>,
    /// The PCK certificate chain, PEM: only used for a quote that does not carry its own.
    pub pck_certificate_chain: Option<Vec<u8>>,
}

/// The parts of [`Collateral`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Chain of the PCK CRL's issuer.
    PckCrlIssuerChain,
    /// Root CA CRL.
    RootCaCrl,
    /// PCK CRL.
    PckCrl,
    /// Chain of the TCB info's signer.
    TcbInfoIssuerChain,
    /// TCB info with its signature.
    TcbInfo,
    /// Chain of the QE identity's signer.
    QeIdentityIssuerChain,
    /// QE identity with its signature.
    QeIdentity,
    /// PCK certificate chain.
    PckCertificateChain,
}

impl Part {
    /// Every part, in the order of [`Collateral`].
    pub const ALL: [Self; 8] = [
        Self::PckCrlIssuerChain,
        Self::RootCaCrl,
        Self::PckCrl,
        Self::TcbInfoIssuerChain,
        Self::TcbInfo,
        Self::QeIdentityIssuerChain,
        Self::QeIdentity,
        Self::PckCertificateChain,
    ];

    /// Its name in the JSON form, and of its file in a folder before the ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::PckCrlIssuerChain => "pck_crl_issuer_chain",
            Self::RootCaCrl => "root_ca_crl",
            Self::PckCrl => "pck_crl",
            Self::TcbInfoIssuerChain => "tcb_info_issuer_chain",
            Self::TcbInfo => "tcb_info",
            Self::QeIdentityIssuerChain => "qe_identity_issuer_chain",
            Self::QeIdentity => "qe_identity",
            Self::PckCertificateChain => "pck_certificate_chain",
        }
    }

    /// The endings its file in a folder may have.
    pub fn file_endings(self) -> &'static [&'static str] {
        match self {
            Self::TcbInfo | Self::QeIdentity => &["json"],
            Self::RootCaCrl | Self::PckCrl => &["der", "crl", "pem", "hex"],
            _ => &["pem"],
        }
    }
}

/// Why parts do not make [`Collateral`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// A part is not there, or empty.
    #[error("collateral lacks `{}`", .0.name())]
    Missing(Part),
    /// A part cannot be read.
    #[error("`{}`: {fault}", .part.name())]
    Malformed {
        /// The part.
        part: Part,
        /// What is wrong with it.
        fault: ParseError,
    },
    /// The bundle itself cannot be read.
    #[error(transparent)]
    Bundle(ParseError),
}

impl Collateral {
    /// Parses a bundle: one JSON object whose members are the parts.
    ///
    /// `tcb_info` and `qe_identity` may be the inner objects with `…_signature` beside them, or whole answers of a PCS.
    ///
    /// # Errors
    /// When the text is too long, not such an object, or lacks a part.
    pub fn from_bundle(text: &[u8]) -> Result<Self, CollateralError> {
        const STRUCTURE: &str = "collateral bundle";
        let text = pem::without_nuls(text);
        json::bounded(text, limits::BUNDLE_BYTES, STRUCTURE).map_err(CollateralError::Bundle)?;
        let mut bundle: Bundle = serde_json::from_slice(text)
            .map_err(|fault| CollateralError::Bundle(json::json_error(text, STRUCTURE, &fault)))?;
        let tcb_info = bundle.tcb_info()?;
        let qe_identity = bundle.qe_identity()?;
        Self::assemble(|part| bundle.take(part), tcb_info, qe_identity)
    }

    /// Assembles the parts that `part` hands out: PEM chains, CRLs in any of their encodings, PCS answers.
    ///
    /// # Errors
    /// When a part is missing, empty, or cannot be read.
    pub fn from_parts(
        mut part: impl FnMut(Part) -> Option<Vec<u8>>,
    ) -> Result<Self, CollateralError> {
        let tcb_info = answer(Part::TcbInfo, part(Part::TcbInfo))?;
        let qe_identity = answer(Part::QeIdentity, part(Part::QeIdentity))?;
        Self::assemble(part, tcb_info, qe_identity)
    }

    fn assemble(
        mut part: impl FnMut(Part) -> Option<Vec<u8>>,
        tcb_info: Signed<TcbInfo>,
        qe_identity: Signed<QeIdentity>,
    ) -> Result<Self, CollateralError> {
        let mut required = |which: Part| present(which, part(which));
        let crl = |which, bytes: Vec<u8>| {
            pem::crl(&bytes).map_err(|fault| CollateralError::Malformed { part: which, fault })
        };
        Ok(Self {
            pck_crl_issuer_chain: required(Part::PckCrlIssuerChain)?,
            root_ca_crl: crl(Part::RootCaCrl, required(Part::RootCaCrl)?)?,
            pck_crl: crl(Part::PckCrl, required(Part::PckCrl)?)?,
            tcb_info_issuer_chain: required(Part::TcbInfoIssuerChain)?,
            tcb_info,
            qe_identity_issuer_chain: required(Part::QeIdentityIssuerChain)?,
            qe_identity,
            pck_certificate_chain: part(Part::PckCertificateChain)
                .filter(|text| says_something(text)),
        })
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    /// When a chain or document is not UTF-8: JSON could not carry it unchanged.
    pub fn to_bundle(&self) -> Result<String, FromUtf8Error> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map(Some);
        let hex = |bytes: &[u8]| Some(alloc::format!("{}", Hex(bytes)));
        let bundle = Bundle {
            pck_crl_issuer_chain: text(&self.pck_crl_issuer_chain)?,
            root_ca_crl: hex(&self.root_ca_crl),
            pck_crl: hex(&self.pck_crl),
            tcb_info_issuer_chain: text(&self.tcb_info_issuer_chain)?,
            tcb_info: text(self.tcb_info.signed_bytes())?,
            tcb_info_signature: hex(self.tcb_info.signature().as_ref()),
            qe_identity_issuer_chain: text(&self.qe_identity_issuer_chain)?,
            qe_identity: text(self.qe_identity.signed_bytes())?,
            qe_identity_signature: hex(self.qe_identity.signature().as_ref()),
            pck_certificate_chain: self
                .pck_certificate_chain
                .as_deref()
                .map(text)
                .transpose()?
                .flatten(),
        };
        // Strings only, so this cannot fail; an empty text would be refused by every reader.
        Ok(serde_json::to_string_pretty(&bundle).unwrap_or_default())
    }
}

/// The bytes of a part, unless it is absent or says nothing.
fn present(part: Part, bytes: Option<Vec<u8>>) -> Result<Vec<u8>, CollateralError> {
    bytes.filter(|bytes| says_something(bytes)).ok_or(CollateralError::Missing(part))
}

fn says_something(bytes: &[u8]) -> bool {
    !pem::without_nuls(bytes).trim_ascii().is_empty()
}

/// A document as a PCS answers it.
fn answer<T: Document>(part: Part, bytes: Option<Vec<u8>>) -> Result<Signed<T>, CollateralError> {
    Signed::from_outer(&present(part, bytes)?)
        .map_err(|fault| CollateralError::Malformed { part, fault })
}

/// A document whose signature the bundle keeps beside it; without one, the text is a whole answer.
fn beside<T: Document>(
    part: Part,
    body: Option<String>,
    signature: Option<String>,
) -> Result<Signed<T>, CollateralError> {
    let body = body.map(String::into_bytes);
    let Some(signature) = signature else { return answer(part, body) };
    let signature: EcdsaSignature = signature.trim().parse().map_err(|fault: ParseError| {
        let fault = ParseError { structure: "signature", ..fault };
        CollateralError::Malformed { part, fault }
    })?;
    Ok(Signed::new(present(part, body)?, signature))
}

/// The JSON form. Unknown members are let pass, since the form grows; a misspelt part is reported as missing.
#[derive(Deserialize, Serialize)]
struct Bundle {
    pck_crl_issuer_chain: Option<String>,
    root_ca_crl: Option<String>,
    pck_crl: Option<String>,
    tcb_info_issuer_chain: Option<String>,
    tcb_info: Option<String>,
    tcb_info_signature: Option<String>,
    qe_identity_issuer_chain: Option<String>,
    qe_identity: Option<String>,
    qe_identity_signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pck_certificate_chain: Option<String>,
}

impl Bundle {
    fn tcb_info(&mut self) -> Result<Signed<TcbInfo>, CollateralError> {
        beside(Part::TcbInfo, self.tcb_info.take(), self.tcb_info_signature.take())
    }

    fn qe_identity(&mut self) -> Result<Signed<QeIdentity>, CollateralError> {
        beside(Part::QeIdentity, self.qe_identity.take(), self.qe_identity_signature.take())
    }

    fn take(&mut self, part: Part) -> Option<Vec<u8>> {
        let text = match part {
            Part::PckCrlIssuerChain => self.pck_crl_issuer_chain.take(),
            Part::RootCaCrl => self.root_ca_crl.take(),
            Part::PckCrl => self.pck_crl.take(),
            Part::TcbInfoIssuerChain => self.tcb_info_issuer_chain.take(),
            Part::TcbInfo => self.tcb_info.take(),
            Part::QeIdentityIssuerChain => self.qe_identity_issuer_chain.take(),
            Part::QeIdentity => self.qe_identity.take(),
            Part::PckCertificateChain => self.pck_certificate_chain.take(),
        };
        text.map(String::into_bytes)
    }
}
