//! The stable codes of [`VerifyError`], and the QVL status that Intel's library gives for the same fault.
//!
//! A code is `subject.fault`. Codes are never renamed; tools and documentation link to them.

use crate::error::{
    Artefact, ChainFault, CrlFault, DocumentFault, NotSupported, Position, QeField, TdxModuleFault,
    VerifyError,
};

/// A match from faults to codes and the list of those codes, from one table: neither can miss an entry of the other.
macro_rules! codes {
    ($function:ident, $list:ident, $fault:ty, $subject:literal, { $($pattern:pat => $name:literal,)* }) => {
        fn $function(fault: &$fault) -> &'static str {
            match fault {
                $($pattern => concat!($subject, ".", $name),)*
            }
        }

        const $list: &[&str] = &[$(concat!($subject, ".", $name)),*];
    };
}

macro_rules! chain_codes {
    ($function:ident, $list:ident, $subject:literal) => {
        codes!($function, $list, ChainFault, $subject, {
            ChainFault::Malformed(_) => "malformed",
            ChainFault::Length { .. } => "length",
            ChainFault::Issuer(_) => "issuer",
            ChainFault::Untrusted { .. } => "untrusted",
            ChainFault::Role { .. } => "role",
            ChainFault::Algorithm(_) => "algorithm",
            ChainFault::Extension { .. } => "extension",
            ChainFault::KeyIdentifier(_) => "key-identifier",
            ChainFault::Signature(_) => "signature",
            ChainFault::Revoked { .. } => "revoked",
            ChainFault::NotYetValid { .. } => "not-yet-valid",
            ChainFault::Expired { .. } => "expired",
        });
    };
}

macro_rules! crl_codes {
    ($function:ident, $list:ident, $subject:literal) => {
        codes!($function, $list, CrlFault, $subject, {
            CrlFault::Malformed(_) => "malformed",
            CrlFault::Issuer { .. } => "issuer",
            CrlFault::Algorithm => "algorithm",
            CrlFault::Extension { .. } => "extension",
            CrlFault::KeyIdentifier => "key-identifier",
            CrlFault::Signature => "signature",
            CrlFault::NotYetValid { .. } => "not-yet-valid",
            CrlFault::Expired { .. } => "expired",
        });
    };
}

macro_rules! document_codes {
    ($function:ident, $list:ident, $subject:literal) => {
        codes!($function, $list, DocumentFault, $subject, {
            DocumentFault::Signature => "signature",
            DocumentFault::Malformed(_) => "malformed",
            DocumentFault::NotYetIssued { .. } => "not-yet-issued",
            DocumentFault::Expired { .. } => "expired",
        });
    };
}

chain_codes!(of_pck_chain, PCK_CHAIN, "pck-chain");
chain_codes!(of_pck_crl_issuer_chain, PCK_CRL_ISSUER_CHAIN, "pck-crl-issuer-chain");
chain_codes!(of_tcb_info_issuer_chain, TCB_INFO_ISSUER_CHAIN, "tcb-info-issuer-chain");
chain_codes!(of_qe_identity_issuer_chain, QE_IDENTITY_ISSUER_CHAIN, "qe-identity-issuer-chain");
crl_codes!(of_root_ca_crl, ROOT_CA_CRL, "root-ca-crl");
crl_codes!(of_pck_crl, PCK_CRL, "pck-crl");
document_codes!(of_tcb_info, TCB_INFO, "tcb-info");
document_codes!(of_qe_identity, QE_IDENTITY, "qe-identity");

/// The codes of the errors that have no fault of their own, beside the delegation to those that have.
macro_rules! own_codes {
    ($($pattern:pat => $code:literal,)*) => {
        impl VerifyError {
            /// The stable code of this error: `pck-chain.revoked`.
            pub fn code(&self) -> &'static str {
                match self {
                    Self::Chain { chain, fault } => match chain {
                        Artefact::PckCrlIssuerChain => of_pck_crl_issuer_chain(fault),
                        Artefact::TcbInfoIssuerChain => of_tcb_info_issuer_chain(fault),
                        Artefact::QeIdentityIssuerChain => of_qe_identity_issuer_chain(fault),
                        // Only the four chains are ever named here.
                        _ => of_pck_chain(fault),
                    },
                    Self::Crl { crl: Artefact::RootCaCrl, fault } => of_root_ca_crl(fault),
                    Self::Crl { fault, .. } => of_pck_crl(fault),
                    Self::Document { document: Artefact::QeIdentity, fault } => of_qe_identity(fault),
                    Self::Document { fault, .. } => of_tcb_info(fault),
                    $($pattern => $code,)*
                }
            }
        }

        const OWN: &[&str] = &[$($code),*];
    };
}

own_codes! {
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
    Self::TcbNotSupported(NotSupported::CurrentPlatform) => "tcb.current-platform-not-supported",
    Self::TcbNotSupported(NotSupported::CurrentTdxModule) => "tcb.current-tdx-module-not-supported",
}

/// Every list of codes, in the order of the checks.
const LISTS: [&[&str]; 9] = [
    PCK_CRL_ISSUER_CHAIN,
    ROOT_CA_CRL,
    PCK_CRL,
    TCB_INFO_ISSUER_CHAIN,
    TCB_INFO,
    QE_IDENTITY_ISSUER_CHAIN,
    QE_IDENTITY,
    PCK_CHAIN,
    OWN,
];

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler"
)]
const COUNT: usize = {
    let (mut list, mut count) = (0, 0);
    while list < LISTS.len() {
        count += LISTS[list].len();
        list += 1;
    }
    count
};

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler"
)]
const FLAT: [&str; COUNT] = {
    let mut flat = [""; COUNT];
    let (mut list, mut at) = (0, 0);
    while list < LISTS.len() {
        let mut entry = 0;
        while entry < LISTS[list].len() {
            flat[at] = LISTS[list][entry];
            entry += 1;
            at += 1;
        }
        list += 1;
    }
    flat
};

impl VerifyError {
    /// Every code that [`VerifyError::code`] can answer.
    pub const CODES: &'static [&'static str] = &FLAT;

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

fn qvl_of_chain(chain: Artefact, fault: &ChainFault) -> &'static str {
    // Neither PCK chain has a TCB signing certificate.
    let is_pck = matches!(chain, Artefact::PckChain | Artefact::PckCrlIssuerChain);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_codes_are_the_same_and_each_is_subject_dot_fault() {
        let codes: BTreeSet<&str> = VerifyError::CODES.iter().copied().collect();
        assert_eq!(codes.len(), VerifyError::CODES.len());
        let well_formed = |code: &str| {
            let (subject, fault) = code.split_once('.').unwrap_or_default();
            let word = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            };
            word(subject) && word(fault)
        };
        assert!(codes.iter().all(|code| well_formed(code)), "{codes:?}");
    }
}
