//! A PCS, or a PCCS that speaks its API, and where each has the root CA's CRL.
//!
//! Source: PCS API v4; the CRL distribution point of Intel's root certificate; Intel's PCCS as observed.
//! Must stay true: nobody goes where a certificate points before its chain has held.

use std::sync::{Mutex, PoisonError};

use reqwest::Url;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pck_certificates::{PckCertificates, PlatformProof, PlatformQuery};
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::{bytes, limits, pem};

use crate::answer;
use crate::authenticate::Authenticate;
use crate::chain;
use crate::deadline::Deadline;
use crate::error::{FetchError, SourceError};
use crate::family::PlatformFamily;
use crate::source::{Address, ApiKey, ApiVersion, ServiceKind, is_loopback};
use crate::transport::{Answer, Ask, Transport, shown};

/// Where Intel's service has the CRL, on hosts of its own; a stand-in has it beside the rest.
const ROOT_CA_CRL_PATH: &str = "/IntelSGXRootCA.der";

/// An encrypted PPID, in bytes: RSA with 3072 bits.
const ENCRYPTED_PPID_BYTES: usize = 384;

/// A service, ready to be asked.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) address: Address,
    pub(crate) api_key: Option<ApiKey>,
    /// To the service itself.
    pub(crate) transport: Transport,
    /// To where root certificates point; what is wrong with it matters once somebody has to go there.
    pub(crate) elsewhere: Result<Transport, SourceError>,
}

/// The root certificate of the last chain that held, PEM. One for all sources: there is one root.
#[derive(Debug, Default)]
pub(crate) struct KnownRoot(Mutex<Option<Vec<u8>>>);

impl KnownRoot {
    /// Remembers the root of a chain that held.
    pub(crate) fn remember(&self, endorsement: &Endorsement) {
        if let Ok(root) = chain::root(&endorsement.issuer_chain) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(root);
        }
    }

    fn known(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A service that is asked for one thing, in the time that there is for it.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) service: &'a Service,
    pub(crate) authenticate: &'a dyn Authenticate,
    pub(crate) root: &'a KnownRoot,
    pub(crate) deadline: Deadline,
}

impl Service {
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

impl Visit<'_> {
    /// One document with its chain, untrusted.
    pub(crate) async fn fetch(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        if request == PcsRequest::RootCaCrl {
            return self.root_ca_crl().await;
        }
        let path = self.service.path(request)?;
        let answer = self.ask(&path, answer::limit(request)).await?;
        answer::endorsement(request, answer)
    }

    /// The PCK certificates of a platform, untrusted.
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
        answer::pck_certificates(self.service.transport.send(&ask).await?)
    }

    /// The list of platform families, unsigned.
    pub(crate) async fn fmspcs(&self, platform: &str) -> Result<Vec<PlatformFamily>, FetchError> {
        let path = format!("/sgx/certification/v4/fmspcs?platform={platform}");
        answer::families(self.ask(&path, limits::DOCUMENT_BYTES).await?)
    }

    async fn root_ca_crl(&self) -> Result<Endorsement, FetchError> {
        let issuer_chain = self.root().await?;
        let published = published_at(&issuer_chain);
        let address = &self.service.address;
        let body = match (&address.root_ca_crl, address.kind) {
            (Some(url), _) => self.download(url.clone()).await?,
            (None, ServiceKind::Pcs) => self.published_crl(published).await?,
            (None, ServiceKind::Pccs) => self.cached_crl(published).await?,
        };
        Ok(Endorsement { request: PcsRequest::RootCaCrl, body, issuer_chain })
    }

    /// The root certificate: of a chain that held before, or of a PCK CRL.
    async fn root(&self) -> Result<Vec<u8>, FetchError> {
        if let Some(root) = self.root.known() {
            return Ok(root);
        }
        let endorsement = match self.pck_crl(PckCa::Platform).await {
            // A PCCS that has only seen platforms with one package.
            Err(fault) if fault.is_not_found() => self.pck_crl(PckCa::Processor).await?,
            other => other?,
        };
        let url = || self.service.name();
        self.authenticate
            .endorsement(&endorsement)
            .map_err(|cause| FetchError::Untrusted { url: url(), cause })?;
        self.root.remember(&endorsement);
        chain::root(&endorsement.issuer_chain)
            .map_err(|cause| FetchError::Malformed { url: url(), cause })
    }

    async fn pck_crl(&self, ca: PckCa) -> Result<Endorsement, FetchError> {
        let request = PcsRequest::PckCrl(ca);
        let path = self.service.path(request)?;
        let answer = self.ask(&path, answer::limit(request)).await?;
        answer::endorsement(request, answer)
    }

    /// From where the root certificate says; of a stand-in on this machine, from itself.
    async fn published_crl(&self, published: Option<Url>) -> Result<Vec<u8>, FetchError> {
        if is_loopback(&self.service.address.base) {
            return self.own_crl().await;
        }
        let missing = || FetchError::Malformed {
            url: self.service.name(),
            cause: "the root certificate does not say where its CRL is".into(),
        };
        let url = published.ok_or_else(missing)?;
        if url.scheme() != "https" {
            let cause = "a CRL is not fetched unencrypted".into();
            return Err(FetchError::Unreachable { url: shown(&url), cause });
        }
        self.download(url).await
    }

    /// As a PCCS has it: by one route or the other. What is no PCCS may have it as the PCS does.
    async fn cached_crl(&self, published: Option<Url>) -> Result<Vec<u8>, FetchError> {
        let version = self.service.version();
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
        let elsewhere = self.service.elsewhere.as_ref().map_err(|fault| {
            FetchError::Unreachable { url: shown(&url), cause: fault.to_string() }
        })?;
        let limit = answer::limit(PcsRequest::RootCaCrl);
        let ask = Ask { url, limit, api_key: None, json: None, deadline: self.deadline };
        answer::crl(elsewhere.send(&ask).await?)
    }

    async fn ask(&self, path: &str, limit: usize) -> Result<Answer, FetchError> {
        self.service.transport.send(&self.request(path, limit)?).await
    }

    fn request(&self, path: &str, limit: usize) -> Result<Ask<'_>, FetchError> {
        let name = self.service.name();
        let url = Url::parse(&format!("{name}{path}"))
            .map_err(|fault| FetchError::Unreachable { url: name, cause: fault.to_string() })?;
        let api_key = self.service.api_key.as_ref();
        Ok(Ask { url, limit, api_key, json: None, deadline: self.deadline })
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

/// That a proof is one that can be sent: of the length that proofs have.
///
/// # Errors
/// When it is not.
pub(crate) fn require_proof(proof: &PlatformProof) -> Result<(), FetchError> {
    let (length, allowed, expected) = match proof {
        PlatformProof::EncryptedPpid(ppid) => {
            let allowed = ENCRYPTED_PPID_BYTES..=ENCRYPTED_PPID_BYTES;
            (ppid.len(), allowed, "an encrypted PPID of 384 bytes".to_owned())
        }
        PlatformProof::Manifest(manifest) => {
            let most = limits::PLATFORM_MANIFEST_BYTES;
            (manifest.len(), 1..=most, format!("a platform manifest of 1 to {most} bytes"))
        }
    };
    if allowed.contains(&length) {
        return Ok(());
    }
    let cause = format!("expected {expected}, found one of {length}");
    Err(FetchError::BadRequest { what: "platform", cause })
}
