//! A platform for whose newest TCB Intel has no certificate yet. Intel's own service fails at it in REQ.

use hyper::Method;
use serde_json::Value;
use tdattest_pccs::store::Store as _;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::{FillMode, Pccs};

use super::altered::Altered;
use super::cases::{
    CPU_SVN, Time, header, pckcert, registration, request, service_of, settings, with_header,
    with_json,
};

const QE: &str = "0123456789abcdef0123456789abcdef";

/// A service whose upstream has no certificate for the highest TCB.
async fn service(mode: FillMode) -> (Pccs, Altered, Memory) {
    let (store, time) = (Memory::new(), Time::new());
    let upstream = Altered::start(&time).await;
    upstream.without_the_highest();
    (service_of(settings(mode), &store, &upstream.url, &time), upstream, store)
}

async fn register(pccs: &Pccs, body: String) -> u16 {
    let post = request(Method::POST, "/sgx/certification/v4/platforms");
    let post = with_json(with_header(post, "user-token", "usertok"), body);
    pccs.answer(post).await.status.as_u16()
}

async fn waiting(pccs: &Pccs, source: &str) -> Vec<Value> {
    let path = format!("/sgx/certification/v4/platforms?source={source}");
    let asked = with_header(request(Method::GET, &path), "admin-token", "admintok");
    let listed = pccs.answer(asked).await;
    assert_eq!(listed.status, 200);
    serde_json::from_slice(&listed.body).unwrap()
}

#[tokio::test]
async fn the_best_of_the_rest_is_served_and_not_remembered() {
    let (pccs, _, store) = service(FillMode::Lazy).await;
    let served = pccs.answer(request(Method::GET, &pckcert(QE, CPU_SVN, "0b00"))).await;
    assert_eq!(served.status, 200);
    assert_eq!(header(&served, "sgx-tcbm"), Some("060602020301000300000000000000000B00"));
    let kept = store.platforms(&[]).await.unwrap();
    assert_eq!((kept.len(), kept[0].1.len()), (1, 0));
}

#[tokio::test]
async fn what_is_not_available_waits_in_a_queue_of_its_own_in_req() {
    let (pccs, _, _) = service(FillMode::Req).await;
    assert_eq!(register(&pccs, registration(QE)).await, 200);
    assert!(waiting(&pccs, "reg").await.is_empty());
    let of_intel = waiting(&pccs, "reg_na").await;
    assert_eq!(of_intel.len(), 1);
    assert_eq!(of_intel[0]["cpu_svn"], CPU_SVN);
    assert_eq!(of_intel[0]["pce_svn"], "0B00");
    assert!(waiting(&pccs, "reg_na").await.is_empty());
}

#[tokio::test]
async fn a_platform_without_any_certificate_is_not_there_and_waits_at_all_its_tcbs() {
    let (pccs, upstream, _) = service(FillMode::Req).await;
    upstream.without_any();
    assert_eq!(register(&pccs, registration(QE)).await, 200);
    assert_eq!(waiting(&pccs, "reg_na").await.len(), 3);
    let asked = pccs.answer(request(Method::GET, &pckcert(QE, CPU_SVN, "0b00"))).await;
    assert_eq!(asked.status, 404);
}

#[tokio::test]
async fn once_intel_has_the_certificate_it_is_served_and_remembered() {
    let (store, time) = (Memory::new(), Time::new());
    let upstream = Altered::start(&time).await;
    upstream.without_the_highest();
    let pccs = service_of(settings(FillMode::Lazy), &store, &upstream.url, &time);
    let get = || pccs.answer(request(Method::GET, &pckcert(QE, CPU_SVN, "0b00")));
    let lower = get().await;
    assert_eq!(header(&lower, "sgx-tcbm"), Some("060602020301000300000000000000000B00"));
    upstream.change(|_| {});
    time.pass(60);
    for _ in 0..2 {
        let highest = get().await;
        assert_eq!(header(&highest, "sgx-tcbm"), Some("070702020301000300000000000000000B00"));
    }
    assert_eq!(upstream.lists(), 2);
    let kept = store.platforms(&[]).await.unwrap();
    assert_eq!((kept.len(), kept[0].1.len()), (1, 1));
}
