//! A PCS, or a PCCS that speaks its API, and where each has the root CA's CRL.
//!
//! Source: PCS API v4; the CRL distribution point of Intel's root certificate; Intel's PCCS as observed.
//! Must stay true: nobody goes where a certificate points before its chain has held.

use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64;
use reqwest::Url;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pck_certificates::{PckCertificates, PlatformProof, PlatformQuery};
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::{bytes, limits, pem};

use crate::answer;
use crate::authenticate::Authenticate;
use crate::error::FetchError;
use crate::source::{Address, ApiKey, ApiVersion, ServiceKind, is_loopback};
use crate::transport::{Answer, Ask, Transport, shown};

/// Where Intel's service has the CRL, on hosts of its own; a stand-in has it beside the rest.
const ROOT_CA_CRL_PATH: &str = "/IntelSGXRootCA.der";

/// A service, ready to be asked.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) address: Address,
    pub(crate) api_key: Option<ApiKey>,
    /// To the service itself.
    pub(crate) transport: Transport,
    /// To where root certificates point.
    pub(crate) elsewhere: Transport,
    /// The root certificate of the last chain that held, PEM.
    pub(crate) root: Mutex<Option<Vec<u8>>>,
}

impl Service {
    /// One document with its chain, untrusted.
    pub(crate) async fn fetch(
        &self,
        request: PcsRequest,
        authenticate: &dyn Authenticate,
    ) -> Result<Endorsement, FetchError> {
        if request == PcsRequest::RootCaCrl {
            return self.root_ca_crl(authenticate).await;
        }
        let path = self.path(request)?;
        let answer = self.ask(&path, answer::limit(request)).await?;
        answer::endorsement(request, answer)
    }

    /// Remembers the root of a chain that held.
    pub(crate) fn remember(&self, endorsement: &Endorsement) {
        if let Some(root) = last_certificate(&endorsement.issuer_chain) {
            *self.root.lock().unwrap_or_else(PoisonError::into_inner) = Some(root);
        }
    }

    pub(crate) async fn pck_certificates(
        &self,
        platform: &PlatformQuery,
    ) -> Result<PckCertificates, FetchError> {
        const PATH: &str = "/sgx/certification/v4/pckcerts";
        let pce_id = platform.pce_id;
        let (path, json) = match &platform.proof {
            PlatformProof::EncryptedPpid(ppid) => {
                let ppid = bytes::Hex(ppid);
                (format!("{PATH}?encrypted_ppid={ppid}&pceid={pce_id}"), None)
            }
            PlatformProof::Manifest(manifest) => {
                let manifest = bytes::Hex(manifest);
                let json =
                    format!("{{\"platformManifest\":\"{manifest}\",\"pceid\":\"{pce_id}\"}}");
                (PATH.into(), Some(json))
            }
        };
        let ask = Ask { json, ..self.request(&path, limits::DOCUMENT_BYTES)? };
        answer::pck_certificates(self.transport.send(&ask).await?)
    }

    pub(crate) async fn fmspcs(&self, platform: &str) -> Result<Vec<u8>, FetchError> {
        let path = format!("/sgx/certification/v4/fmspcs?platform={platform}");
        answer::json(self.ask(&path, limits::DOCUMENT_BYTES).await?)
    }

    async fn root_ca_crl(
        &self,
        authenticate: &dyn Authenticate,
    ) -> Result<Endorsement, FetchError> {
        let issuer_chain = self.root(authenticate).await?;
        let published = published_at(&issuer_chain);
        let body = match (&self.address.root_ca_crl, self.address.kind) {
            (Some(url), _) => self.download(url.clone()).await?,
            (None, ServiceKind::Pcs) => self.published_crl(published).await?,
            (None, ServiceKind::Pccs) => self.cached_crl(published).await?,
        };
        Ok(Endorsement { request: PcsRequest::RootCaCrl, body, issuer_chain })
    }

    /// The root certificate: of a chain that held before, or of a PCK CRL.
    async fn root(&self, authenticate: &dyn Authenticate) -> Result<Vec<u8>, FetchError> {
        let known = self.root.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(root) = known {
            return Ok(root);
        }
        let endorsement = match self.pck_crl(PckCa::Platform).await {
            // A PCCS that has only seen platforms with one package.
            Err(fault) if fault.is_not_found() => self.pck_crl(PckCa::Processor).await?,
            other => other?,
        };
        authenticate
            .endorsement(&endorsement)
            .map_err(|cause| FetchError::Untrusted { url: self.name(), cause })?;
        self.remember(&endorsement);
        last_certificate(&endorsement.issuer_chain).ok_or_else(|| FetchError::Malformed {
            url: self.name(),
            cause: "the issuer chain of the PCK CRL has no root certificate".into(),
        })
    }

    async fn pck_crl(&self, ca: PckCa) -> Result<Endorsement, FetchError> {
        let request = PcsRequest::PckCrl(ca);
        let answer = self.ask(&self.path(request)?, answer::limit(request)).await?;
        answer::endorsement(request, answer)
    }

    /// From where the root certificate says; of a stand-in on this machine, from itself.
    async fn published_crl(&self, published: Option<Url>) -> Result<Vec<u8>, FetchError> {
        if is_loopback(&self.address.base) {
            return self.own_crl().await;
        }
        let missing = || FetchError::Malformed {
            url: self.name(),
            cause: "the root certificate does not say where its CRL is".into(),
        };
        self.download(published.ok_or_else(missing)?).await
    }

    /// As a PCCS has it: by one route or the other. What is no PCCS may have it as the PCS does.
    async fn cached_crl(&self, published: Option<Url>) -> Result<Vec<u8>, FetchError> {
        let version = self.version();
        let limit = answer::limit(PcsRequest::RootCaCrl);
        let path = format!("/sgx/certification/{version}/rootcacrl");
        let first = match self.ask(&path, limit).await {
            Err(fault) if is_elsewhere(&fault) => fault,
            other => return answer::crl(other?),
        };
        if let Some(published) = published {
            // Not encoded, as Intel's own client sends it.
            let path = format!("/sgx/certification/{version}/crl?uri={published}");
            match self.ask(&path, limit).await {
                Err(fault) if is_elsewhere(&fault) => {}
                other => return answer::crl(other?),
            }
        }
        self.own_crl().await.map_err(|fault| if is_elsewhere(&fault) { first } else { fault })
    }

    async fn own_crl(&self) -> Result<Vec<u8>, FetchError> {
        let limit = answer::limit(PcsRequest::RootCaCrl);
        answer::crl(self.ask(ROOT_CA_CRL_PATH, limit).await?)
    }

    async fn download(&self, url: Url) -> Result<Vec<u8>, FetchError> {
        if url.scheme() != "https" && !is_loopback(&url) {
            let cause = "a CRL is not fetched unencrypted".into();
            return Err(FetchError::Unreachable { url: shown(&url), cause });
        }
        let limit = answer::limit(PcsRequest::RootCaCrl);
        let ask = Ask { url, limit, api_key: None, json: None };
        answer::crl(self.elsewhere.send(&ask).await?)
    }

    async fn ask(&self, path: &str, limit: usize) -> Result<Answer, FetchError> {
        self.transport.send(&self.request(path, limit)?).await
    }

    fn request(&self, path: &str, limit: usize) -> Result<Ask<'_>, FetchError> {
        let text = format!("{}{path}", self.name());
        let url = Url::parse(&text).map_err(|fault| FetchError::Unreachable {
            url: self.name(),
            cause: fault.to_string(),
        })?;
        Ok(Ask { url, limit, api_key: self.api_key.as_ref(), json: None })
    }

    /// The path of a request in the version of the API that the service speaks.
    fn path(&self, request: PcsRequest) -> Result<String, FetchError> {
        let path = request.path();
        match (self.address.version, request) {
            (ApiVersion::V4, _) => Ok(path),
            // TDX was never in version 3, nor were the numbers.
            (
                ApiVersion::V3,
                PcsRequest::TcbInfo(TeeType::Tdx, ..)
                | PcsRequest::QeIdentity(TeeType::Tdx, _)
                | PcsRequest::EvaluationDataNumbers(_),
            ) => Err(FetchError::Lacks { place: self.name(), document: request.document() }),
            (ApiVersion::V3, _) => Ok(path.replacen("/v4/", "/v3/", 1)),
        }
    }

    fn version(&self) -> &'static str {
        match self.address.version {
            ApiVersion::V3 => "v3",
            ApiVersion::V4 => "v4",
        }
    }

    pub(crate) fn name(&self) -> String {
        self.address.base.as_str().trim_end_matches('/').into()
    }
}

/// Whether an answer says that what was asked for is not to be had by this route.
fn is_elsewhere(fault: &FetchError) -> bool {
    fault.is_not_found() || fault.status() == Some(400)
}

/// Where the CRL of a root certificate is published.
fn published_at(root: &[u8]) -> Option<Url> {
    let certificates = pem::certificates(root).ok()?;
    let certificate = Certificate::parse(certificates.last()?).ok()?;
    Url::parse(&certificate.extensions.crl_address()?).ok()
}

/// The last certificate of a chain, PEM.
pub(crate) fn last_certificate(chain: &[u8]) -> Option<Vec<u8>> {
    const COLUMNS: usize = 64;
    let der = pem::certificates(chain).ok()?.pop()?;
    let text = BASE64.encode(&der).into_bytes();
    let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in text.chunks(COLUMNS) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    Some(pem)
}
