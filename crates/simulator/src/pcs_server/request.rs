//! A request to the PCS as plain data, and which endpoint it is for.
//!
//! Source: PCS API v4, "Intel SGX and Intel TDX Provisioning Certification Service".

use std::fmt;
use std::str::FromStr;

use tdattest_wire::quote::TeeType;

use super::answer::Refusal;

/// A request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// How many came before it: what its `Request-ID` is made of.
    pub number: u64,
    /// `GET` or `POST`.
    pub method: String,
    /// The path, from `/` on.
    pub path: String,
    /// What follows the question mark; empty without one.
    pub query: String,
    /// Names and values of its headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A GET of a path, with its query if it has one.
    pub fn get(path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Self { method: "GET".into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    /// A POST of JSON to a path.
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self {
            method: "POST".into(),
            path: path.into(),
            headers,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The products of the PCS, each with one or more paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// One PCK certificate.
    PckCertificate,
    /// All PCK certificates of a platform.
    PckCertificates,
    /// The CRL of a PCK CA.
    PckCrl,
    /// TCB info, for SGX and TDX.
    TcbInfo,
    /// The identity of the QE, for SGX and TDX.
    QeIdentity,
    /// The identity of the quote verification enclave.
    QveIdentity,
    /// The platform families.
    Fmspcs,
    /// The TCB evaluation data numbers, for SGX and TDX.
    EvaluationDataNumbers,
    /// The CRL of the root CA, which Intel has on another host.
    RootCaCrl,
}

impl Endpoint {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::PckCertificate,
        Self::PckCertificates,
        Self::PckCrl,
        Self::TcbInfo,
        Self::QeIdentity,
        Self::QveIdentity,
        Self::Fmspcs,
        Self::EvaluationDataNumbers,
        Self::RootCaCrl,
    ];

    /// Its name, after its path.
    pub fn name(self) -> &'static str {
        match self {
            Self::PckCertificate => "pckcert",
            Self::PckCertificates => "pckcerts",
            Self::PckCrl => "pckcrl",
            Self::TcbInfo => "tcb",
            Self::QeIdentity => "qe-identity",
            Self::QveIdentity => "qve-identity",
            Self::Fmspcs => "fmspcs",
            Self::EvaluationDataNumbers => "tcbevaluationdatanumbers",
            Self::RootCaCrl => "rootcacrl",
        }
    }

    /// The names of all, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a text names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no endpoint `{0}`; there are {names}", names = Endpoint::names())]
pub struct UnknownEndpoint(pub String);

impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|endpoint| endpoint.name() == name);
        found.ok_or_else(|| UnknownEndpoint(name.into()))
    }
}

/// What a method and a path ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    PckCertificate,
    PckCertificates { of_configuration: bool },
    PckCrl,
    TcbInfo(TeeType),
    QeIdentity(TeeType),
    QveIdentity,
    Fmspcs,
    EvaluationDataNumbers(TeeType),
    RootCaCrl,
}

impl Operation {
    /// `None` for everything that the PCS does not have.
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        use TeeType::{Sgx, Tdx};
        Some(match (method, path) {
            ("GET" | "POST", "/sgx/certification/v4/pckcert") => Self::PckCertificate,
            ("GET" | "POST", "/sgx/certification/v4/pckcerts") => {
                Self::PckCertificates { of_configuration: false }
            }
            ("GET" | "POST", "/sgx/certification/v4/pckcerts/config") => {
                Self::PckCertificates { of_configuration: true }
            }
            ("GET", "/sgx/certification/v4/pckcrl") => Self::PckCrl,
            ("GET", "/sgx/certification/v4/tcb") => Self::TcbInfo(Sgx),
            ("GET", "/tdx/certification/v4/tcb") => Self::TcbInfo(Tdx),
            ("GET", "/sgx/certification/v4/qe/identity") => Self::QeIdentity(Sgx),
            ("GET", "/tdx/certification/v4/qe/identity") => Self::QeIdentity(Tdx),
            ("GET", "/sgx/certification/v4/qve/identity") => Self::QveIdentity,
            ("GET", "/sgx/certification/v4/fmspcs") => Self::Fmspcs,
            ("GET", "/sgx/certification/v4/tcbevaluationdatanumbers") => {
                Self::EvaluationDataNumbers(Sgx)
            }
            ("GET", "/tdx/certification/v4/tcbevaluationdatanumbers") => {
                Self::EvaluationDataNumbers(Tdx)
            }
            ("GET", "/IntelSGXRootCA.der") => Self::RootCaCrl,
            _ => return None,
        })
    }

    pub(super) fn endpoint(self) -> Endpoint {
        match self {
            Self::PckCertificate => Endpoint::PckCertificate,
            Self::PckCertificates { .. } => Endpoint::PckCertificates,
            Self::PckCrl => Endpoint::PckCrl,
            Self::TcbInfo(_) => Endpoint::TcbInfo,
            Self::QeIdentity(_) => Endpoint::QeIdentity,
            Self::QveIdentity => Endpoint::QveIdentity,
            Self::Fmspcs => Endpoint::Fmspcs,
            Self::EvaluationDataNumbers(_) => Endpoint::EvaluationDataNumbers,
            Self::RootCaCrl => Endpoint::RootCaCrl,
        }
    }
}

/// The parameters of a query. Unknown ones are let pass, as Intel's service does.
pub(super) struct Parameters<'q>(Vec<(&'q str, &'q str)>);

impl<'q> Parameters<'q> {
    pub(super) fn of(query: &'q str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }

    /// The value of a parameter, which may stand there once.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&'q str>, Refusal> {
        let mut values = self.0.iter().filter(|(found, _)| *found == name).map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Refusal::bad_request(format!("`{name}` stands there twice"))),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&'q str, Refusal> {
        let missing = || Refusal::bad_request(format!("`{name}` is missing"));
        self.optional(name)?.ok_or_else(missing)
    }
}
