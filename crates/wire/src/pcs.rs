//! What to ask of Intel's PCS, or of a PCCS that speaks its API: requests as data, sent by somebody else.
//!
//! Source: PCS API v4, "Intel SGX and Intel TDX services". Native code sends these with a client, a browser with its
//! own `fetch`, a test with a map; a PCCS routes with the same module.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::bytes::Fmspc;
use crate::certificate::{Certificate, oid};
use crate::collateral::Part;
use crate::error::ParseError;
use crate::pck::PckExtension;
use crate::pem;
use crate::quote::{CertificationData, Quote, TeeType};

/// Where Intel's PCS is.
pub const INTEL_PCS: &str = "https://api.trustedservices.intel.com";

/// Where Intel publishes the root CA's CRL: not a PCS endpoint but a file beside it.
pub const INTEL_ROOT_CA_CRL: &str =
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/// The CA that certified a platform's PCK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PckCa {
    /// Platforms with one package.
    Processor,
    /// Platforms with several packages.
    Platform,
}

impl PckCa {
    /// Its name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }

    /// The CA with this common name.
    pub fn from_common_name(name: &str) -> Option<Self> {
        match name {
            "Intel SGX PCK Processor CA" => Some(Self::Processor),
            "Intel SGX PCK Platform CA" => Some(Self::Platform),
            _ => None,
        }
    }
}

/// Which of the sets of TCB info that Intel serves at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvaluationDataSet {
    /// The set that is in force for everybody.
    #[default]
    Standard,
    /// The newest set, public since the day of disclosure.
    Early,
    /// The set with this number.
    Number(u32),
}

/// One request to a PCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcsRequest {
    /// The CRL of a PCK CA; its issuer chain comes in a header.
    PckCrl(PckCa),
    /// TCB info of a platform family.
    TcbInfo(TeeType, Fmspc, EvaluationDataSet),
    /// The identity of the QE.
    QeIdentity(TeeType, EvaluationDataSet),
    /// The root CA's CRL.
    RootCaCrl,
}

impl PcsRequest {
    /// Path and query under the service's address.
    pub fn path(&self) -> String {
        alloc::format!("{self}")
    }

    /// The part of the collateral that the answer's body is.
    pub fn part(&self) -> Part {
        match self {
            Self::PckCrl(_) => Part::PckCrl,
            Self::TcbInfo(..) => Part::TcbInfo,
            Self::QeIdentity(..) => Part::QeIdentity,
            Self::RootCaCrl => Part::RootCaCrl,
        }
    }

    /// The header that carries an issuer chain, and the part that the chain is.
    pub fn issuer_chain(&self) -> Option<(&'static str, Part)> {
        match self {
            Self::PckCrl(_) => Some(("SGX-PCK-CRL-Issuer-Chain", Part::PckCrlIssuerChain)),
            Self::TcbInfo(..) => Some(("TCB-Info-Issuer-Chain", Part::TcbInfoIssuerChain)),
            Self::QeIdentity(..) => {
                Some(("SGX-Enclave-Identity-Issuer-Chain", Part::QeIdentityIssuerChain))
            }
            Self::RootCaCrl => None,
        }
    }
}

impl fmt::Display for PcsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tee = |tee: &TeeType| match tee {
            TeeType::Sgx => "sgx",
            TeeType::Tdx => "tdx",
        };
        match self {
            Self::PckCrl(ca) => {
                write!(f, "/sgx/certification/v4/pckcrl?ca={}&encoding=der", ca.name())
            }
            Self::TcbInfo(of, fmspc, set) => {
                write!(f, "/{}/certification/v4/tcb?fmspc={fmspc}", tee(of))?;
                write_set(f, '&', *set)
            }
            Self::QeIdentity(of, set) => {
                write!(f, "/{}/certification/v4/qe/identity", tee(of))?;
                write_set(f, '?', *set)
            }
            Self::RootCaCrl => f.write_str("/sgx/certification/v4/rootcacrl"),
        }
    }
}

fn write_set(f: &mut fmt::Formatter<'_>, separator: char, set: EvaluationDataSet) -> fmt::Result {
    match set {
        EvaluationDataSet::Standard => write!(f, "{separator}update=standard"),
        EvaluationDataSet::Early => write!(f, "{separator}update=early"),
        EvaluationDataSet::Number(number) => {
            write!(f, "{separator}tcbEvaluationDataNumber={number}")
        }
    }
}

/// The requests whose answers are the collateral of one quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcsRequests(pub Vec<PcsRequest>);

impl PcsRequests {
    /// The requests for a platform.
    pub fn new(tee: TeeType, fmspc: Fmspc, ca: PckCa, set: EvaluationDataSet) -> Self {
        Self(alloc::vec![
            PcsRequest::PckCrl(ca),
            PcsRequest::TcbInfo(tee, fmspc, set),
            PcsRequest::QeIdentity(tee, set),
            PcsRequest::RootCaCrl,
        ])
    }

    /// The requests for the platform that made a quote, read from its PCK certificate, which is not verified here.
    ///
    /// # Errors
    /// When the quote carries no PCK certificate, or one that cannot be read.
    pub fn for_quote(quote: &Quote<'_>, set: EvaluationDataSet) -> Result<Self, ParseError> {
        const STRUCTURE: &str = "PCK certificate";
        let (CertificationData::PckChain(chain) | CertificationData::PckLeaf(chain)) =
            quote.signature().certification_data
        else {
            return Err(ParseError::invalid(STRUCTURE, "the quote does not carry one"));
        };
        let chain = pem::certificates(chain)?;
        let mut fault = ParseError::invalid(STRUCTURE, "no certificate has the SGX extension");
        for der in &chain {
            match platform(der) {
                Ok(Some((fmspc, ca))) => return Ok(Self::new(quote.tee(), fmspc, ca, set)),
                Ok(None) => {}
                Err(found) => fault = found,
            }
        }
        Err(fault)
    }
}

/// FMSPC and CA of a PCK certificate; `None` for a certificate without the SGX extension.
fn platform(der: &[u8]) -> Result<Option<(Fmspc, PckCa)>, ParseError> {
    let certificate = Certificate::parse(der)?;
    let Some(extension) = certificate.extensions.get(oid::SGX_EXTENSION) else { return Ok(None) };
    let fmspc = PckExtension::parse(extension.value)?.fmspc;
    let issuer = certificate.issuer.common_name();
    let ca = PckCa::from_common_name(&issuer).ok_or_else(|| {
        ParseError::invalid("PCK certificate", alloc::format!("issuer `{issuer}` is no PCK CA"))
    })?;
    Ok(Some((fmspc, ca)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn spells_requests_as_intels_api_does() {
        let fmspc: Fmspc = "00806f050000".parse().unwrap();
        let requests =
            PcsRequests::new(TeeType::Tdx, fmspc, PckCa::Platform, EvaluationDataSet::Early);
        let paths: Vec<String> = requests.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            paths,
            [
                "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                "/tdx/certification/v4/tcb?fmspc=00806F050000&update=early",
                "/tdx/certification/v4/qe/identity?update=early",
                "/sgx/certification/v4/rootcacrl",
            ]
        );
        let numbered = PcsRequest::QeIdentity(TeeType::Sgx, EvaluationDataSet::Number(17));
        assert_eq!(numbered.path(), "/sgx/certification/v4/qe/identity?tcbEvaluationDataNumber=17");
    }
}
