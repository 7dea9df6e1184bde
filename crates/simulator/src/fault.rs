//! Faults: each breaks exactly one thing that one check of a verifier must notice.
//!
//! Must stay true: a fault is applied before sealing, so that everything else about the artefact still holds; it breaks
//! the quote or the collateral, never both.

mod about;
mod break_chain;
mod break_collateral;
mod break_crl;
mod break_quote;
mod table;

pub use table::Fault;

use std::fmt;
use std::str::FromStr;

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
        all.extend(table::ALONE);
        all
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
