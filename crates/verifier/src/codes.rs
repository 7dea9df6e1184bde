//! The stable codes of [`VerifyError`], and the QVL status that Intel's library gives for the same fault.
//!
//! A code is `subject.fault`. Codes are never renamed; tools and documentation link to them.

use crate::error::{
    Artefact, ChainFault, CrlFault, DocumentFault, NotSupported, Position, QeField, TdxModuleFault,
    VerifyError,
};

/// `subject.fault` for each chain, from one list of faults.
macro_rules! chain_code {
    ($subject:literal, $fault:expr) => {
        match $fault {
            ChainFault::Malformed(_) => concat!($subject, ".malformed"),
            ChainFault::Length { .. } => concat!($subject, ".length"),
            ChainFault::Issuer(_) => concat!($subject, ".issuer"),
            ChainFault::Untrusted { .. } => concat!($subject, ".untrusted"),
            ChainFault::Role { .. } => concat!($subject, ".role"),
            ChainFault::Algorithm(_) => concat!($subject, ".algorithm"),
            ChainFault::Extension { .. } => concat!($subject, ".extension"),
            ChainFault::KeyIdentifier(_) => concat!($subject, ".key-identifier"),
            ChainFault::Signature(_) => concat!($subject, ".signature"),
            ChainFault::Revoked { .. } => concat!($subject, ".revoked"),
            ChainFault::NotYetValid { .. } => concat!($subject, ".not-yet-valid"),
            ChainFault::Expired { .. } => concat!($subject, ".expired"),
        }
    };
}

macro_rules! crl_code {
    ($subject:literal, $fault:expr) => {
        match $fault {
            CrlFault::Malformed(_) => concat!($subject, ".malformed"),
            CrlFault::Issuer { .. } => concat!($subject, ".issuer"),
            CrlFault::Algorithm => concat!($subject, ".algorithm"),
            CrlFault::Extension { .. } => concat!($subject, ".extension"),
            CrlFault::KeyIdentifier => concat!($subject, ".key-identifier"),
            CrlFault::Signature => concat!($subject, ".signature"),
            CrlFault::NotYetValid { .. } => concat!($subject, ".not-yet-valid"),
            CrlFault::Expired { .. } => concat!($subject, ".expired"),
        }
    };
}

macro_rules! document_code {
    ($subject:literal, $fault:expr) => {
        match $fault {
            DocumentFault::Signature => concat!($subject, ".signature"),
            DocumentFault::Malformed(_) => concat!($subject, ".malformed"),
            DocumentFault::NotYetIssued { .. } => concat!($subject, ".not-yet-issued"),
            DocumentFault::Expired { .. } => concat!($subject, ".expired"),
        }
    };
}

impl VerifyError {
    /// The stable code of this error: `pck-chain.revoked`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain { chain, fault } => code_of_chain(*chain, fault),
            Self::Crl { crl: Artefact::RootCaCrl, fault } => crl_code!("root-ca-crl", fault),
            Self::Crl { fault, .. } => crl_code!("pck-crl", fault),
            Self::Document { document: Artefact::QeIdentity, fault } => {
                document_code!("qe-identity", fault)
            }
            Self::Document { fault, .. } => document_code!("tcb-info", fault),
            Self::PckChainMissing { .. } => "pck-chain.missing",
            Self::PckExtension(_) => "pck-chain.sgx-extension",
            Self::PckCrlOfOtherCa { .. } => "pck-crl.other-ca",
            Self::TcbInfoOfOtherTee { .. } => "tcb-info.other-tee",
            Self::FmspcMismatch { .. } => "tcb-info.fmspc",
            Self::PceIdMismatch { .. } => "tcb-info.pceid",
            Self::TdxModule(TdxModuleFault::Unknown(_)) => "tdx-module.unknown",
            Self::TdxModule(TdxModuleFault::Signer) => "tdx-module.signer",
            Self::TdxModule(TdxModuleFault::Attributes) => "tdx-module.attributes",
            Self::QeReportSignature => "qe.signature",
            Self::AttestationKeyNotBound => "qe.key-binding",
            Self::QeIdentityOfOtherEnclave { .. } => "qe-identity.other-enclave",
            Self::QeMismatch(QeField::MiscSelect) => "qe.miscselect",
            Self::QeMismatch(QeField::Attributes) => "qe.attributes",
            Self::QeMismatch(QeField::MrSigner) => "qe.mrsigner",
            Self::QeMismatch(QeField::IsvProdId) => "qe.isvprodid",
            Self::AttestationKey => "quote.attestation-key",
            Self::QuoteSignature => "quote.signature",
            Self::TcbNotSupported(NotSupported::Platform) => "tcb.platform-not-supported",
            Self::TcbNotSupported(NotSupported::TdxModule) => "tcb.tdx-module-not-supported",
            Self::TcbNotSupported(NotSupported::TdxModuleStatus) => "tcb.tdx-module-status",
            Self::TcbNotSupported(NotSupported::Qe) => "tcb.qe-not-supported",
            Self::TcbNotSupported(NotSupported::CurrentTdxModule) => {
                "tcb.current-tdx-module-unknown"
            }
        }
    }

    /// The name of the status that Intel's QVL gives for this fault, or would give if it checked.
    pub fn qvl_status(&self) -> &'static str {
        match self {
            Self::Chain { chain, fault } => qvl_of_chain(*chain, fault),
            Self::Crl { fault, .. } => qvl_of_crl(fault),
            Self::Document { document: Artefact::QeIdentity, fault } => match fault {
                DocumentFault::Signature => "SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE",
                DocumentFault::Malformed(_) => "SGX_ENCLAVE_IDENTITY_INVALID",
                DocumentFault::NotYetIssued { .. } | DocumentFault::Expired { .. } => {
                    "SGX_ENCLAVE_IDENTITY_EXPIRED"
                }
            },
            Self::Document { fault, .. } => match fault {
                DocumentFault::Signature => "TCB_INFO_INVALID_SIGNATURE",
                DocumentFault::Malformed(_) => "SGX_TCB_INFO_INVALID",
                DocumentFault::NotYetIssued { .. } | DocumentFault::Expired { .. } => {
                    "SGX_TCB_INFO_EXPIRED"
                }
            },
            Self::PckChainMissing { .. } => "UNSUPPORTED_QE_CERTIFICATION_DATA_TYPE",
            Self::PckExtension(_) => "SGX_PCK_INVALID_EXTENSIONS",
            Self::PckCrlOfOtherCa { .. } => "INVALID_PCK_CRL",
            Self::TcbInfoOfOtherTee { .. }
            | Self::FmspcMismatch { .. }
            | Self::PceIdMismatch { .. } => "TCB_INFO_MISMATCH",
            Self::TdxModule(_) => "TDX_MODULE_MISMATCH",
            Self::QeReportSignature => "INVALID_QE_REPORT_SIGNATURE",
            Self::AttestationKeyNotBound => "INVALID_QE_REPORT_DATA",
            Self::QeIdentityOfOtherEnclave { .. } | Self::QeMismatch(_) => "QE_IDENTITY_MISMATCH",
            Self::AttestationKey => "UNSUPPORTED_QUOTE_FORMAT",
            Self::QuoteSignature => "INVALID_QUOTE_SIGNATURE",
            Self::TcbNotSupported(_) => "TCB_NOT_SUPPORTED",
        }
    }

    /// Whether facts found after this error still stand: dates and revocation say nothing about what was signed.
    pub(crate) fn leaves_facts_standing(&self) -> bool {
        matches!(
            self,
            Self::Chain {
                fault: ChainFault::Revoked { .. }
                    | ChainFault::NotYetValid { .. }
                    | ChainFault::Expired { .. },
                ..
            } | Self::Crl { fault: CrlFault::NotYetValid { .. } | CrlFault::Expired { .. }, .. }
                | Self::Document {
                    fault: DocumentFault::NotYetIssued { .. } | DocumentFault::Expired { .. },
                    ..
                }
        )
    }
}

fn code_of_chain(chain: Artefact, fault: &ChainFault) -> &'static str {
    match chain {
        Artefact::PckCrlIssuerChain => chain_code!("pck-crl-issuer-chain", fault),
        Artefact::TcbInfoIssuerChain => chain_code!("tcb-info-issuer-chain", fault),
        Artefact::QeIdentityIssuerChain => chain_code!("qe-identity-issuer-chain", fault),
        // Only the four chains are ever named here.
        _ => chain_code!("pck-chain", fault),
    }
}

fn qvl_of_chain(chain: Artefact, fault: &ChainFault) -> &'static str {
    let is_pck = chain == Artefact::PckChain;
    match fault {
        ChainFault::Malformed(_) | ChainFault::Length { .. } => "UNSUPPORTED_CERT_FORMAT",
        ChainFault::Untrusted { .. } if is_pck => "SGX_PCK_CERT_CHAIN_UNTRUSTED",
        ChainFault::Untrusted { .. } => "SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED",
        ChainFault::Role { position, .. } => match position {
            Position::Root => "SGX_ROOT_CA_MISSING",
            Position::PckCa => "SGX_INTERMEDIATE_CA_MISSING",
            Position::Pck => "SGX_PCK_MISSING",
            Position::TcbSigning => "SGX_TCB_SIGNING_CERT_MISSING",
        },
        ChainFault::Extension { position, .. } => match position {
            Position::Root => "SGX_ROOT_CA_INVALID_EXTENSIONS",
            Position::PckCa => "SGX_INTERMEDIATE_CA_INVALID_EXTENSIONS",
            Position::Pck => "SGX_PCK_INVALID_EXTENSIONS",
            Position::TcbSigning => "SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS",
        },
        ChainFault::Issuer(position)
        | ChainFault::Algorithm(position)
        | ChainFault::KeyIdentifier(position)
        | ChainFault::Signature(position) => match position {
            Position::Root => "SGX_ROOT_CA_INVALID_ISSUER",
            Position::PckCa => "SGX_INTERMEDIATE_CA_INVALID_ISSUER",
            Position::Pck => "SGX_PCK_INVALID_ISSUER",
            Position::TcbSigning => "SGX_TCB_SIGNING_CERT_INVALID_ISSUER",
        },
        ChainFault::Revoked { position, .. } => match position {
            Position::Pck => "SGX_PCK_REVOKED",
            Position::TcbSigning => "SGX_TCB_SIGNING_CERT_REVOKED",
            Position::Root | Position::PckCa => "SGX_INTERMEDIATE_CA_REVOKED",
        },
        ChainFault::NotYetValid { .. } | ChainFault::Expired { .. } if is_pck => {
            "SGX_PCK_CERT_CHAIN_EXPIRED"
        }
        ChainFault::NotYetValid { .. } | ChainFault::Expired { .. } => {
            "SGX_SIGNING_CERT_CHAIN_EXPIRED"
        }
    }
}

fn qvl_of_crl(fault: &CrlFault) -> &'static str {
    match fault {
        CrlFault::Malformed(_) => "SGX_CRL_UNSUPPORTED_FORMAT",
        CrlFault::Issuer { .. } => "SGX_CRL_UNKNOWN_ISSUER",
        CrlFault::Extension { .. } => "SGX_CRL_INVALID_EXTENSIONS",
        CrlFault::Algorithm | CrlFault::KeyIdentifier | CrlFault::Signature => {
            "SGX_CRL_INVALID_SIGNATURE"
        }
        CrlFault::NotYetValid { .. } | CrlFault::Expired { .. } => "SGX_CRL_EXPIRED",
    }
}
