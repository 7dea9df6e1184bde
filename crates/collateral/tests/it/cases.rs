//! A platform, its PCS, and the verifier that judges what a client fetches.

use std::sync::Arc;
use std::time::Duration;

use tdattest_collateral::{Authenticate, Client, ClientBuilder, RetryPolicy, Source};
use tdattest_simulator::pcs_server::{PcsServer, Request, api};
use tdattest_simulator::{Platform, Seed};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};
use tdattest_wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest, PcsRequests};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

/// The verifier, under the root of the platform.
struct Judge(Verifier);

impl Authenticate for Judge {
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String> {
        self.0.endorsement(endorsement).map_err(|fault| fault.to_string())
    }

    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String> {
        self.0.pck_certificate(chain).map_err(|fault| fault.to_string())
    }
}

pub(crate) fn platform() -> Platform {
    Platform::new(Seed::of("the tests of the collateral client"))
}

pub(crate) fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn server() -> PcsServer {
    PcsServer::start(platform(), &"127.0.0.1:0".parse().unwrap(), Arc::new(now)).unwrap()
}

/// What the PCS answers, without a server: status, headers, body.
pub(crate) fn answer(path: &str) -> tdattest_simulator::pcs_server::Answer {
    api::answer(&platform(), now(), &Request::get(path))
}

pub(crate) fn judge() -> Arc<dyn Authenticate> {
    let root = platform().root_ca().der().unwrap();
    Arc::new(Judge(Verifier::new(TrustAnchor::from_der(&root).unwrap(), crypto::aws_lc())))
}

/// A client that asks again at once, so that no test waits.
pub(crate) fn builder() -> ClientBuilder {
    Client::builder(judge()).deadline(Duration::from_secs(20)).retry(RetryPolicy {
        attempts: 3,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
    })
}

pub(crate) fn client(url: &str) -> Client {
    builder().source(source(url)).build().unwrap()
}

pub(crate) fn source(url: &str) -> Source {
    url.parse().unwrap()
}

/// The requests for the platform's quotes.
pub(crate) fn requests() -> Vec<PcsRequest> {
    let hardware = platform().hardware;
    PcsRequests::new(TeeType::Tdx, hardware.fmspc, hardware.ca, EvaluationDataSet::Standard).0
}

pub(crate) fn tcb_info() -> PcsRequest {
    PcsRequest::TcbInfo(TeeType::Tdx, platform().hardware.fmspc, EvaluationDataSet::Standard)
}
