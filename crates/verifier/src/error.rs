//! Every way a verification can fail: one variant a check, with the facts, a stable code and Intel's QVL status.
//!
//! Must stay true: [`VerifyError::code`] is an exhaustive match and [`VerifyError::CODES`] lists what it can answer, so a
//! variant without a code does not compile, and a code without a row in `docs/spec-map.md` fails a test.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use tdattest_wire::bytes::{Fmspc, PceId};
use tdattest_wire::certificate::SerialNumber;
use tdattest_wire::error::ParseError;
use tdattest_wire::qe_identity::EnclaveId;
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use crate::verified::Facts;

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

/// What can be wrong with a certificate chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// Not PEM, or a certificate not DER.
    #[error("{0}")]
    Malformed(ParseError),
    /// Too many or too few certificates.
    #[error("has {found} certificates, expected {expected}")]
    Length {
        /// How many it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// No certificate, or more than one, is self-issued; or the others do not lead to it.
    #[error("certificates do not form a chain: no {0} that leads to its root")]
    Issuer(Position),
    /// The root is not the trust anchor.
    #[error("its root, `{found}`, has another key than the trust anchor, `{expected}`")]
    Untrusted {
        /// Name of the trust anchor.
        expected: String,
        /// Common name of the chain's root.
        found: String,
    },
    /// A certificate has not the common name of its role.
    #[error("{position} is named `{found}`, expected {expected}")]
    Role {
        /// Which certificate.
        position: Position,
        /// The name it must have, in words.
        expected: &'static str,
        /// Its common name.
        found: String,
    },
    /// Signed with, or for, something else than ECDSA P-256 and SHA-256.
    #[error("{0} is not signed with ECDSA and SHA-256, or its key is not on P-256")]
    Algorithm(Position),
    /// An extension is missing, malformed, or gives the wrong rights; or an unknown one is critical.
    #[error("{position}: extension {extension} is {problem}")]
    Extension {
        /// Which certificate.
        position: Position,
        /// Which extension.
        extension: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The authority key identifier is not the issuer's subject key identifier.
    #[error("{0} names another key of its issuer than the one that signed it")]
    KeyIdentifier(Position),
    /// The signature is not by the issuer.
    #[error("the signature of the {0} is not by its issuer")]
    Signature(Position),
    /// Its issuer has revoked it.
    #[error("{position} with serial number {serial} is revoked")]
    Revoked {
        /// Which certificate.
        position: Position,
        /// Its serial number.
        serial: SerialNumber,
    },
    /// It is not valid yet.
    #[error("{position} is not valid before {not_before}, and now is {now}")]
    NotYetValid {
        /// Which certificate.
        position: Position,
        /// Its first second.
        not_before: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
    /// It is not valid any more.
    #[error("{position} expired at {not_after}, and now is {now}")]
    Expired {
        /// Which certificate.
        position: Position,
        /// Its last second.
        not_after: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
}

/// What can be wrong with a CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlFault {
    /// Not DER, or not a CRL.
    #[error("{0}")]
    Malformed(ParseError),
    /// Its issuer is not the CA it is checked against.
    #[error("is issued by `{found}`, expected `{expected}`")]
    Issuer {
        /// Name of the CA.
        expected: String,
        /// Name of its issuer.
        found: String,
    },
    /// Signed with something else than ECDSA P-256 and SHA-256.
    #[error("is not signed with ECDSA and SHA-256")]
    Algorithm,
    /// An extension is missing or malformed, or an unknown one is critical.
    #[error("extension {extension} is {problem}")]
    Extension {
        /// Which extension.
        extension: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The authority key identifier is not the CA's subject key identifier.
    #[error("names another key of its issuer than the CA's")]
    KeyIdentifier,
    /// The signature is not by the CA.
    #[error("its signature is not by the CA")]
    Signature,
    /// It is from the future. No clock skew is allowed here, since Intel allows none.
    #[error("was issued at {this_update}, after now ({now})")]
    NotYetValid {
        /// When it was issued.
        this_update: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
    /// A newer one was due.
    #[error("expired at {next_update}, and now is {now}")]
    Expired {
        /// When the next one was due.
        next_update: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
}

/// What can be wrong with TCB info or a QE identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentFault {
    /// The signature is not by the TCB signing certificate.
    #[error("its signature is not by the TCB signing certificate")]
    Signature,
    /// Well signed, but not JSON of the right shape.
    #[error("{0}")]
    Malformed(ParseError),
    /// It is from the future.
    #[error("was issued at {issue_date}, after now ({now})")]
    NotYetIssued {
        /// When it was issued.
        issue_date: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
    /// A newer one was due.
    #[error("expired at {next_update}, and now is {now}")]
    Expired {
        /// When the next one was due.
        next_update: UnixTime,
        /// The time of the verification.
        now: UnixTime,
    },
}

/// Why a TDX module is refused before its level is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TdxModuleFault {
    /// The TCB info knows no module of this major version.
    #[error("TCB info has no identity for major version {0}")]
    Unknown(u8),
    /// MRSIGNERSEAM is another.
    #[error("MRSIGNERSEAM is not the one in the TCB info")]
    Signer,
    /// SEAMATTRIBUTES is not zero, or not the one in the TCB info.
    #[error("SEAMATTRIBUTES is not zero and equal to the one in the TCB info")]
    Attributes,
}

/// The fields that a QE must share with its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QeField {
    /// MISCSELECT under its mask.
    MiscSelect,
    /// ATTRIBUTES under their mask.
    Attributes,
    /// MRSIGNER.
    MrSigner,
    /// ISVPRODID.
    IsvProdId,
}

impl fmt::Display for QeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MiscSelect => "MISCSELECT",
            Self::Attributes => "ATTRIBUTES",
            Self::MrSigner => "MRSIGNER",
            Self::IsvProdId => "ISVPRODID",
        })
    }
}

/// Which part of the TCB has no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSupported {
    /// The platform's SVNs are below every TCB level.
    #[error("the platform's SVNs reach no TCB level")]
    Platform,
    /// The same, with the SVNs of now (TEE_TCB_SVN2) instead of those at launch.
    #[error("the platform's SVNs of now (TEE_TCB_SVN2) reach no TCB level")]
    CurrentPlatform,
    /// The TDX module's SVN is below every level of its identity.
    #[error("the TDX module's SVN reaches no TCB level")]
    TdxModule,
    /// The TDX module's level has a status that a module cannot have.
    #[error("the TDX module's TCB level has an unknown status")]
    TdxModuleStatus,
    /// The QE's SVN is below every level of its identity.
    #[error("the QE's SVN reaches no TCB level")]
    Qe,
    /// The TDX module that runs now (TEE_TCB_SVN2) is unknown to the TCB info, or below every level of its identity.
    #[error(
        "the TDX module that runs now (TEE_TCB_SVN2) is unknown to the TCB info, or its SVN reaches no TCB level"
    )]
    CurrentTdxModule,
}
