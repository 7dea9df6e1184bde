//! Faults: each breaks exactly one thing that one check of a verifier must notice.
//!
//! Must stay true: a fault is applied before sealing, so that everything else about the artefact still holds; it breaks
//! the quote or the collateral, never both.

mod about;
mod break_chain;
mod break_collateral;
mod break_crl;
mod break_quote;

use std::fmt;
use std::str::FromStr;

/// One thing that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Of the chain of the PCK CRL's issuer.
    PckCrlIssuerChain(ChainFault),
    /// Of the root CA's CRL.
    RootCaCrl(CrlFault),
    /// Of the PCK CA's CRL.
    PckCrl(CrlFault),
    /// Of the chain of the TCB info's signer.
    TcbInfoIssuerChain(ChainFault),
    /// Of the TCB info as a document.
    TcbInfo(DocumentFault),
    /// Of the chain of the QE identity's signer.
    QeIdentityIssuerChain(ChainFault),
    /// Of the QE identity as a document.
    QeIdentity(DocumentFault),
    /// Of the PCK certificate chain.
    PckChain(ChainFault),
    /// Neither quote nor collateral has a PCK certificate chain.
    PckChainMissing,
    /// The PCK certificate has no SGX extension.
    SgxExtension,
    /// The PCK CRL is the other CA's.
    PckCrlOfOtherCa,
    /// The TCB info is for the other TEE.
    TcbInfoOfOtherTee,
    /// The TCB info is for another platform family.
    Fmspc,
    /// The TCB info is for another PCE.
    PceId,
    /// The TCB info lists no TDX module of this major version.
    TdxModuleUnknown,
    /// Somebody else signed the TDX module.
    TdxModuleSigner,
    /// The TDX module is none of production.
    TdxModuleAttributes,
    /// The QE report is signed by another key than the PCK.
    QeReportSignature,
    /// The QE did not commit to the attestation key.
    AttestationKeyBinding,
    /// The QE identity is of another enclave.
    QeIdentityOfOtherEnclave,
    /// The QE has another MISCSELECT.
    QeMiscSelect,
    /// The QE has other attributes: it runs in debug mode.
    QeAttributes,
    /// The QE has another signer.
    QeMrSigner,
    /// The QE is another product.
    QeIsvProdId,
    /// The attestation key is no point of the curve.
    AttestationKey,
    /// The quote is signed by another key than the attestation key.
    QuoteSignature,
    /// The platform reaches no TCB level.
    PlatformTcb,
    /// The TDX module reaches no TCB level.
    TdxModuleTcb,
    /// The TDX module's TCB level has a status that no module can have.
    TdxModuleStatus,
    /// The QE reaches no TCB level.
    QeTcb,
    /// The platform reaches no TCB level with the SVNs of now.
    CurrentPlatformTcb,
    /// The TDX module that runs now reaches no TCB level.
    CurrentTdxModuleTcb,
}

/// What can be wrong with a chain: with its leaf, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`about` says what each does")]
pub enum ChainFault {
    Malformed,
    Length,
    Issuer,
    Untrusted,
    Role,
    Algorithm,
    Extension,
    KeyIdentifier,
    Signature,
    Revoked,
    NotYetValid,
    Expired,
}

/// What can be wrong with a CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`about` says what each does")]
pub enum CrlFault {
    Malformed,
    Issuer,
    Algorithm,
    Extension,
    KeyIdentifier,
    Signature,
    NotYetValid,
    Expired,
}

/// What can be wrong with a signed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`about` says what each does")]
pub enum DocumentFault {
    Signature,
    Malformed,
    NotYetIssued,
    Expired,
}

/// What a fault breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The quote.
    Quote,
    /// The collateral.
    Collateral,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quote => "quote",
            Self::Collateral => "collateral",
        })
    }
}

impl ChainFault {
    const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Length,
        Self::Issuer,
        Self::Algorithm,
        Self::Untrusted,
        Self::Role,
        Self::Extension,
        Self::KeyIdentifier,
        Self::Signature,
        Self::Revoked,
        Self::NotYetValid,
        Self::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Length => "length",
            Self::Issuer => "issuer",
            Self::Untrusted => "untrusted",
            Self::Role => "role",
            Self::Algorithm => "algorithm",
            Self::Extension => "extension",
            Self::KeyIdentifier => "key-identifier",
            Self::Signature => "signature",
            Self::Revoked => "revoked",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
        }
    }
}

impl CrlFault {
    const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Issuer,
        Self::Algorithm,
        Self::Extension,
        Self::KeyIdentifier,
        Self::Signature,
        Self::NotYetValid,
        Self::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Extension => "extension",
            Self::KeyIdentifier => "key-identifier",
            Self::Signature => "signature",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
        }
    }
}

impl DocumentFault {
    const ALL: [Self; 4] = [Self::Signature, Self::Malformed, Self::NotYetIssued, Self::Expired];

    fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Malformed => "malformed",
            Self::NotYetIssued => "not-yet-issued",
            Self::Expired => "expired",
        }
    }
}

/// The faults that stand alone.
const OWN: [Fault; 24] = [
    Fault::PckChainMissing,
    Fault::SgxExtension,
    Fault::PckCrlOfOtherCa,
    Fault::TcbInfoOfOtherTee,
    Fault::Fmspc,
    Fault::PceId,
    Fault::TdxModuleUnknown,
    Fault::TdxModuleSigner,
    Fault::TdxModuleAttributes,
    Fault::QeReportSignature,
    Fault::AttestationKeyBinding,
    Fault::QeIdentityOfOtherEnclave,
    Fault::QeMiscSelect,
    Fault::QeAttributes,
    Fault::QeMrSigner,
    Fault::QeIsvProdId,
    Fault::AttestationKey,
    Fault::QuoteSignature,
    Fault::PlatformTcb,
    Fault::TdxModuleTcb,
    Fault::TdxModuleStatus,
    Fault::QeTcb,
    Fault::CurrentPlatformTcb,
    Fault::CurrentTdxModuleTcb,
];

impl Fault {
    /// Every fault, in the order in which a verifier checks.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = ChainFault::ALL.map(Self::PckCrlIssuerChain).to_vec();
        all.extend(CrlFault::ALL.map(Self::RootCaCrl));
        all.extend(CrlFault::ALL.map(Self::PckCrl));
        all.extend(ChainFault::ALL.map(Self::TcbInfoIssuerChain));
        all.extend(DocumentFault::ALL.map(Self::TcbInfo));
        all.extend(ChainFault::ALL.map(Self::QeIdentityIssuerChain));
        all.extend(DocumentFault::ALL.map(Self::QeIdentity));
        all.extend(ChainFault::ALL.map(Self::PckChain));
        all.extend(OWN);
        all
    }

    /// Its name, which is the code of the error that it must bring about: `pck-chain.revoked`.
    pub fn name(self) -> String {
        let (subject, fault) = match self {
            Self::PckCrlIssuerChain(fault) => ("pck-crl-issuer-chain", fault.name()),
            Self::RootCaCrl(fault) => ("root-ca-crl", fault.name()),
            Self::PckCrl(fault) => ("pck-crl", fault.name()),
            Self::TcbInfoIssuerChain(fault) => ("tcb-info-issuer-chain", fault.name()),
            Self::TcbInfo(fault) => ("tcb-info", fault.name()),
            Self::QeIdentityIssuerChain(fault) => ("qe-identity-issuer-chain", fault.name()),
            Self::QeIdentity(fault) => ("qe-identity", fault.name()),
            Self::PckChain(fault) => ("pck-chain", fault.name()),
            own => return own.own_name().into(),
        };
        format!("{subject}.{fault}")
    }

    fn own_name(self) -> &'static str {
        match self {
            Self::PckChainMissing => "pck-chain.missing",
            Self::SgxExtension => "pck-chain.sgx-extension",
            Self::PckCrlOfOtherCa => "pck-crl.other-ca",
            Self::TcbInfoOfOtherTee => "tcb-info.other-tee",
            Self::Fmspc => "tcb-info.fmspc",
            Self::PceId => "tcb-info.pceid",
            Self::TdxModuleUnknown => "tdx-module.unknown",
            Self::TdxModuleSigner => "tdx-module.signer",
            Self::TdxModuleAttributes => "tdx-module.attributes",
            Self::QeReportSignature => "qe.signature",
            Self::AttestationKeyBinding => "qe.key-binding",
            Self::QeIdentityOfOtherEnclave => "qe-identity.other-enclave",
            Self::QeMiscSelect => "qe.miscselect",
            Self::QeAttributes => "qe.attributes",
            Self::QeMrSigner => "qe.mrsigner",
            Self::QeIsvProdId => "qe.isvprodid",
            Self::AttestationKey => "quote.attestation-key",
            Self::QuoteSignature => "quote.signature",
            Self::PlatformTcb => "tcb.platform-not-supported",
            Self::TdxModuleTcb => "tcb.tdx-module-not-supported",
            Self::TdxModuleStatus => "tcb.tdx-module-status",
            Self::QeTcb => "tcb.qe-not-supported",
            Self::CurrentPlatformTcb => "tcb.current-platform-not-supported",
            Self::CurrentTdxModuleTcb => "tcb.current-tdx-module-not-supported",
            // Named by their subject above.
            Self::PckCrlIssuerChain(_)
            | Self::RootCaCrl(_)
            | Self::PckCrl(_)
            | Self::TcbInfoIssuerChain(_)
            | Self::TcbInfo(_)
            | Self::QeIdentityIssuerChain(_)
            | Self::QeIdentity(_)
            | Self::PckChain(_) => "",
        }
    }

    /// Which artefact it breaks.
    pub fn breaks(self) -> Broken {
        match self {
            // A certificate of the quote is revoked elsewhere.
            Self::PckChain(ChainFault::Revoked) => Broken::Collateral,
            Self::PckChain(_)
            | Self::PckChainMissing
            | Self::SgxExtension
            | Self::TdxModuleUnknown
            | Self::TdxModuleSigner
            | Self::TdxModuleAttributes
            | Self::QeReportSignature
            | Self::AttestationKeyBinding
            | Self::QeMiscSelect
            | Self::QeAttributes
            | Self::QeMrSigner
            | Self::QeIsvProdId
            | Self::AttestationKey
            | Self::QuoteSignature
            | Self::PlatformTcb
            | Self::TdxModuleTcb
            | Self::QeTcb
            | Self::CurrentPlatformTcb
            | Self::CurrentTdxModuleTcb => Broken::Quote,
            Self::PckCrlIssuerChain(_)
            | Self::RootCaCrl(_)
            | Self::PckCrl(_)
            | Self::TcbInfoIssuerChain(_)
            | Self::TcbInfo(_)
            | Self::QeIdentityIssuerChain(_)
            | Self::QeIdentity(_)
            | Self::PckCrlOfOtherCa
            | Self::TcbInfoOfOtherTee
            | Self::Fmspc
            | Self::PceId
            | Self::QeIdentityOfOtherEnclave
            | Self::TdxModuleStatus => Broken::Collateral,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// Why a text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`")]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::all().into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| UnknownFault(name.into()))
    }
}
