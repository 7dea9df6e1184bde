//! What is known about the faults that chains, CRLs and documents share: what each does, which document speaks of it,
//! what Intel's library says to it.
//!
//! A status is the one of the check that looks for this very fault. Intel's library may stop at another one before: it
//! tests CRLs of a TCB signing chain before its root, and looks at no key identifiers at all.

use super::{ChainFault, CrlFault, DocumentFault};

pub(super) fn chain(fault: ChainFault, chain: &str, leaf: &Leaf) -> String {
    let (leaf, is_ca) = (leaf.name, leaf.is_ca);
    let about = match fault {
        ChainFault::Malformed => "its text breaks off within the first certificate".into(),
        ChainFault::Length => "it ends before its root".into(),
        ChainFault::Issuer => format!("the {leaf} names an issuer that is not in the chain"),
        ChainFault::Untrusted => "its root has the right name and a stranger's key".into(),
        ChainFault::Role => format!("the {leaf} has a common name without its role"),
        ChainFault::Algorithm => format!("the {leaf} is signed with SHA-384"),
        ChainFault::Extension if is_ca => {
            format!("the {leaf} has no CRL distribution point")
        }
        ChainFault::Extension => format!("the {leaf} claims to be a CA"),
        ChainFault::KeyIdentifier => format!("the {leaf} names another key of its issuer"),
        ChainFault::Signature => format!("the {leaf} is signed by a stranger"),
        ChainFault::Revoked => format!("the {leaf} is revoked"),
        ChainFault::NotYetValid => format!("the {leaf} is valid from tomorrow"),
        ChainFault::Expired => format!("the {leaf} expired yesterday"),
    };
    format!("{chain}: {about}")
}

pub(super) fn crl(fault: CrlFault, ca: &str) -> String {
    match fault {
        CrlFault::Malformed => format!("the {ca}'s CRL does not say when the next is due"),
        CrlFault::Issuer => format!("the {ca}'s CRL names another issuer"),
        CrlFault::Algorithm => format!("the {ca}'s CRL is signed with SHA-384"),
        CrlFault::Extension => format!("the {ca}'s CRL has no number"),
        CrlFault::KeyIdentifier => format!("the {ca}'s CRL names another key of its issuer"),
        CrlFault::Signature => format!("the {ca}'s CRL is signed by a stranger"),
        CrlFault::NotYetValid => format!("the {ca}'s CRL is of tomorrow"),
        CrlFault::Expired => format!("the {ca}'s CRL was to be renewed yesterday"),
    }
}

pub(super) fn document(fault: DocumentFault, name: &str) -> String {
    match fault {
        DocumentFault::Signature => format!("the {name} is signed by a stranger"),
        DocumentFault::Malformed => format!("the {name} has no TCB level"),
        DocumentFault::NotYetIssued => format!("the {name} is of tomorrow"),
        DocumentFault::Expired => format!("the {name} was to be renewed yesterday"),
    }
}

pub(super) fn chain_source(fault: ChainFault) -> &'static str {
    match fault {
        ChainFault::Malformed => "RFC 7468, \"Textual Encoding of Certificates\"",
        ChainFault::Length | ChainFault::Issuer | ChainFault::Signature => {
            "RFC 5280, \"Certification Path Validation\""
        }
        ChainFault::Untrusted => "RFC 5280, \"Trust Anchor Information\"",
        ChainFault::Role | ChainFault::Algorithm | ChainFault::Extension => {
            "Intel SGX PCK Certificate and CRL Profile Specification, \"Certificate Profiles\""
        }
        ChainFault::KeyIdentifier => "RFC 5280, \"Authority Key Identifier\"",
        ChainFault::Revoked => "RFC 5280, \"CRL Validation\"",
        ChainFault::NotYetValid | ChainFault::Expired => "RFC 5280, \"Validity\"",
    }
}

/// The leaf of a chain: what it is, and Intel's statuses about it.
pub(super) struct Leaf {
    name: &'static str,
    is_ca: bool,
    unreadable: &'static str,
    untrusted: &'static str,
    missing: &'static str,
    extensions: &'static str,
    issuer: &'static str,
    revoked: &'static str,
    expired: &'static str,
}

pub(super) const PCK: Leaf = Leaf {
    name: "PCK certificate",
    is_ca: false,
    unreadable: "UNSUPPORTED_CERT_FORMAT",
    untrusted: "SGX_PCK_CERT_CHAIN_UNTRUSTED",
    missing: "SGX_PCK_MISSING",
    extensions: "SGX_PCK_INVALID_EXTENSIONS",
    issuer: "SGX_PCK_INVALID_ISSUER",
    revoked: "SGX_PCK_REVOKED",
    expired: "SGX_PCK_CERT_CHAIN_EXPIRED",
};

pub(super) const PCK_CA: Leaf = Leaf {
    name: "PCK CA certificate",
    is_ca: true,
    missing: "SGX_INTERMEDIATE_CA_MISSING",
    extensions: "SGX_INTERMEDIATE_CA_INVALID_EXTENSIONS",
    issuer: "SGX_INTERMEDIATE_CA_INVALID_ISSUER",
    revoked: "SGX_INTERMEDIATE_CA_REVOKED",
    ..PCK
};

pub(super) const TCB_SIGNING: Leaf = Leaf {
    name: "TCB signing certificate",
    is_ca: false,
    unreadable: "UNSUPPORTED_CERT_FORMAT",
    untrusted: "SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED",
    missing: "SGX_TCB_SIGNING_CERT_MISSING",
    extensions: "SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS",
    issuer: "SGX_TCB_SIGNING_CERT_INVALID_ISSUER",
    revoked: "SGX_TCB_SIGNING_CERT_REVOKED",
    expired: "SGX_SIGNING_CERT_CHAIN_EXPIRED",
};

impl Leaf {
    pub(super) fn status(&self, fault: ChainFault) -> &'static str {
        match fault {
            ChainFault::Malformed | ChainFault::Length => self.unreadable,
            ChainFault::Untrusted => self.untrusted,
            ChainFault::Role => self.missing,
            ChainFault::Extension => self.extensions,
            ChainFault::Issuer
            | ChainFault::Algorithm
            | ChainFault::KeyIdentifier
            | ChainFault::Signature => self.issuer,
            ChainFault::Revoked => self.revoked,
            ChainFault::NotYetValid | ChainFault::Expired => self.expired,
        }
    }
}

pub(super) fn crl_status(fault: CrlFault) -> &'static str {
    match fault {
        CrlFault::Malformed => "SGX_CRL_UNSUPPORTED_FORMAT",
        CrlFault::Issuer => "SGX_CRL_UNKNOWN_ISSUER",
        CrlFault::Extension => "SGX_CRL_INVALID_EXTENSIONS",
        CrlFault::Algorithm | CrlFault::KeyIdentifier | CrlFault::Signature => {
            "SGX_CRL_INVALID_SIGNATURE"
        }
        CrlFault::NotYetValid | CrlFault::Expired => "SGX_CRL_EXPIRED",
    }
}
