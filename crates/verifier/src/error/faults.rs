//! What can be wrong with each kind of artefact, with the facts.

use alloc::string::String;
use core::fmt;

use tdattest_wire::certificate::SerialNumber;
use tdattest_wire::error::ParseError;
use tdattest_wire::time::UnixTime;

use super::Position;

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
