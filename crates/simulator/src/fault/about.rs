//! What is known about each fault: what it does, which document speaks of it, what Intel's library says to it.
//!
//! Source of the statuses: Intel QVL, `QuoteVerification.h` and the verifiers that answer them. A status is the one of
//! the check that looks for this very fault. Intel's library may stop at another one before: it tests CRLs of a TCB
//! signing chain before its root, and looks at no key identifiers at all.

use super::{ChainFault, CrlFault, DocumentFault, Fault};

impl Fault {
    /// What is wrong, in one line.
    pub fn about(self) -> String {
        match self {
            Self::PckCrlIssuerChain(fault) => {
                format!("PCK CRL issuer chain: {}", chain(fault, "PCK CA certificate", true))
            }
            Self::TcbInfoIssuerChain(fault) => {
                format!("TCB info issuer chain: {}", chain(fault, "TCB signing certificate", false))
            }
            Self::QeIdentityIssuerChain(fault) => {
                format!(
                    "QE identity issuer chain: {}",
                    chain(fault, "TCB signing certificate", false)
                )
            }
            Self::PckChain(fault) => {
                format!("PCK chain: {}", chain(fault, "PCK certificate", false))
            }
            Self::RootCaCrl(fault) => crl(fault, "root CA"),
            Self::PckCrl(fault) => crl(fault, "PCK CA"),
            Self::TcbInfo(fault) => document(fault, "TCB info"),
            Self::QeIdentity(fault) => document(fault, "QE identity"),
            own => own.about_own().into(),
        }
    }

    fn about_own(self) -> &'static str {
        match self {
            Self::PckChainMissing => "the quote carries an encrypted PPID instead of a PCK chain",
            Self::SgxExtension => "the PCK certificate has no SGX extension",
            Self::PckCrlOfOtherCa => "the PCK CRL and its issuer are those of the other PCK CA",
            Self::TcbInfoOfOtherTee => "the TCB info is for the other TEE",
            Self::Fmspc => "the TCB info is for another FMSPC",
            Self::PceId => "the TCB info is for another PCEID",
            Self::TdxModuleUnknown => "the TDX module's major version is in no TCB info",
            Self::TdxModuleSigner => "MRSIGNERSEAM is not Intel's",
            Self::TdxModuleAttributes => "SEAMATTRIBUTES is not zero",
            Self::QeReportSignature => "the QE report is signed by a stranger, not by the PCK",
            Self::AttestationKeyBinding => "the QE report does not commit to the attestation key",
            Self::QeIdentityOfOtherEnclave => {
                "the QE identity says that it is of the other TEE's QE"
            }
            Self::QeMiscSelect => "the QE's MISCSELECT is not its identity's",
            Self::QeAttributes => "the QE runs in debug mode",
            Self::QeMrSigner => "the QE is signed by somebody else than Intel",
            Self::QeIsvProdId => "the QE is another product of Intel's",
            Self::AttestationKey => "the attestation key is no point on P-256",
            Self::QuoteSignature => "the quote is signed by a stranger, not by the attestation key",
            Self::PlatformTcb => "the PCK certificate's component SVNs are below every TCB level",
            Self::TdxModuleTcb => "the TDX module's SVN is below every level of its identity",
            Self::TdxModuleStatus => "the TDX module's levels say ConfigurationNeeded",
            Self::QeTcb => "the QE's SVN is below every level of its identity",
            Self::CurrentPlatformTcb => "TEE_TCB_SVN2 is below every TCB level",
            Self::CurrentTdxModuleTcb => "the module of TEE_TCB_SVN2 is below every level",
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

    /// The document, and its section, that speaks of what is broken.
    pub fn source(self) -> &'static str {
        match self {
            Self::PckCrlIssuerChain(fault)
            | Self::TcbInfoIssuerChain(fault)
            | Self::QeIdentityIssuerChain(fault)
            | Self::PckChain(fault) => chain_source(fault),
            Self::RootCaCrl(_) | Self::PckCrl(_) => "RFC 5280, \"CRL and CRL Extensions Profile\"",
            Self::PckCrlOfOtherCa => "PCS API v4, \"Get Revocation List\"",
            Self::SgxExtension => {
                "Intel SGX PCK Certificate and CRL Profile Specification, \"SGX Extensions\""
            }
            Self::TcbInfo(_)
            | Self::TcbInfoOfOtherTee
            | Self::Fmspc
            | Self::PceId
            | Self::TdxModuleUnknown
            | Self::TdxModuleSigner
            | Self::TdxModuleAttributes
            | Self::PlatformTcb
            | Self::TdxModuleTcb
            | Self::TdxModuleStatus => "PCS API v4, \"Get TDX TCB Info\"",
            Self::QeIdentity(_)
            | Self::QeIdentityOfOtherEnclave
            | Self::QeMiscSelect
            | Self::QeAttributes
            | Self::QeMrSigner
            | Self::QeIsvProdId
            | Self::QeTcb => "PCS API v4, \"Get TDX QE Identity\"",
            Self::PckChainMissing
            | Self::QeReportSignature
            | Self::AttestationKeyBinding
            | Self::AttestationKey
            | Self::QuoteSignature => "TDX quoting API, \"Quote Format\"",
            Self::CurrentPlatformTcb | Self::CurrentTdxModuleTcb => {
                "Intel QVL 1.27, relaunch check"
            }
        }
    }

    /// The status that Intel's library has for it, whether or not it looks.
    pub fn intel_status(self) -> &'static str {
        match self {
            Self::PckCrlIssuerChain(fault) => CA.status(fault),
            Self::TcbInfoIssuerChain(fault) | Self::QeIdentityIssuerChain(fault) => {
                TCB_SIGNING.status(fault)
            }
            Self::PckChain(fault) => PCK.status(fault),
            Self::RootCaCrl(fault) | Self::PckCrl(fault) => crl_status(fault),
            Self::TcbInfo(DocumentFault::Signature) => "TCB_INFO_INVALID_SIGNATURE",
            Self::TcbInfo(DocumentFault::Malformed) => "SGX_TCB_INFO_INVALID",
            Self::TcbInfo(_) => "SGX_TCB_INFO_EXPIRED",
            Self::QeIdentity(DocumentFault::Signature) => "SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE",
            Self::QeIdentity(DocumentFault::Malformed) => "SGX_ENCLAVE_IDENTITY_INVALID",
            Self::QeIdentity(_) => "SGX_ENCLAVE_IDENTITY_EXPIRED",
            Self::PckChainMissing => "UNSUPPORTED_QE_CERTIFICATION_DATA_TYPE",
            Self::SgxExtension => "SGX_PCK_INVALID_EXTENSIONS",
            Self::PckCrlOfOtherCa => "INVALID_PCK_CRL",
            Self::TcbInfoOfOtherTee | Self::Fmspc | Self::PceId => "TCB_INFO_MISMATCH",
            Self::TdxModuleUnknown | Self::TdxModuleSigner | Self::TdxModuleAttributes => {
                "TDX_MODULE_MISMATCH"
            }
            Self::QeReportSignature => "INVALID_QE_REPORT_SIGNATURE",
            Self::AttestationKeyBinding => "INVALID_QE_REPORT_DATA",
            Self::QeIdentityOfOtherEnclave
            | Self::QeMiscSelect
            | Self::QeAttributes
            | Self::QeMrSigner
            | Self::QeIsvProdId => "QE_IDENTITY_MISMATCH",
            Self::AttestationKey => "UNSUPPORTED_QUOTE_FORMAT",
            Self::QuoteSignature => "INVALID_QUOTE_SIGNATURE",
            Self::PlatformTcb
            | Self::TdxModuleTcb
            | Self::TdxModuleStatus
            | Self::QeTcb
            | Self::CurrentPlatformTcb
            | Self::CurrentTdxModuleTcb => "TCB_NOT_SUPPORTED",
        }
    }
}

fn chain(fault: ChainFault, leaf: &str, is_ca: bool) -> String {
    match fault {
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
    }
}

fn crl(fault: CrlFault, ca: &str) -> String {
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

fn document(fault: DocumentFault, name: &str) -> String {
    match fault {
        DocumentFault::Signature => format!("the {name} is signed by a stranger"),
        DocumentFault::Malformed => format!("the {name} has no TCB level"),
        DocumentFault::NotYetIssued => format!("the {name} is of tomorrow"),
        DocumentFault::Expired => format!("the {name} was to be renewed yesterday"),
    }
}

fn chain_source(fault: ChainFault) -> &'static str {
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

/// Intel's statuses about the leaf of a chain.
struct ChainStatuses {
    unreadable: &'static str,
    untrusted: &'static str,
    missing: &'static str,
    extensions: &'static str,
    issuer: &'static str,
    revoked: &'static str,
    expired: &'static str,
}

const PCK: ChainStatuses = ChainStatuses {
    unreadable: "UNSUPPORTED_CERT_FORMAT",
    untrusted: "SGX_PCK_CERT_CHAIN_UNTRUSTED",
    missing: "SGX_PCK_MISSING",
    extensions: "SGX_PCK_INVALID_EXTENSIONS",
    issuer: "SGX_PCK_INVALID_ISSUER",
    revoked: "SGX_PCK_REVOKED",
    expired: "SGX_PCK_CERT_CHAIN_EXPIRED",
};

const CA: ChainStatuses = ChainStatuses {
    missing: "SGX_INTERMEDIATE_CA_MISSING",
    extensions: "SGX_INTERMEDIATE_CA_INVALID_EXTENSIONS",
    issuer: "SGX_INTERMEDIATE_CA_INVALID_ISSUER",
    revoked: "SGX_INTERMEDIATE_CA_REVOKED",
    ..PCK
};

const TCB_SIGNING: ChainStatuses = ChainStatuses {
    unreadable: "UNSUPPORTED_CERT_FORMAT",
    untrusted: "SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED",
    missing: "SGX_TCB_SIGNING_CERT_MISSING",
    extensions: "SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS",
    issuer: "SGX_TCB_SIGNING_CERT_INVALID_ISSUER",
    revoked: "SGX_TCB_SIGNING_CERT_REVOKED",
    expired: "SGX_SIGNING_CERT_CHAIN_EXPIRED",
};

impl ChainStatuses {
    fn status(&self, fault: ChainFault) -> &'static str {
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

fn crl_status(fault: CrlFault) -> &'static str {
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
