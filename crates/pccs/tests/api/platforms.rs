//! Platforms: new ones, known ones with a new TCB, registered ones.

use hyper::Method;
use serde_json::Value;
use tdattest_pccs::FillMode;
use tdattest_simulator::pcs_server::Endpoint;

use super::cases::{CPU_SVN, Case, case, header, pckcert, registration, text};

const QE: &str = "0123456789abcdef0123456789abcdef";

async fn listed(case: &Case, source: &str) -> Vec<Value> {
    let path = format!("/sgx/certification/v4/platforms?source={source}");
    let answer = case.as_admin(Method::GET, &path).await;
    assert_eq!(answer.status, 200);
    let list: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(header(&answer, "platform-count"), Some(&*list.len().to_string()));
    list
}

#[tokio::test]
async fn a_known_platform_is_answered_without_the_upstream() {
    let case = case(FillMode::Lazy);
    let first = case.get(&pckcert(QE, CPU_SVN, "0b00")).await;
    assert_eq!(first.status, 200);
    let asked = case.upstream.requests().len();
    let path = format!(
        "/sgx/certification/v4/pckcert?qeid={}&cpusvn={CPU_SVN}&pcesvn=0B00&pceid=0000",
        QE.to_uppercase()
    );
    let again = case.get(&path).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &first.body));
    assert_eq!(again.headers, first.headers);
    assert_eq!(case.upstream.requests().len(), asked);
}

#[tokio::test]
async fn a_platform_with_a_new_tcb_is_fetched_anew_but_not_at_once() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(&pckcert(QE, CPU_SVN, "0b00")).await.status, 200);
    let higher = pckcert(QE, "09090202030100030000000000000000", "0b00");
    let lower = case.get(&higher).await;
    assert_eq!(header(&lower, "sgx-tcbm"), Some("070702020301000300000000000000000B00"));
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 1, "it was fetched just now");

    case.time.pass(120);
    let another = pckcert(QE, "0a0a0202030100030000000000000000", "0b00");
    assert_eq!(case.get(&another).await.status, 200);
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 2);
}

#[tokio::test]
async fn a_known_platform_with_a_new_tcb_has_the_kept_certificates_while_the_upstream_is_down() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(&pckcert(QE, CPU_SVN, "0b00")).await.status, 200);
    case.upstream.fail("all=503".parse().unwrap());
    case.time.pass(120);
    let lower = case.get(&pckcert(QE, "06090202030100030000000000000000", "0c00")).await;
    assert_eq!(header(&lower, "sgx-tcbm"), Some("060602020301000300000000000000000B00"));
}

#[tokio::test]
async fn a_registered_platform_in_req_has_everything_it_needs() {
    let case = case(FillMode::Req);
    let asked = pckcert(QE, CPU_SVN, "0b00");
    assert_eq!(case.get(&asked).await.status, 461);
    let done = case.register(registration(QE)).await;
    assert_eq!((done.status.as_u16(), text(&done)), (200, "Operation successful."));
    case.upstream.fail("all=503".parse().unwrap());
    for path in [
        &*asked,
        "/tdx/certification/v4/tcb?fmspc=00806F050000",
        "/tdx/certification/v4/tcb?fmspc=00806F050000&update=early",
        "/sgx/certification/v4/qve/identity",
        "/sgx/certification/v4/pckcrl?ca=platform",
        "/sgx/certification/v4/rootcacrl",
    ] {
        assert_eq!(case.get(path).await.status, 200, "{path}");
    }
    assert!(listed(&case, "reg").await.is_empty());
    assert_eq!(listed(&case, "[]").await.len(), 1);
    assert_eq!(listed(&case, "[00806F050000]").await.len(), 1);
    assert!(listed(&case, "[00606A000000]").await.is_empty());
}

#[tokio::test]
async fn a_registration_that_cannot_be_done_stays_in_the_queue_of_req() {
    let case = case(FillMode::Req);
    case.upstream.fail("pckcerts=503".parse().unwrap());
    assert_eq!(case.register(registration(QE)).await.status, 502);
    let waiting = listed(&case, "reg").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["qe_id"], QE.to_uppercase());
    assert!(listed(&case, "reg").await.is_empty(), "the queue is read once");
}

#[tokio::test]
async fn a_registration_of_a_known_platform_asks_for_no_certificates() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.register(registration(QE)).await.status, 200);
    assert_eq!(case.register(registration(&QE.to_uppercase())).await.status, 200);
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 1);
}

#[tokio::test]
async fn a_manifest_is_compared_as_bytes() {
    let case = case(FillMode::Lazy);
    let manifest = "178e874b".to_owned() + &"0d".repeat(9000);
    let body = |manifest: &str| {
        format!(r#"{{"qe_id":"{QE}","pce_id":"0000","platform_manifest":"{manifest}"}}"#)
    };
    for text in [&manifest, &manifest, &manifest.to_uppercase()] {
        assert_eq!(case.register(body(text)).await.status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 1);
    let other = manifest.replace("178e", "178f");
    assert_eq!(case.register(body(&other)).await.status, 200);
    // The clock of the test stands still: the newer fetch is known by its manifest alone.
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 2);
}

#[tokio::test]
async fn offline_queues_registrations_and_gives_each_out_once() {
    let case = case(FillMode::Offline);
    assert_eq!(case.register(registration(QE)).await.status, 200);
    let waiting = listed(&case, "").await;
    assert_eq!(waiting[0]["cpu_svn"], CPU_SVN.to_uppercase());
    assert_eq!(waiting[0]["enc_ppid"], "ab".repeat(384));
    assert!(listed(&case, "").await.is_empty());
    assert!(case.upstream.requests().is_empty());
}
