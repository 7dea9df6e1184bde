//! What is kept where: hot answers without the store, changes of another replica, bundles of an administrator.

use hyper::Method;
use serde_json::json;
use tdattest_pccs::store::Store as _;
use tdattest_pccs::{Admission, FillMode};
use tdattest_simulator::pcs_server::Endpoint;

use super::bundle::{QE_ID, bundle, value, written};
use super::cases::{
    CPU_SVN, Case, TCB, case, header, pckcert, request, service, settings, text, with_header,
    with_json,
};

async fn put(case: &Case, body: Vec<u8>) -> tdattest_pccs::Answer {
    let request = request(Method::PUT, "/sgx/certification/v4/platformcollateral");
    let request = with_json(with_header(request, "admin-token", "admintok"), body);
    case.pccs.answer(request).await
}

#[tokio::test]
async fn a_bundle_makes_an_offline_service_answer_everything() {
    let case = case(FillMode::Offline);
    let paths = [
        TCB.to_owned(),
        format!("{TCB}&update=early"),
        "/sgx/certification/v4/tcb?fmspc=00806F050000".into(),
        "/sgx/certification/v4/qe/identity".into(),
        "/tdx/certification/v4/qe/identity?update=early".into(),
        "/sgx/certification/v4/qve/identity".into(),
        "/sgx/certification/v4/pckcrl?ca=processor".into(),
        "/sgx/certification/v4/pckcrl?ca=platform&encoding=der".into(),
        "/sgx/certification/v4/rootcacrl".into(),
        "/sgx/certification/v4/crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der".into(),
    ];
    for path in &paths {
        assert_eq!(case.get(path).await.status, 404, "{path}");
    }
    let platform = pckcert(QE_ID, CPU_SVN, "0b00");
    assert_eq!(case.get(&platform).await.status, 461);

    let done = put(&case, bundle(case.time.now())).await;
    assert_eq!((done.status.as_u16(), text(&done)), (200, "Operation successful."));
    for path in &paths {
        assert_eq!(case.get(path).await.status, 200, "{path}");
    }
    let certificate = case.get(&platform).await;
    assert_eq!(certificate.status, 200);
    assert_eq!(header(&certificate, "sgx-tcbm"), Some("070702020301000300000000000000000B00"));
    assert_eq!(header(&certificate, "sgx-pck-certificate-ca-type"), Some("PLATFORM"));
    assert_eq!(case.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_bundle_spread_over_lines_is_taken_as_well() {
    let case = case(FillMode::Offline);
    let text = String::from_utf8(bundle(case.time.now())).unwrap();
    // In the TCB infos alone: in the identities, which are strings, the quotation marks are escaped.
    let spread = text.replace(",\"tcbLevels\":[", ",\n  \"tcbLevels\" : [ ");
    assert_ne!(spread, text);
    assert_eq!(put(&case, spread.into_bytes()).await.status, 200);
    assert_eq!(case.get(TCB).await.status, 200);
}

#[tokio::test]
async fn a_bundle_with_one_document_that_is_not_intel_s_is_refused_whole() {
    let now = case(FillMode::Offline).time.now();
    let mut forged = value(now);
    let identity = forged["collaterals"]["tdqeidentity"].as_str().unwrap().to_owned();
    forged["collaterals"]["tdqeidentity"] = identity.replace("UpToDate", "Revoked").into();
    let mut other_family = value(now);
    other_family["collaterals"]["tcbinfos"][0]["fmspc"] = "00606A000000".into();
    let mut other_tcb = value(now);
    let certs = other_tcb["collaterals"]["pck_certs"][0]["certs"].as_array_mut().unwrap();
    let tcbm = certs[1]["tcbm"].clone();
    certs[0]["tcbm"] = tcbm;
    let mut without_infos = value(now);
    without_infos["collaterals"]["tcbinfos"] = json!([]);
    for (bundle, status) in
        [(forged, 460), (other_family, 460), (other_tcb, 460), (without_infos, 400)]
    {
        let case = case(FillMode::Offline);
        assert_eq!(put(&case, written(&bundle)).await.status, status);
        assert!(case.store.documents().await.unwrap().is_empty());
        assert!(case.store.platforms(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_document_without_its_chain_is_left_out_of_a_bundle() {
    let case = case(FillMode::Offline);
    let mut partial = value(case.time.now());
    partial["platforms"] = json!([]);
    partial["collaterals"]["pck_certs"] = json!([]);
    let certificates = &mut partial["collaterals"]["certificates"];
    certificates["SGX-PCK-Certificate-Issuer-Chain"] = json!({});
    assert_eq!(put(&case, written(&partial)).await.status, 200);
    assert_eq!(case.get("/sgx/certification/v4/pckcrl?ca=processor").await.status, 404);
    assert_eq!(case.get(TCB).await.status, 200);
}

#[tokio::test]
async fn an_older_bundle_does_not_replace_newer_documents() {
    let case = case(FillMode::Offline);
    let older = bundle(case.time.now());
    case.time.pass_days(2);
    assert_eq!(put(&case, bundle(case.time.now())).await.status, 200);
    let newer = case.get(TCB).await;
    assert_eq!(put(&case, older).await.status, 200);
    assert_eq!(case.get(TCB).await.body, newer.body);
}

#[tokio::test]
async fn what_another_replica_changed_is_seen_when_changes_are_followed() {
    let case = case(FillMode::Offline);
    let other = service(settings(FillMode::Offline), &case.store, &case.upstream, &case.time);
    assert_eq!(put(&case, bundle(case.time.now())).await.status, 200);
    other.follow_changes().await;
    let before = other.answer(request(Method::GET, TCB)).await;
    assert_eq!(before.status, 200);

    case.time.pass_days(1);
    assert_eq!(put(&case, bundle(case.time.now())).await.status, 200);
    let held = other.answer(request(Method::GET, TCB)).await;
    assert_eq!(held.body, before.body);
    other.follow_changes().await;
    let after = other.answer(request(Method::GET, TCB)).await;
    assert_ne!(after.body, before.body);
}

#[tokio::test]
async fn a_kept_document_outlives_the_service_that_fetched_it() {
    let case = case(FillMode::Lazy);
    let fetched = case.get(TCB).await;
    let next = service(settings(FillMode::Lazy), &case.store, &case.upstream, &case.time);
    assert_eq!(next.answer(request(Method::GET, TCB)).await.body, fetched.body);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 1);
}

#[tokio::test]
async fn bad_bodies_are_refused_and_tokens_come_first() {
    let case = case(FillMode::Offline);
    for body in ["", "{", "[]", "{\"collaterals\":{}}", "\u{0}"] {
        assert_eq!(put(&case, body.into()).await.status, 400, "{body:?}");
    }
    let mut version = value(case.time.now());
    version["collaterals"]["version"] = 3.into();
    assert_eq!(put(&case, written(&version)).await.status, 400);

    let mut anonymous = request(Method::PUT, "/sgx/certification/v4/platformcollateral");
    anonymous.body_too_large = true;
    assert_eq!(case.pccs.answer(anonymous.clone()).await.status, 401);
    let known = with_header(anonymous, "admin-token", "admintok");
    assert_eq!(case.pccs.answer(known).await.status, 413);
}

#[tokio::test]
async fn a_body_is_wanted_once_its_token_is_good() {
    let case = case(FillMode::Offline);
    let admit = async |method: Method, path: &str, token: Option<(&str, &str)>| {
        let head = request(method, &format!("/sgx/certification/{path}"));
        let head = match token {
            Some((name, token)) => with_header(head, name, token),
            None => head,
        };
        match case.pccs.admit(&head).await {
            Admission::WithBody => None,
            Admission::WithoutBody => Some(0),
            Admission::Refused(answer) => Some(answer.status.as_u16()),
        }
    };
    let user = |token| Some(("user-token", token));
    let admin = |token| Some(("admin-token", token));
    for (method, path, token, told) in [
        (Method::POST, "v4/platforms", user("usertok"), None),
        (Method::POST, "v3/platforms/", user("usertok"), None),
        (Method::POST, "v4/platforms", user("other"), Some(401)),
        (Method::POST, "v4/platforms", admin("admintok"), Some(401)),
        (Method::POST, "v4/platforms", None, Some(401)),
        (Method::PUT, "v4/platformcollateral", admin("admintok"), None),
        (Method::PUT, "v4/platformcollateral", None, Some(401)),
        (Method::PUT, "v4/appraisalpolicy", admin("admintok"), None),
        (Method::PUT, "v4/appraisalpolicy", user("usertok"), Some(401)),
        // These look at no body, whatever their tokens.
        (Method::GET, "v4/platforms", None, Some(0)),
        (Method::POST, "v4/refresh", None, Some(0)),
        (Method::PUT, "v4/platforms", None, Some(0)),
        (Method::GET, "v4/tcb", None, Some(0)),
        (Method::POST, "v4/nothing", None, Some(0)),
        (Method::PUT, "V4/platformcollateral", admin("admintok"), Some(0)),
    ] {
        let name = format!("{method} {path} {token:?}");
        assert_eq!(admit(method, path, token).await, told, "{name}");
    }
}
