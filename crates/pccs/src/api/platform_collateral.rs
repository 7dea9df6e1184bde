//! What an administrator brings: certificates and documents in one file, each verified before any is kept.
//!
//! Source: Intel's PCCS and `pcsclient.py` as observed, `platform_collaterals.json`, version 4.
//! Must stay true: one document that is not Intel's refuses the whole file, before anything was kept. A document without
//! its chain cannot be verified and is left out.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;
use tdattest_wire::bytes::Fmspc;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pck_certificates::{PckCertificates, PckEntry};
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::pem;
use tdattest_wire::quote::TeeType;

use super::platforms::Named;
use super::route::Version;
use crate::answer::{Answer, Refusal};
use crate::cache::Cache;
use crate::cache::platform::{PlatformSet, judge};
use crate::request::{Request, hex};
use crate::store::{Document, Platform, Registration};

/// The version of the file.
const VERSION: u32 = 4;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(default)]
    platforms: Vec<Named>,
    #[serde(borrow)]
    collaterals: Collaterals<'a>,
}

#[derive(Deserialize)]
struct Collaterals<'a> {
    version: u32,
    pck_certs: Vec<PlatformCertificates>,
    #[serde(borrow)]
    tcbinfos: Vec<TcbInfos<'a>>,
    certificates: Certificates,
    #[serde(default)]
    pckcacrl: Option<PckCrls>,
    #[serde(default)]
    qeidentity: Option<String>,
    #[serde(default)]
    qeidentity_early: Option<String>,
    #[serde(default)]
    tdqeidentity: Option<String>,
    #[serde(default)]
    tdqeidentity_early: Option<String>,
    #[serde(default)]
    qveidentity: Option<String>,
    #[serde(default)]
    qveidentity_early: Option<String>,
    #[serde(default)]
    rootcacrl: Option<String>,
}

#[derive(Deserialize)]
struct PlatformCertificates {
    #[serde(flatten)]
    platform: Named,
    certs: Vec<PckEntry>,
}

#[derive(Deserialize)]
struct TcbInfos<'a> {
    fmspc: Fmspc,
    #[serde(borrow, default)]
    sgx_tcbinfo: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tdx_tcbinfo: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sgx_tcbinfo_early: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tdx_tcbinfo_early: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PckCrls {
    #[serde(default, rename = "processorCrl")]
    processor: Option<String>,
    #[serde(default, rename = "platformCrl")]
    platform: Option<String>,
}

#[derive(Deserialize)]
struct Certificates {
    #[serde(rename = "SGX-PCK-Certificate-Issuer-Chain")]
    pck: PckChains,
    #[serde(default, rename = "TCB-Info-Issuer-Chain")]
    tcb_info: Option<String>,
    #[serde(default, rename = "SGX-Enclave-Identity-Issuer-Chain")]
    identity: Option<String>,
}

#[derive(Deserialize)]
struct PckChains {
    #[serde(default, rename = "PROCESSOR")]
    processor: Option<String>,
    #[serde(default, rename = "PLATFORM")]
    platform: Option<String>,
}

impl PckChains {
    fn of(&self, ca: PckCa) -> Option<Vec<u8>> {
        let chain = match ca {
            PckCa::Processor => &self.processor,
            PckCa::Platform => &self.platform,
        };
        chain.as_deref().map(decoded)
    }
}

/// Takes a file in.
pub(super) async fn put(
    cache: Arc<Cache>,
    version: Version,
    request: Request,
) -> Result<Answer, Refusal> {
    let text = request.json()?;
    if version == Version::V3 {
        return Err(Refusal::VersionEnded);
    }
    let judging = Arc::clone(&cache);
    let text = text.to_vec();
    // Thousands of signatures, perhaps.
    let judged = tokio::task::spawn_blocking(move || Judged::of(&judging, &text)).await;
    let judged = judged.map_err(|_| Refusal::Internal)??;
    keep(&cache, judged).await?;
    Ok(Answer::done())
}

/// Everything that a file brought, verified.
struct Judged {
    documents: Vec<Document>,
    platforms: Vec<(PlatformSet, Vec<Registration>)>,
}

impl Judged {
    fn of(cache: &Cache, text: &[u8]) -> Result<Self, Refusal> {
        let bundle: Bundle<'_> = serde_json::from_slice(text).map_err(|fault| {
            tracing::warn!(%fault, "a bundle that cannot be read");
            Refusal::InvalidRequest
        })?;
        if bundle.collaterals.version != VERSION {
            return Err(Refusal::InvalidRequest);
        }
        let endorsements = endorsements(&bundle.collaterals)?;
        let documents = endorsements.into_iter().map(|endorsement| {
            let request = endorsement.request;
            cache.verified(endorsement).map_err(|cause| refused(&request.path(), &cause))
        });
        let documents = documents.collect::<Result<_, _>>()?;
        let platforms = bundle.collaterals.pck_certs.iter();
        let platforms = platforms.map(|certificates| platform(cache, certificates, &bundle));
        Ok(Self { documents, platforms: platforms.collect::<Result<_, _>>()? })
    }
}

fn refused(what: &str, cause: &str) -> Refusal {
    tracing::warn!(what, cause, "a bundle with what is not Intel's");
    Refusal::NotGenuine
}

async fn keep(cache: &Arc<Cache>, judged: Judged) -> Result<(), Refusal> {
    for document in judged.documents {
        let put = cache.store.put_document(&document, false).await;
        put.map_err(|fault| cache.store_failed(&fault))?;
        cache.changed(&crate::store::Changed::Document(document.endorsement.request));
    }
    for (set, registrations) in judged.platforms {
        cache.keep_platform(&set).await?;
        for registration in registrations {
            if let (Some(cpu_svn), Some(pce_svn)) = (registration.cpu_svn, registration.pce_svn) {
                let raw = tdattest_wire::pck_certificates::Tcbm { cpu_svn, pce_svn };
                cache.choose(&set, raw).await?;
            }
        }
    }
    Ok(())
}

/// The platform that certificates are for, as far as they agree with the file and with each other.
fn platform(
    cache: &Cache,
    brought: &PlatformCertificates,
    bundle: &Bundle<'_>,
) -> Result<(PlatformSet, Vec<Registration>), Refusal> {
    let key = brought.platform.key()?;
    let (fmspc, ca) = said_by(&brought.certs)?;
    if !bundle.collaterals.tcbinfos.iter().any(|infos| infos.fmspc == fmspc) {
        return Err(Refusal::InvalidRequest);
    }
    let issuer_chain = bundle.collaterals.certificates.pck.of(ca).ok_or(Refusal::InvalidRequest)?;
    let entries = brought.certs.clone();
    let list = PckCertificates { fmspc, ca, issuer_chain, entries };
    let pce_id = hex(&key.pce_id).ok_or(Refusal::InvalidRequest)?;
    let judged = judge(cache.authenticate(), tdattest_wire::bytes::PceId(pce_id), list)
        .map_err(|cause| refused(&format!("platform {}", key.qe_id), &cause))?;
    let platform = Platform {
        key: key.clone(),
        manifest: brought.platform.manifest()?,
        encrypted_ppid: brought.platform.encrypted_ppid()?,
        fmspc,
        ca,
        issuer_chain: judged.list.issuer_chain,
        fetched_at: cache.now(),
    };
    let (certificates, missing) = (judged.certificates, Some(judged.missing));
    let same = bundle.platforms.iter().filter(|named| named.key().as_ref() == Ok(&key));
    let registrations = same.map(Named::raw_registration).collect::<Result<_, _>>()?;
    Ok((PlatformSet { platform, certificates, missing }, registrations))
}

/// The FMSPC and CA of the first certificate; that all agree is judged later.
fn said_by(certificates: &[PckEntry]) -> Result<(Fmspc, PckCa), Refusal> {
    use tdattest_wire::certificate::{Certificate, oid};
    use tdattest_wire::pck::PckExtension;
    let said = || {
        let first = certificates.iter().find_map(|entry| entry.certificate.as_ref())?;
        let der = pem::certificates(first).ok()?;
        let parsed = Certificate::parse(der.first()?).ok()?;
        let extension = parsed.extensions.get(oid::SGX_EXTENSION)?;
        let extension = PckExtension::parse(extension.value).ok()?;
        Some((extension.fmspc, PckCa::from_common_name(&parsed.issuer.common_name())?))
    };
    said().ok_or(Refusal::InvalidRequest)
}

/// The documents of a file that have a chain beside them.
fn endorsements(brought: &Collaterals<'_>) -> Result<Vec<Endorsement>, Refusal> {
    use EvaluationDataSet::{Early, Standard};
    use TeeType::{Sgx, Tdx};
    let chains = &brought.certificates;
    let mut found = Found::default();
    for infos in &brought.tcbinfos {
        for (info, tee, set) in [
            (infos.sgx_tcbinfo, Sgx, Standard),
            (infos.tdx_tcbinfo, Tdx, Standard),
            (infos.sgx_tcbinfo_early, Sgx, Early),
            (infos.tdx_tcbinfo_early, Tdx, Early),
        ] {
            let body = info.map(|info| without_whitespace(info.get()));
            let body = body.filter(|body| body != b"null");
            let chain = chains.tcb_info.as_deref().map(decoded);
            found.push(PcsRequest::TcbInfo(tee, infos.fmspc, set), body, chain);
        }
    }
    for (identity, request) in [
        (&brought.qeidentity, PcsRequest::QeIdentity(Sgx, Standard)),
        (&brought.qeidentity_early, PcsRequest::QeIdentity(Sgx, Early)),
        (&brought.tdqeidentity, PcsRequest::QeIdentity(Tdx, Standard)),
        (&brought.tdqeidentity_early, PcsRequest::QeIdentity(Tdx, Early)),
        (&brought.qveidentity, PcsRequest::QveIdentity(Standard)),
        (&brought.qveidentity_early, PcsRequest::QveIdentity(Early)),
    ] {
        let body = identity.as_deref().filter(|text| !text.is_empty());
        let chain = chains.identity.as_deref().map(decoded);
        found.push(request, body.map(|text| text.as_bytes().to_vec()), chain);
    }
    if let Some(crls) = &brought.pckcacrl {
        for (crl, ca) in [(&crls.processor, PckCa::Processor), (&crls.platform, PckCa::Platform)] {
            found.push(PcsRequest::PckCrl(ca), der(crl)?, chains.pck.of(ca));
        }
    }
    found.push(PcsRequest::RootCaCrl, der(&brought.rootcacrl)?, root(chains)?);
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<Endorsement>);

impl Found {
    fn push(&mut self, request: PcsRequest, body: Option<Vec<u8>>, chain: Option<Vec<u8>>) {
        match (body, chain) {
            (Some(body), Some(issuer_chain)) => {
                self.0.push(Endorsement { request, body, issuer_chain });
            }
            (Some(_), None) => {
                tracing::warn!(document = %request, "left out of a bundle: its chain is missing");
            }
            (None, _) => {}
        }
    }
}

fn der(crl: &Option<String>) -> Result<Option<Vec<u8>>, Refusal> {
    match crl.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => pem::crl(text.as_bytes()).map(Some).map_err(|_| Refusal::InvalidRequest),
    }
}

/// The root certificate alone: the last of any chain.
fn root(chains: &Certificates) -> Result<Option<Vec<u8>>, Refusal> {
    let pck = &chains.pck;
    let texts = [&pck.platform, &pck.processor, &chains.tcb_info, &chains.identity];
    let Some(chain) = texts.into_iter().flatten().next() else { return Ok(None) };
    let chain = pem::certificates(&decoded(chain)).map_err(|_| Refusal::InvalidRequest)?;
    Ok(chain.last().map(|der| as_pem(der)))
}

fn as_pem(der: &[u8]) -> Vec<u8> {
    let base64 = data_encoding::BASE64.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text.into_bytes()
}

/// A chain as it came in a header of the PCS, percent-encoded, or as PEM.
fn decoded(chain: &str) -> Vec<u8> {
    match chain.contains('%') {
        true => percent_decode_str(chain).collect(),
        false => chain.as_bytes().to_vec(),
    }
}

/// JSON as Intel sends it: tools that write a bundle may spread it over lines, and the signature is over bytes without.
fn without_whitespace(json: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if !in_string && byte.is_ascii_whitespace() {
            continue;
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = in_string && byte == b'\\' && !escaped;
        text.push(byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_spread_over_lines_is_brought_together_and_text_is_left_alone() {
        let spread = "{ \"a b\" : [1,\n\t2], \"q\\\" \\\\\" : \" \\\\\" }";
        assert_eq!(
            String::from_utf8(without_whitespace(spread)).unwrap(),
            "{\"a b\":[1,2],\"q\\\" \\\\\":\" \\\\\"}"
        );
        let compact = r#"{"a":"b c"}"#;
        assert_eq!(without_whitespace(compact), compact.as_bytes());
    }

    #[test]
    fn chains_are_read_percent_encoded_and_as_they_are() {
        assert_eq!(decoded("-----BEGIN%20C-----%0A%2B"), b"-----BEGIN C-----\n+");
        assert_eq!(decoded("-----BEGIN C-----\n+"), b"-----BEGIN C-----\n+");
    }
}
