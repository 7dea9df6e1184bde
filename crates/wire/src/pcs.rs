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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvaluationDataSet {
    /// The set that is in force for everybody.
    #[default]
    Standard,
    /// The newest set, public since the day of disclosure.
    Early,
    /// The set with this number.
    Number(u32),
}

/// One request to a PCS for a signed document. Its path names the document, in caches and exports too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PcsRequest {
    /// The CRL of a PCK CA; its issuer chain comes in a header.
    PckCrl(PckCa),
    /// TCB info of a platform family.
    TcbInfo(TeeType, Fmspc, EvaluationDataSet),
    /// The identity of the QE.
    QeIdentity(TeeType, EvaluationDataSet),
    /// The identity of Intel's quote verification enclave.
    QveIdentity(EvaluationDataSet),
    /// The TCB evaluation data numbers, and when each became public.
    EvaluationDataNumbers(TeeType),
    /// The root CA's CRL.
    RootCaCrl,
}

impl PcsRequest {
    /// Path and query under the service's address.
    pub fn path(&self) -> String {
        alloc::format!("{self}")
    }

    /// The request with this path and query, spelled as [`PcsRequest::path`] spells it.
    pub fn from_path(path: &str) -> Option<Self> {
        use TeeType::{Sgx, Tdx};
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        let found = match name {
            "/sgx/certification/v4/pckcrl" => Self::PckCrl(pck_ca(query)?),
            "/sgx/certification/v4/tcb" => tcb_info(Sgx, query)?,
            "/tdx/certification/v4/tcb" => tcb_info(Tdx, query)?,
            "/sgx/certification/v4/qe/identity" => Self::QeIdentity(Sgx, set(query)?),
            "/tdx/certification/v4/qe/identity" => Self::QeIdentity(Tdx, set(query)?),
            "/sgx/certification/v4/qve/identity" => Self::QveIdentity(set(query)?),
            "/sgx/certification/v4/tcbevaluationdatanumbers" => Self::EvaluationDataNumbers(Sgx),
            "/tdx/certification/v4/tcbevaluationdatanumbers" => Self::EvaluationDataNumbers(Tdx),
            "/sgx/certification/v4/rootcacrl" => Self::RootCaCrl,
            _ => return None,
        };
        // One spelling a document: another would be another name for it.
        (found.path() == path).then_some(found)
    }

    /// The part of a quote's collateral that the answer's body is, if it is one.
    pub fn part(&self) -> Option<Part> {
        match self {
            Self::PckCrl(_) => Some(Part::PckCrl),
            Self::TcbInfo(..) => Some(Part::TcbInfo),
            Self::QeIdentity(..) => Some(Part::QeIdentity),
            Self::RootCaCrl => Some(Part::RootCaCrl),
            Self::QveIdentity(_) | Self::EvaluationDataNumbers(_) => None,
        }
    }

    /// The part of a quote's collateral that the answer's issuer chain is, if it is one.
    pub fn issuer_chain_part(&self) -> Option<Part> {
        match self {
            Self::PckCrl(_) => Some(Part::PckCrlIssuerChain),
            Self::TcbInfo(..) => Some(Part::TcbInfoIssuerChain),
            Self::QeIdentity(..) => Some(Part::QeIdentityIssuerChain),
            Self::RootCaCrl | Self::QveIdentity(_) | Self::EvaluationDataNumbers(_) => None,
        }
    }

    /// The header that carries the issuer chain; nothing for the root CA's CRL, which comes without one.
    pub fn issuer_chain_header(&self) -> Option<&'static str> {
        match self {
            Self::PckCrl(_) => Some("SGX-PCK-CRL-Issuer-Chain"),
            Self::TcbInfo(..) => Some("TCB-Info-Issuer-Chain"),
            Self::QeIdentity(..) | Self::QveIdentity(_) => {
                Some("SGX-Enclave-Identity-Issuer-Chain")
            }
            Self::EvaluationDataNumbers(_) => Some("TCB-Evaluation-Data-Numbers-Issuer-Chain"),
            Self::RootCaCrl => None,
        }
    }

    /// What the document is called in messages: `TCB info`.
    pub fn document(&self) -> &'static str {
        match self {
            Self::PckCrl(_) => "PCK CRL",
            Self::TcbInfo(..) => "TCB info",
            Self::QeIdentity(..) => "QE identity",
            Self::QveIdentity(_) => "QvE identity",
            Self::EvaluationDataNumbers(_) => "TCB evaluation data numbers",
            Self::RootCaCrl => "root CA CRL",
        }
    }
}

fn pck_ca(query: &str) -> Option<PckCa> {
    let name = query.strip_prefix("ca=")?.strip_suffix("&encoding=der")?;
    [PckCa::Processor, PckCa::Platform].into_iter().find(|ca| ca.name() == name)
}

fn tcb_info(tee: TeeType, query: &str) -> Option<PcsRequest> {
    let (fmspc, rest) = query.strip_prefix("fmspc=")?.split_once('&')?;
    Some(PcsRequest::TcbInfo(tee, fmspc.parse().ok()?, set(rest)?))
}

fn set(query: &str) -> Option<EvaluationDataSet> {
    match query {
        "update=standard" => Some(EvaluationDataSet::Standard),
        "update=early" => Some(EvaluationDataSet::Early),
        _ => query
            .strip_prefix("tcbEvaluationDataNumber=")?
            .parse()
            .ok()
            .map(EvaluationDataSet::Number),
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
            Self::QveIdentity(set) => {
                f.write_str("/sgx/certification/v4/qve/identity")?;
                write_set(f, '?', *set)
            }
            Self::EvaluationDataNumbers(of) => {
                write!(f, "/{}/certification/v4/tcbevaluationdatanumbers", tee(of))
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

    #[test]
    fn reads_every_path_that_it_spells_and_no_other_spelling() {
        let fmspc: Fmspc = "00806f05abcd".parse().unwrap();
        for set in
            [EvaluationDataSet::Standard, EvaluationDataSet::Early, EvaluationDataSet::Number(7)]
        {
            for tee in [TeeType::Sgx, TeeType::Tdx] {
                for request in [
                    PcsRequest::PckCrl(PckCa::Processor),
                    PcsRequest::PckCrl(PckCa::Platform),
                    PcsRequest::TcbInfo(tee, fmspc, set),
                    PcsRequest::QeIdentity(tee, set),
                    PcsRequest::QveIdentity(set),
                    PcsRequest::EvaluationDataNumbers(tee),
                    PcsRequest::RootCaCrl,
                ] {
                    assert_eq!(PcsRequest::from_path(&request.path()), Some(request));
                }
            }
        }
        for other in [
            "",
            "/sgx/certification/v4/tcb?fmspc=00806f05abcd&update=standard",
            "/sgx/certification/v4/tcb?fmspc=00806F05ABCD",
            "/sgx/certification/v4/qe/identity?tcbEvaluationDataNumber=007",
            "/sgx/certification/v4/rootcacrl?",
            "/sgx/certification/v3/qe/identity?update=early",
            "/sgx/certification/v4/pckcrl?ca=root&encoding=der",
        ] {
            assert_eq!(PcsRequest::from_path(other), None, "{other}");
        }
    }
}
