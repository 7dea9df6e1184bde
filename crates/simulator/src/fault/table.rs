//! The faults that stand alone, one row each: name, what it breaks, what is wrong, where that is specified, and the
//! status that Intel's library has for it. The enum and everything that is known about it come from this table.
//!
//! Source of the statuses: Intel QVL, `QuoteVerification.h` and the verifiers that answer them.

use super::about::{self, PCK, PCK_CA, TCB_SIGNING};
use super::{Broken, ChainFault, CrlFault, DocumentFault};

const QUOTE_FORMAT: &str = "TDX quoting API, \"Quote Format\"";
const SGX_EXTENSIONS: &str =
    "Intel SGX PCK Certificate and CRL Profile Specification, \"SGX Extensions\"";
const REVOCATION_LIST: &str = "PCS API v4, \"Get Revocation List\"";
const TCB_INFO: &str = "PCS API v4, \"Get TDX TCB Info\"";
const QE_IDENTITY: &str = "PCS API v4, \"Get TDX QE Identity\"";
const RELAUNCH: &str = "Intel QVL 1.27, relaunch check";

macro_rules! faults {
    ($( $variant:ident: $name:literal, $breaks:ident, $about:literal, $source:ident, $status:literal; )*) => {
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
            $( #[doc = $about] $variant, )*
        }

        /// The faults that stand alone.
        pub(super) const ALONE: &[Fault] = &[$(Fault::$variant),*];

        impl Fault {
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
                    $( Self::$variant => return $name.into(), )*
                };
                format!("{subject}.{fault}")
            }

            /// Which artefact it breaks.
            pub fn breaks(self) -> Broken {
                match self {
                    // A certificate of the quote is revoked elsewhere.
                    Self::PckChain(ChainFault::Revoked) => Broken::Collateral,
                    Self::PckChain(_) => Broken::Quote,
                    Self::PckCrlIssuerChain(_)
                    | Self::RootCaCrl(_)
                    | Self::PckCrl(_)
                    | Self::TcbInfoIssuerChain(_)
                    | Self::TcbInfo(_)
                    | Self::QeIdentityIssuerChain(_)
                    | Self::QeIdentity(_) => Broken::Collateral,
                    $( Self::$variant => Broken::$breaks, )*
                }
            }

            /// What is wrong, in one line.
            pub fn about(self) -> String {
                match self {
                    Self::PckCrlIssuerChain(fault) => about::chain(fault, "PCK CRL issuer chain", &PCK_CA),
                    Self::TcbInfoIssuerChain(fault) => {
                        about::chain(fault, "TCB info issuer chain", &TCB_SIGNING)
                    }
                    Self::QeIdentityIssuerChain(fault) => {
                        about::chain(fault, "QE identity issuer chain", &TCB_SIGNING)
                    }
                    Self::PckChain(fault) => about::chain(fault, "PCK chain", &PCK),
                    Self::RootCaCrl(fault) => about::crl(fault, "root CA"),
                    Self::PckCrl(fault) => about::crl(fault, "PCK CA"),
                    Self::TcbInfo(fault) => about::document(fault, "TCB info"),
                    Self::QeIdentity(fault) => about::document(fault, "QE identity"),
                    $( Self::$variant => $about.into(), )*
                }
            }

            /// The document, and its section, that speaks of what is broken.
            pub fn source(self) -> &'static str {
                match self {
                    Self::PckCrlIssuerChain(fault)
                    | Self::TcbInfoIssuerChain(fault)
                    | Self::QeIdentityIssuerChain(fault)
                    | Self::PckChain(fault) => about::chain_source(fault),
                    Self::RootCaCrl(_) | Self::PckCrl(_) => "RFC 5280, \"CRL and CRL Extensions Profile\"",
                    Self::TcbInfo(_) => TCB_INFO,
                    Self::QeIdentity(_) => QE_IDENTITY,
                    $( Self::$variant => $source, )*
                }
            }

            /// The status that Intel's library has for it, whether or not it looks.
            pub fn intel_status(self) -> &'static str {
                match self {
                    Self::PckCrlIssuerChain(fault) => PCK_CA.status(fault),
                    Self::TcbInfoIssuerChain(fault) | Self::QeIdentityIssuerChain(fault) => {
                        TCB_SIGNING.status(fault)
                    }
                    Self::PckChain(fault) => PCK.status(fault),
                    Self::RootCaCrl(fault) | Self::PckCrl(fault) => about::crl_status(fault),
                    Self::TcbInfo(DocumentFault::Signature) => "TCB_INFO_INVALID_SIGNATURE",
                    Self::TcbInfo(DocumentFault::Malformed) => "SGX_TCB_INFO_INVALID",
                    Self::TcbInfo(DocumentFault::NotYetIssued | DocumentFault::Expired) => {
                        "SGX_TCB_INFO_EXPIRED"
                    }
                    Self::QeIdentity(DocumentFault::Signature) => {
                        "SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE"
                    }
                    Self::QeIdentity(DocumentFault::Malformed) => "SGX_ENCLAVE_IDENTITY_INVALID",
                    Self::QeIdentity(DocumentFault::NotYetIssued | DocumentFault::Expired) => {
                        "SGX_ENCLAVE_IDENTITY_EXPIRED"
                    }
                    $( Self::$variant => $status, )*
                }
            }
        }
    };
}

faults! {
    PckChainMissing: "pck-chain.missing", Quote,
        "the quote carries an encrypted PPID instead of a PCK chain",
        QUOTE_FORMAT, "UNSUPPORTED_QE_CERTIFICATION_DATA_TYPE";
    SgxExtension: "pck-chain.sgx-extension", Quote,
        "the PCK certificate has no SGX extension",
        SGX_EXTENSIONS, "SGX_PCK_INVALID_EXTENSIONS";
    PckCrlOfOtherCa: "pck-crl.other-ca", Collateral,
        "the PCK CRL and its issuer are those of the other PCK CA",
        REVOCATION_LIST, "INVALID_PCK_CRL";
    TcbInfoOfOtherTee: "tcb-info.other-tee", Collateral,
        "the TCB info is for the other TEE",
        TCB_INFO, "TCB_INFO_MISMATCH";
    Fmspc: "tcb-info.fmspc", Collateral,
        "the TCB info is for another FMSPC",
        TCB_INFO, "TCB_INFO_MISMATCH";
    PceId: "tcb-info.pceid", Collateral,
        "the TCB info is for another PCEID",
        TCB_INFO, "TCB_INFO_MISMATCH";
    TdxModuleUnknown: "tdx-module.unknown", Quote,
        "the TDX module's major version is in no TCB info",
        TCB_INFO, "TDX_MODULE_MISMATCH";
    TdxModuleSigner: "tdx-module.signer", Quote,
        "MRSIGNERSEAM is not Intel's",
        TCB_INFO, "TDX_MODULE_MISMATCH";
    TdxModuleAttributes: "tdx-module.attributes", Quote,
        "SEAMATTRIBUTES is not zero",
        TCB_INFO, "TDX_MODULE_MISMATCH";
    QeReportSignature: "qe.signature", Quote,
        "the QE report is signed by a stranger, not by the PCK",
        QUOTE_FORMAT, "INVALID_QE_REPORT_SIGNATURE";
    AttestationKeyBinding: "qe.key-binding", Quote,
        "the QE report does not commit to the attestation key",
        QUOTE_FORMAT, "INVALID_QE_REPORT_DATA";
    QeIdentityOfOtherEnclave: "qe-identity.other-enclave", Collateral,
        "the QE identity says that it is of the other TEE's QE",
        QE_IDENTITY, "QE_IDENTITY_MISMATCH";
    QeMiscSelect: "qe.miscselect", Quote,
        "the QE's MISCSELECT is not its identity's",
        QE_IDENTITY, "QE_IDENTITY_MISMATCH";
    QeAttributes: "qe.attributes", Quote,
        "the QE runs in debug mode",
        QE_IDENTITY, "QE_IDENTITY_MISMATCH";
    QeMrSigner: "qe.mrsigner", Quote,
        "the QE is signed by somebody else than Intel",
        QE_IDENTITY, "QE_IDENTITY_MISMATCH";
    QeIsvProdId: "qe.isvprodid", Quote,
        "the QE is another product of Intel's",
        QE_IDENTITY, "QE_IDENTITY_MISMATCH";
    AttestationKey: "quote.attestation-key", Quote,
        "the attestation key is no point on P-256",
        QUOTE_FORMAT, "UNSUPPORTED_QUOTE_FORMAT";
    QuoteSignature: "quote.signature", Quote,
        "the quote is signed by a stranger, not by the attestation key",
        QUOTE_FORMAT, "INVALID_QUOTE_SIGNATURE";
    PlatformTcb: "tcb.platform-not-supported", Quote,
        "the PCK certificate's component SVNs are below every TCB level",
        TCB_INFO, "TCB_NOT_SUPPORTED";
    TdxModuleTcb: "tcb.tdx-module-not-supported", Quote,
        "the TDX module's SVN is below every level of its identity",
        TCB_INFO, "TCB_NOT_SUPPORTED";
    TdxModuleStatus: "tcb.tdx-module-status", Collateral,
        "the TDX module's levels say ConfigurationNeeded",
        TCB_INFO, "TCB_NOT_SUPPORTED";
    QeTcb: "tcb.qe-not-supported", Quote,
        "the QE's SVN is below every level of its identity",
        QE_IDENTITY, "TCB_NOT_SUPPORTED";
    CurrentPlatformTcb: "tcb.current-platform-not-supported", Quote,
        "TEE_TCB_SVN2 is below every TCB level",
        RELAUNCH, "TCB_NOT_SUPPORTED";
    CurrentTdxModuleTcb: "tcb.current-tdx-module-not-supported", Quote,
        "the module of TEE_TCB_SVN2 is below every level",
        RELAUNCH, "TCB_NOT_SUPPORTED";
}
