//! Every way a verification can fail: one variant a check, with the facts, a stable code and Intel's QVL status.
//!
//! Must stay true: [`VerifyError::code`] is an exhaustive match and [`VerifyError::CODES`] lists what it can answer, so a
//! variant without a code does not compile, and a code without a row in `docs/spec-map.md` fails a test.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use tdattest_wire::bytes::{Fmspc, PceId};
use tdattest_wire::error::ParseError;
use tdattest_wire::qe_identity::EnclaveId;
use tdattest_wire::quote::TeeType;

use crate::verified::Facts;

mod faults;
pub use faults::{ChainFault, CrlFault, DocumentFault, NotSupported, QeField, TdxModuleFault};

/// A refused quote: what was wrong first, what else was wrong, and every fact established before and besides.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    error: VerifyError,
    others: Vec<VerifyError>,
    facts: Box<Facts>,
}

impl Failure {
    pub(crate) fn new(error: VerifyError, others: Vec<VerifyError>, facts: Facts) -> Self {
        Self { error, others, facts: Box::new(facts) }
    }

    /// The error that decides: one that leaves nothing to rely on before one of dates or revocation.
    pub fn error(&self) -> &VerifyError {
        &self.error
    }

    /// The other errors met, in the order of the checks.
    pub fn others(&self) -> &[VerifyError] {
        &self.others
    }

    /// What was established, all of it under the shadow of the error.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Failure {}

/// The artefacts of a verification beside the quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Artefact {
    /// The PCK certificate chain.
    PckChain,
    /// The chain of the PCK CRL's issuer.
    PckCrlIssuerChain,
    /// The chain of the TCB info's signer.
    TcbInfoIssuerChain,
    /// The chain of the QE identity's signer.
    QeIdentityIssuerChain,
    /// The root CA's CRL.
    RootCaCrl,
    /// The PCK CA's CRL.
    PckCrl,
    /// The TCB info.
    TcbInfo,
    /// The QE identity.
    QeIdentity,
}

impl Artefact {
    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::PckChain => "PCK certificate chain",
            Self::PckCrlIssuerChain => "PCK CRL issuer chain",
            Self::TcbInfoIssuerChain => "TCB info issuer chain",
            Self::QeIdentityIssuerChain => "QE identity issuer chain",
            Self::RootCaCrl => "root CA CRL",
            Self::PckCrl => "PCK CRL",
            Self::TcbInfo => "TCB info",
            Self::QeIdentity => "QE identity",
        }
    }
}

impl fmt::Display for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The places in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// The self-issued certificate at its end.
    Root,
    /// The CA between root and PCK certificate.
    PckCa,
    /// The PCK certificate.
    Pck,
    /// The signer of TCB info and identities.
    TcbSigning,
}

impl Position {
    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root CA certificate",
            Self::PckCa => "PCK CA certificate",
            Self::Pck => "PCK certificate",
            Self::TcbSigning => "TCB signing certificate",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a quote, or its collateral, is refused. In the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A certificate chain is not what it must be.
    #[error("{chain}: {fault}")]
    Chain {
        /// Which chain.
        chain: Artefact,
        /// What is wrong.
        fault: ChainFault,
    },
    /// A CRL is not what it must be.
    #[error("{crl}: {fault}")]
    Crl {
        /// Which CRL.
        crl: Artefact,
        /// What is wrong.
        fault: CrlFault,
    },
    /// A signed document is not what it must be.
    #[error("{document}: {fault}")]
    Document {
        /// Which document.
        document: Artefact,
        /// What is wrong.
        fault: DocumentFault,
    },
    /// The quote carries no PCK certificate chain, and the collateral has none for it.
    #[error(
        "the quote carries `{found}` instead of a PCK certificate chain, and the collateral has no `pck_certificate_chain`"
    )]
    PckChainMissing {
        /// The name of the certification data type.
        found: &'static str,
    },
    /// The PCK certificate's SGX extension is absent or malformed.
    #[error("PCK certificate: {0}")]
    PckExtension(ParseError),
    /// The PCK CRL is by another CA than the one that issued the PCK certificate.
    #[error(
        "PCK CRL is by `{crl_issuer}`, whose key is not that of `{pck_issuer}`, which issued the PCK certificate"
    )]
    PckCrlOfOtherCa {
        /// Common name of the PCK certificate's issuer.
        pck_issuer: String,
        /// Common name of the CRL's issuer.
        crl_issuer: String,
    },
    /// The TCB info is for the other TEE.
    #[error("TCB info is for {tcb_info}, but the quote is from {quote}")]
    TcbInfoOfOtherTee {
        /// The TEE of the TCB info.
        tcb_info: TeeType,
        /// The TEE of the quote.
        quote: TeeType,
    },
    /// The TCB info is for another platform family.
    #[error("TCB info is for FMSPC {tcb_info}, but the PCK certificate says {pck}")]
    FmspcMismatch {
        /// FMSPC of the PCK certificate.
        pck: Fmspc,
        /// FMSPC of the TCB info.
        tcb_info: Fmspc,
    },
    /// The TCB info is for another PCE.
    #[error("TCB info is for PCEID {tcb_info}, but the PCK certificate says {pck}")]
    PceIdMismatch {
        /// PCEID of the PCK certificate.
        pck: PceId,
        /// PCEID of the TCB info.
        tcb_info: PceId,
    },
    /// The TDX module is not one that Intel lists.
    #[error("TDX module: {0}")]
    TdxModule(TdxModuleFault),
    /// The QE report's signature is not by the PCK.
    #[error("the QE report's signature is not by the PCK certificate's key")]
    QeReportSignature,
    /// The QE report does not commit to the attestation key.
    #[error(
        "the QE report's data is not the hash of the attestation key and the QE authentication data, then 32 zero bytes"
    )]
    AttestationKeyNotBound,
    /// The QE identity is of another enclave.
    #[error("QE identity is of {found}, expected {expected}")]
    QeIdentityOfOtherEnclave {
        /// The enclave that this TEE needs.
        expected: EnclaveId,
        /// The enclave it is of.
        found: EnclaveId,
    },
    /// The QE is not the enclave that the QE identity describes.
    #[error("the QE's {0} is not the QE identity's")]
    QeMismatch(QeField),
    /// The attestation key is no point on P-256.
    #[error("the attestation key is not a point on the curve P-256")]
    AttestationKey,
    /// The quote's signature is not by the attestation key.
    #[error("the quote's signature is not by its attestation key")]
    QuoteSignature,
    /// The TCB is below, or beside, everything that Intel lists.
    #[error("TCB not supported: {0}")]
    TcbNotSupported(NotSupported),
}
