//! What a peer asks for, and what it gets.

pub use tdattest_wire::pcs::PckCa;
use tdattest_wire::qgs::{CollateralResponse, MessageType, PlatformInfoResponse, QuoteResponse};

use crate::failure::Failure;

/// Bytes of a TDREPORT.
pub const REPORT_BYTES: usize = 1024;

/// Bytes of the structure that extends a TDREPORT with the service TDs bound to its TD.
///
/// Source: Intel TDX Migration TD documents, SERVTD_EXT_STRUCT.
pub const SERVICE_TD_BYTES: usize = 272;

/// A request that has been checked as far as that can be done without an enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A quote.
    Quote {
        /// For this TDREPORT.
        report: Box<[u8; REPORT_BYTES]>,
        /// With this history of migrations.
        service_td: Option<Box<[u8; SERVICE_TD_BYTES]>>,
    },
    /// The documents that verify quotes of a platform family.
    Collateral {
        /// The family.
        fmspc: [u8; 6],
        /// Whose PCK certificates its platforms have.
        ca: PckCa,
    },
    /// What this platform is.
    PlatformInfo,
}

impl Ask {
    /// Its name in logs and counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quote { service_td: None, .. } => "quote",
            Self::Quote { service_td: Some(_), .. } => "migration-quote",
            Self::Collateral { .. } => "collateral",
            Self::PlatformInfo => "platform-info",
        }
    }
}

/// What a backend gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A quote.
    Quote(Vec<u8>),
    /// Documents.
    Collateral(Box<Collateral>),
    /// Facts.
    PlatformInfo(PlatformInfo),
}

/// The documents that verify quotes of a platform family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collateral {
    /// Major and minor version of the set.
    pub version: (u16, u16),
    /// The chain of the PCK CRL's issuer.
    pub pck_crl_issuer_chain: Vec<u8>,
    /// The root CA's CRL.
    pub root_ca_crl: Vec<u8>,
    /// The PCK CA's CRL.
    pub pck_crl: Vec<u8>,
    /// The chain of the TCB info's issuer.
    pub tcb_info_issuer_chain: Vec<u8>,
    /// TCB info.
    pub tcb_info: Vec<u8>,
    /// The chain of the QE identity's issuer.
    pub qe_identity_issuer_chain: Vec<u8>,
    /// QE identity.
    pub qe_identity: Vec<u8>,
}

/// What a platform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformInfo {
    /// The security version of the TD quoting enclave.
    pub tdqe_isv_svn: u16,
    /// The security version of the provisioning certification enclave.
    pub pce_isv_svn: u16,
    /// The platform's id.
    pub platform_id: [u8; 16],
    /// The CPU's security version.
    pub cpu_svn: [u8; 16],
}

/// How the peer asked, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By a message; whoever asked for collateral with minor version 0 gets four bytes more.
    Framed {
        /// The type of the answer.
        response: MessageType,
        /// Whether the request had minor version 0.
        minor_0: bool,
    },
    /// By a bare TDREPORT, answered with a bare quote. There is no way to say an error.
    Raw,
}

impl Form {
    /// The bytes that answer; none where the connection can only be closed.
    pub fn write(self, outcome: &Result<Answer, Failure>) -> Vec<u8> {
        match (self, outcome) {
            (Self::Raw, Ok(Answer::Quote(quote))) => quote.clone(),
            (Self::Raw, _) => Vec::new(),
            (Self::Framed { minor_0, .. }, Ok(answer)) => answer.write(minor_0),
            (Self::Framed { response, .. }, Err(failure)) => failure.answer.write(response),
        }
    }
}

impl Answer {
    fn write(&self, minor_0: bool) -> Vec<u8> {
        match self {
            // QEMU insists on an empty id.
            Self::Quote(quote) => QuoteResponse { selected_id: &[], quote }.write(),
            Self::Collateral(set) => CollateralResponse {
                version: set.version,
                pck_crl_issuer_chain: &set.pck_crl_issuer_chain,
                root_ca_crl: &set.root_ca_crl,
                pck_crl: &set.pck_crl,
                tcb_info_issuer_chain: &set.tcb_info_issuer_chain,
                tcb_info: &set.tcb_info,
                qe_identity_issuer_chain: &set.qe_identity_issuer_chain,
                qe_identity: &set.qe_identity,
            }
            .write(minor_0),
            Self::PlatformInfo(info) => PlatformInfoResponse {
                tdqe_isv_svn: info.tdqe_isv_svn,
                pce_isv_svn: info.pce_isv_svn,
                platform_id: &info.platform_id,
                cpu_svn: &info.cpu_svn,
            }
            .write(),
        }
    }
}
