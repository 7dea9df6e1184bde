//! What a client asks of a PCS and of a PCCS, and how it goes on when one fails.

use data_encoding::HEXLOWER;
use tdattest_collateral::{
    ApiVersion, FetchError, PlatformFamily, ServiceKind, Source, crl_request,
};
use tdattest_simulator::pcs_server::{Endpoint, PcsServer};
use tdattest_wire::pck_certificates::{PlatformProof, PlatformQuery};
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;

use crate::cases::{answer, builder, client, platform, requests, server, source, tcb_info};
use crate::scripted::{Reply, Scripted, http, path};

#[tokio::test]
async fn fetches_every_document_of_a_pcs() {
    let server = server();
    let fmspc = platform().hardware.fmspc;
    let mut all = vec![
        PcsRequest::PckCrl(PckCa::Processor),
        PcsRequest::PckCrl(PckCa::Platform),
        PcsRequest::RootCaCrl,
        PcsRequest::QveIdentity(EvaluationDataSet::Standard),
    ];
    for tee in [TeeType::Sgx, TeeType::Tdx] {
        all.push(PcsRequest::EvaluationDataNumbers(tee));
        for set in [EvaluationDataSet::Standard, EvaluationDataSet::Early] {
            all.push(PcsRequest::TcbInfo(tee, fmspc, set));
            all.push(PcsRequest::QeIdentity(tee, set));
        }
    }
    for source in [source(&server.url()), source(&server.url()).with_kind(ServiceKind::Pcs)] {
        let client = builder().source(source).build().unwrap();
        let answers = client.fetch_all(&all).await;
        for (answer, request) in answers.into_iter().zip(&all) {
            assert_eq!(answer.unwrap().request, *request);
        }
    }
}

#[tokio::test]
async fn signed_documents_arrive_verbatim() {
    let server = server();
    let fetched = client(&server.url()).fetch(tcb_info()).await.unwrap();
    assert_eq!(fetched.body, answer(&tcb_info().path()).body);
}

#[tokio::test]
async fn the_root_ca_crl_takes_no_second_pck_crl_when_a_chain_came_before() {
    let server = server();
    let source = source(&server.url()).with_kind(ServiceKind::Pcs);
    let client = builder().source(source).build().unwrap();
    for answer in client.fetch_all(&requests()).await {
        answer.unwrap();
    }
    assert_eq!((server.count(Endpoint::PckCrl), server.count(Endpoint::RootCaCrl)), (1, 1));
}

#[tokio::test]
async fn the_root_ca_crl_alone_takes_a_chain_first() {
    let server = server();
    let source = source(&server.url()).with_kind(ServiceKind::Pcs);
    let client = builder().source(source).build().unwrap();
    let fetched = client.fetch(PcsRequest::RootCaCrl).await.unwrap();
    assert_eq!(fetched.body, answer("/IntelSGXRootCA.der").body);
    assert_eq!((server.count(Endpoint::PckCrl), server.count(Endpoint::RootCaCrl)), (1, 1));
}

/// What a PCCS of the platform answers: CRLs in hexadecimal; it has none of the routes in `lacks`.
fn pccs(head: &str, lacks: &[&str]) -> Reply {
    let asked = path(head);
    let name = asked.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    if lacks.contains(&name) {
        return http("404 Not Found", &[], b"No cache data for this platform.");
    }
    let path = match name {
        "rootcacrl" | "crl" => "/IntelSGXRootCA.der".to_owned(),
        _ => asked.replace("/v3/", "/v4/"),
    };
    let found = answer(&path);
    let mut headers: Vec<(&str, &str)> =
        found.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if asked.contains("/v3/") {
        for header in &mut headers {
            if header.0 == "TCB-Info-Issuer-Chain" {
                header.0 = "SGX-TCB-Info-Issuer-Chain";
            }
        }
    }
    let body = match name {
        "rootcacrl" | "pckcrl" => HEXLOWER.encode(&found.body).into_bytes(),
        _ => found.body.clone(),
    };
    http(&format!("{} x", found.status), &headers, &body)
}

#[tokio::test]
async fn fetches_from_a_pccs_whose_crls_are_hexadecimal() {
    let server = Scripted::http(|head| pccs(head, &[])).await;
    for answer in client(&server.url()).fetch_all(&requests()).await {
        answer.unwrap();
    }
    assert!(server.paths().contains(&"/sgx/certification/v4/rootcacrl".to_owned()));
}

#[tokio::test]
async fn asks_a_pccs_for_the_root_ca_crl_by_its_address_when_it_has_no_route_of_its_own() {
    let server = Scripted::http(|head| pccs(head, &["rootcacrl"])).await;
    client(&server.url()).fetch(PcsRequest::RootCaCrl).await.unwrap();
    let last = server.paths().pop().unwrap();
    let uri = last.strip_prefix("/sgx/certification/v4/crl?uri=").unwrap();
    assert_eq!(crl_request(uri), Some(PcsRequest::RootCaCrl));
}

#[tokio::test]
async fn speaks_version_3_to_a_pccs_whose_address_says_so() {
    let server = Scripted::http(|head| pccs(head, &[])).await;
    let client = client(&format!("{}/sgx/certification/v3/", server.url()));
    let set = EvaluationDataSet::Standard;
    let sgx = PcsRequest::TcbInfo(TeeType::Sgx, platform().hardware.fmspc, set);
    client.fetch(sgx).await.unwrap();
    client.fetch(PcsRequest::RootCaCrl).await.unwrap();
    assert!(server.paths().iter().all(|path| path.starts_with("/sgx/certification/v3/")));
    let fault = client.fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Lacks { document: "TCB info", .. }), "{fault}");
    let source = source(&server.url()).with_version(ApiVersion::V3);
    assert_eq!(source.to_string(), server.url());
}

#[tokio::test]
async fn fetches_the_pck_certificates_of_a_platform_by_ppid_and_by_manifest() {
    let server = server();
    let client = client(&server.url());
    let pce_id = platform().hardware.pce_id;
    for proof in
        [PlatformProof::EncryptedPpid(vec![7; 384]), PlatformProof::Manifest(vec![7; 10_000])]
    {
        let query = PlatformQuery { proof, pce_id };
        let found = client.pck_certificates(&query).await.unwrap();
        assert_eq!((found.fmspc, found.ca), (platform().hardware.fmspc, platform().hardware.ca));
        for entry in &found.entries {
            let leaf = entry.certificate.as_deref().unwrap();
            let chain = [leaf, &found.issuer_chain].concat();
            let read = crate::cases::judge().pck_certificate(&chain).unwrap();
            assert_eq!(read.extension.tcb.components, entry.components);
            assert_eq!(read.extension.tcb.cpu_svn, entry.tcbm.cpu_svn);
        }
    }
    let unknown = PlatformQuery { proof: PlatformProof::EncryptedPpid(vec![0; 384]), pce_id };
    assert!(client.pck_certificates(&unknown).await.unwrap_err().is_not_found());
}

fn families() -> Vec<PlatformFamily> {
    serde_json::from_slice(&answer("/sgx/certification/v4/fmspcs?platform=all").body).unwrap()
}

#[tokio::test]
async fn fetches_the_list_of_families_and_knows_their_kinds() {
    let server = server();
    let client = client(&server.url());
    let all = client.fmspcs("all").await.unwrap();
    assert_eq!(all, families());
    let fault = client.fmspcs("all&x=y").await.unwrap_err();
    assert!(matches!(fault, FetchError::BadRequest { .. }), "{fault}");
    assert_eq!(server.count(Endpoint::Fmspcs), 1);
}

#[tokio::test]
async fn fetches_a_crl_by_the_address_that_it_is_published_at_without_going_there() {
    let server = server();
    let client = client(&server.url());
    let root = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
    assert_eq!(client.crl(root).await.unwrap(), answer("/IntelSGXRootCA.der").body);
    let fault = client.crl("https://169.254.169.254/latest").await.unwrap_err();
    assert!(matches!(fault, FetchError::BadRequest { .. }), "{fault}");
}

#[tokio::test]
async fn the_api_key_goes_to_its_host_alone() {
    let elsewhere =
        Scripted::http(|_| http("200 OK", &[], &answer("/IntelSGXRootCA.der").body)).await;
    let server = Scripted::http(|head| pccs(head, &[])).await;
    let key = "0123456789abcdef0123456789abcdef";
    let keyed = source(&server.url())
        .with_api_key(key)
        .unwrap()
        .with_root_ca_crl_at(&format!("{}/root.crl", elsewhere.url()))
        .unwrap();
    let client = builder().source(keyed).build().unwrap();
    client.fetch(tcb_info()).await.unwrap();
    client.fetch(PcsRequest::RootCaCrl).await.unwrap();
    let header = format!("ocp-apim-subscription-key: {key}");
    let has = |head: &String| head.to_lowercase().contains(&header);
    assert!(server.requests().iter().all(has));
    assert_eq!(elsewhere.paths(), ["/root.crl"]);
    assert!(!elsewhere.requests().iter().any(has));
}

#[tokio::test]
async fn says_who_asks_and_sends_no_empty_api_key() {
    let server = Scripted::http(|head| pccs(head, &[])).await;
    let source = source(&server.url()).with_api_key("").unwrap();
    builder().source(source).build().unwrap().fetch(tcb_info()).await.unwrap();
    let head = server.requests().remove(0).to_lowercase();
    assert!(head.contains(&format!("user-agent: tdattest/{}", env!("CARGO_PKG_VERSION"))));
    assert!(!head.contains("ocp-apim"), "{head}");
}

#[tokio::test]
async fn goes_on_to_the_next_source_after_one_that_lacks_lies_or_fails() {
    let good = server();
    for failure in ["tcb=404", "tcb=503", "tcb=lie:tcb-info.signature", "tcb=cut-off:10"] {
        let bad = server();
        bad.fail(failure.parse().unwrap());
        let client = builder().sources([source(&bad.url()), source(&good.url())]).build().unwrap();
        client.fetch(tcb_info()).await.unwrap_or_else(|fault| panic!("{failure}: {fault}"));
        assert!(bad.count(Endpoint::TcbInfo) > 0, "{failure}");
    }
}

#[tokio::test]
async fn keeps_what_each_source_said_in_their_order() {
    let (first, second) = (server(), server());
    first.fail("tcb=404".parse().unwrap());
    second.fail("tcb=lie:tcb-info.signature".parse().unwrap());
    let sources = [source(&first.url()), source(&second.url())];
    let fault = builder().sources(sources).build().unwrap().fetch(tcb_info()).await.unwrap_err();
    let FetchError::EverySource(said) = &fault else { panic!("{fault}") };
    assert!(
        matches!(&said[0], FetchError::Refused { status: 404, url, .. } if url.starts_with(&first.url()))
    );
    assert!(matches!(&said[1], FetchError::Untrusted { url, .. } if *url == second.url()));
    assert_eq!(fault.code(), "fetch.untrusted");
}

#[tokio::test]
async fn asks_again_after_429_503_and_a_broken_connection_but_not_after_400() {
    for failure in ["tcb=429:retry-after=0,times=2", "tcb=503,times=2", "tcb=cut-off:100,times=2"] {
        let server = server();
        server.fail(failure.parse().unwrap());
        client(&server.url()).fetch(tcb_info()).await.unwrap();
        assert_eq!(server.count(Endpoint::TcbInfo), 3, "{failure}");
    }
    for (failure, status) in [("tcb=400", 400), ("tcb=401", 401), ("tcb=410", 410)] {
        let server = server();
        server.fail(failure.parse().unwrap());
        let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
        assert_eq!((fault.status(), server.count(Endpoint::TcbInfo)), (Some(status), 1));
    }
}

#[tokio::test]
async fn a_wait_that_ends_after_the_deadline_is_not_begun() {
    let server = server();
    server.fail("tcb=429:retry-after=3600".parse().unwrap());
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Refused { status: 429, .. }), "{fault}");
    assert_eq!(server.count(Endpoint::TcbInfo), 1);
}

#[tokio::test]
async fn a_broken_connection_is_unreachable_when_it_breaks_every_time() {
    let server = server();
    server.fail("tcb=cut-off:100".parse().unwrap());
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Unreachable { .. }), "{fault}");
    assert_eq!(server.count(Endpoint::TcbInfo), 3);
}

#[tokio::test]
async fn a_document_of_another_number_than_asked_for_is_refused() {
    // As Intel's PCCS does, which overlooks the number.
    let server =
        Scripted::http(|_| pccs(&format!("GET {} HTTP/1.1", tcb_info().path()), &[])).await;
    let set = EvaluationDataSet::Number(1);
    let request = PcsRequest::TcbInfo(TeeType::Tdx, platform().hardware.fmspc, set);
    let fault = client(&server.url()).fetch(request).await.unwrap_err();
    assert!(matches!(fault, FetchError::Untrusted { .. }), "{fault}");
}

#[tokio::test]
async fn without_a_source_there_is_nothing() {
    let client = builder().build().unwrap();
    assert_eq!(client.fetch(tcb_info()).await, Err(FetchError::NoSource(tcb_info())));
    assert_eq!(client.fmspcs("all").await, Err(FetchError::NoService("list of platform families")));
    let files = builder().source(Source::files("/nonexistent")).build().unwrap();
    let fault = files.fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Unreachable { .. }), "{fault}");
}

/// What a PCS answers about the platform, with one thing in it replaced by another.
fn lie(head: &str, of: &str, by: &str) -> Reply {
    let found = answer(path(head));
    let replaced = |text: &str| text.replace(of, by);
    let headers: Vec<(&str, String)> =
        found.headers.iter().map(|(name, value)| (*name, replaced(value))).collect();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = replaced(&String::from_utf8(found.body.clone()).unwrap());
    http("200 OK", &headers, body.as_bytes())
}

#[tokio::test]
async fn pck_certificates_that_are_not_what_stands_beside_them_come_from_the_next_source() {
    let good = server();
    let fmspc = platform().hardware.fmspc.to_string();
    let ca = platform().hardware.ca.name();
    let other = if ca == "platform" { "processor" } else { "platform" };
    let proof = PlatformProof::EncryptedPpid(vec![7; 384]);
    let query = PlatformQuery { proof, pce_id: platform().hardware.pce_id };
    for (of, by) in [
        (fmspc.as_str(), "000000000001"),
        (ca, other),
        ("\"sgxtcbcomp01svn\":", "\"sgxtcbcomp01svn\":1"),
        ("MII", "MIJ"),
    ] {
        let (of, by) = (of.to_owned(), by.to_owned());
        let named = of.clone();
        let bad = Scripted::http(move |head| lie(head, &of, &by)).await;
        let fault = client(&bad.url()).pck_certificates(&query).await.unwrap_err();
        assert!(matches!(fault, FetchError::Untrusted { .. }), "{named}: {fault}");
        let both = builder().sources([source(&bad.url()), source(&good.url())]).build().unwrap();
        both.pck_certificates(&query).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_for_another_pce_than_asked_for_are_untrusted() {
    let path = format!(
        "/sgx/certification/v4/pckcerts?encrypted_ppid={}&pceid={}",
        "07".repeat(384),
        platform().hardware.pce_id
    );
    let server = Scripted::http(move |_| lie(&format!("GET {path} HTTP/1.1"), "\0", "")).await;
    let proof = PlatformProof::EncryptedPpid(vec![7; 384]);
    let query = PlatformQuery { proof, pce_id: "00ff".parse().unwrap() };
    let fault = client(&server.url()).pck_certificates(&query).await.unwrap_err();
    assert!(matches!(fault, FetchError::Untrusted { .. }), "{fault}");
}

#[tokio::test]
async fn a_proof_of_a_wrong_length_is_never_sent() {
    let server = server();
    let client = client(&server.url());
    let pce_id = platform().hardware.pce_id;
    for proof in [
        PlatformProof::EncryptedPpid(vec![7; 383]),
        PlatformProof::EncryptedPpid(vec![7; 385]),
        PlatformProof::Manifest(vec![]),
        PlatformProof::Manifest(vec![7; tdattest_wire::limits::PLATFORM_MANIFEST_BYTES + 1]),
    ] {
        let fault = client.pck_certificates(&PlatformQuery { proof, pce_id }).await.unwrap_err();
        assert!(matches!(fault, FetchError::BadRequest { .. }), "{fault}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_list_of_families_that_is_none_comes_from_the_next_source() {
    let bad = Scripted::http(|_| http("200 OK", &[], b"{}")).await;
    let good = server();
    let client = builder().sources([source(&bad.url()), source(&good.url())]).build().unwrap();
    let all = client.fmspcs("all").await.unwrap();
    assert_eq!(all, families());
    assert_eq!(bad.requests().len(), 1);
}

#[tokio::test]
async fn a_genuine_document_that_is_too_old_does_not_hide_a_newer_one() {
    let long_ago = || "2026-06-01T12:00:00Z".parse().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let stale = PcsServer::start(platform(), &address, std::sync::Arc::new(long_ago)).unwrap();
    let fresh = server();
    let client = builder().sources([source(&stale.url()), source(&fresh.url())]).build().unwrap();
    let (first, old) = client.fetch_accepting(tcb_info(), |_, _| Ok(())).await.unwrap();
    let is_newer = |validity: &tdattest_wire::endorsement::Validity| validity.issued > old.issued;
    let newer = |_: &_, validity: &_| is_newer(validity).then_some(()).ok_or("too old".to_owned());
    let (second, new) = client.fetch_accepting(tcb_info(), newer).await.unwrap();
    assert!(new.issued > old.issued && second.body != first.body);
    let none = |_: &_, _: &_| Err("not wanted".to_owned());
    let fault = client.fetch_accepting(tcb_info(), none).await.unwrap_err();
    let FetchError::EverySource(said) = &fault else { panic!("{fault}") };
    let refused = |url: String| FetchError::NotAccepted { url, cause: "not wanted".into() };
    assert_eq!(*said, [refused(stale.url()), refused(fresh.url())]);
}

#[tokio::test]
async fn the_root_that_one_source_showed_is_known_to_all() {
    let lacking = server();
    lacking.fail("rootcacrl=404".parse().unwrap());
    let other = server();
    other.fail("pckcrl=404".parse().unwrap());
    let client = builder().sources([source(&lacking.url()), source(&other.url())]).build().unwrap();
    client.fetch(PcsRequest::RootCaCrl).await.unwrap();
    assert_eq!(other.count(Endpoint::PckCrl), 0);
}
