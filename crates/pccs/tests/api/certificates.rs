//! The PCK certificates of platforms over time: which choice stays, what replaces what, what has ended.

use hyper::Method;
use serde_json::Value;
use tdattest_pccs::store::Store as _;
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::wire::bytes::Ppid;
use tdattest_pccs::{Answer, FillMode, Pccs, Settings};
use tdattest_simulator::pcs_server::Endpoint;

use super::altered::{Altered, entries};
use super::cases::{
    CPU_SVN, Gate, Time, case, header, pckcert, platform, registration, request, service_of,
    settings, text, with_header, with_json,
};

const QE: &str = "0123456789abcdef0123456789abcdef";
const HIGHEST: &str = "070702020301000300000000000000000B00";
const MIDDLE: &str = "060602020301000300000000000000000B00";

/// A TCB between the highest certificate and the one below it.
const BETWEEN: &str = "06090202030100030000000000000000";

/// A service, its upstream, its store and its time.
struct Changing {
    pccs: Pccs,
    upstream: Altered,
    store: Memory,
    time: Time,
}

impl Changing {
    async fn new(settings: Settings) -> Self {
        let (store, time) = (Memory::new(), Time::new());
        let upstream = Altered::start(&time).await;
        let pccs = service_of(settings, &store, &upstream.url, &time);
        Self { pccs, upstream, store, time }
    }

    async fn get(&self, cpu_svn: &str) -> Answer {
        self.pccs.answer(request(Method::GET, &pckcert(QE, cpu_svn, "0b00"))).await
    }
}

#[tokio::test]
async fn a_choice_made_while_the_upstream_is_down_is_made_again_when_it_is_back() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(&pckcert(QE, CPU_SVN, "0b00")).await.status, 200);
    let between = pckcert(QE, BETWEEN, "0b00");
    case.time.pass(120);
    case.upstream.fail("pckcerts=503".parse().unwrap());
    let kept = case.get(&between).await;
    assert_eq!(header(&kept, "sgx-tcbm"), Some(MIDDLE));

    case.upstream.recover();
    case.time.pass(5);
    let before = case.upstream.count(Endpoint::PckCertificates);
    for _ in 0..3 {
        assert_eq!(header(&case.get(&between).await, "sgx-tcbm"), Some(MIDDLE));
    }
    let asked = case.upstream.count(Endpoint::PckCertificates);
    assert_eq!(asked, before + 1, "fetched anew, and then remembered");
}

#[tokio::test]
async fn the_certificate_of_the_very_tcb_is_remembered_wherever_it_comes_from() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(&pckcert(QE, CPU_SVN, "0b00")).await.status, 200);
    let middle = "06060202030100030000000000000000";
    assert_eq!(case.get(&pckcert(QE, middle, "0b00")).await.status, 200);
    case.time.pass(120);
    assert_eq!(case.get(&pckcert(QE, middle, "0b00")).await.status, 200);
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 1);
    assert_eq!(case.store.platforms(&[]).await.unwrap()[0].1.len(), 2);
}

#[tokio::test]
async fn a_list_without_certificates_replaces_none() {
    let changes: [fn(&mut Vec<Value>); 2] = [
        |entries| entries.iter_mut().for_each(|entry| entry["cert"] = "Not available".into()),
        Vec::clear,
    ];
    for change in changes {
        let case = Changing::new(settings(FillMode::Lazy)).await;
        let first = case.get(CPU_SVN).await;
        assert_eq!(header(&first, "sgx-tcbm"), Some(HIGHEST));
        case.upstream.change(change);
        case.time.pass(120);
        for _ in 0..3 {
            let lower = case.get(BETWEEN).await;
            assert_eq!(header(&lower, "sgx-tcbm"), Some(MIDDLE));
        }
        assert_eq!(case.get(CPU_SVN).await.body, first.body);
        // What was chosen before stands, and nothing chosen meanwhile does.
        assert_eq!(case.store.platforms(&[]).await.unwrap()[0].1.len(), 1);
    }
}

#[tokio::test]
async fn an_upstream_that_has_no_certificate_any_more_is_asked_once_a_minute() {
    let case = Changing::new(settings(FillMode::Lazy)).await;
    assert_eq!(case.get(CPU_SVN).await.status, 200);
    case.upstream.without_any();
    for minutes in 1..4 {
        case.time.pass(60);
        for _ in 0..2 {
            assert_eq!(case.get(BETWEEN).await.status, 200);
        }
        assert_eq!(case.upstream.lists(), 1 + minutes);
    }
}

#[tokio::test]
async fn certificates_of_several_platforms_are_not_one_platform_s() {
    let case = Changing::new(settings(FillMode::Lazy)).await;
    let mut other = platform();
    other.hardware.ppid = Ppid([7; 16]);
    let of_other = entries(&other, &case.time);
    case.upstream.change(move |entries| entries[1] = of_other[1].clone());
    assert_eq!(case.get(CPU_SVN).await.status, 502);
    assert_eq!(case.store.platforms(&[]).await.unwrap(), []);
    case.upstream.change(|_| {});
    // What failed is not tried again at once.
    assert_eq!(case.get(CPU_SVN).await.status, 502);
    case.time.pass(5);
    assert_eq!(case.get(CPU_SVN).await.status, 200);
}

#[tokio::test]
async fn an_ended_certificate_is_fetched_anew() {
    let case = Changing::new(settings(FillMode::Lazy)).await;
    let mut longer = platform();
    let mut shorter = platform();
    shorter.pki.windows.pck.to = case.time.now().saturating_add(3600);
    longer.pki.windows.pck.to = case.time.now().saturating_add(400 * 24 * 3600);
    case.upstream.set_platform(shorter);
    let first = case.get(CPU_SVN).await;
    case.time.pass(3601);
    let ended = case.get(CPU_SVN).await;
    assert_eq!((ended.status.as_u16(), text(&ended)), (503, ""));
    let reason = header(&ended, "warning").unwrap();
    assert!(reason.starts_with("199 - \"the PCK certificate ended at 2026-11-01T13:00:00Z"));
    assert!(reason.ends_with("Intel has no newer one for this platform\""), "{reason}");
    assert_eq!(case.upstream.lists(), 2, "it was asked for");

    case.upstream.set_platform(longer);
    assert_eq!(case.get(CPU_SVN).await.status, 503);
    assert_eq!(case.upstream.lists(), 2, "not at once again");
    case.time.pass(60);
    let newer = case.get(CPU_SVN).await;
    assert_eq!(newer.status, 200);
    assert_ne!(newer.body, first.body);
    assert_eq!(case.get(CPU_SVN).await.body, newer.body);
    assert_eq!(case.upstream.lists(), 3);
}

#[tokio::test]
async fn an_ended_certificate_is_served_where_that_is_allowed_by_name() {
    let settings = Settings { allow_stale: true, ..settings(FillMode::Lazy) };
    let case = Changing::new(settings).await;
    let mut shorter = platform();
    shorter.pki.windows.pck.to = case.time.now().saturating_add(3600);
    case.upstream.set_platform(shorter);
    let first = case.get(CPU_SVN).await;
    case.time.pass(3601);
    let stale = case.get(CPU_SVN).await;
    assert_eq!((stale.status.as_u16(), &stale.body), (200, &first.body));
    assert!(header(&stale, "warning").unwrap().starts_with("110 - \""));
}

#[tokio::test]
async fn a_platform_whose_certificate_ended_is_registered_anew() {
    let case = Changing::new(settings(FillMode::Lazy)).await;
    let mut shorter = platform();
    shorter.pki.windows.pck.to = case.time.now().saturating_add(3600);
    case.upstream.set_platform(shorter);
    let register = || {
        let post = request(Method::POST, "/sgx/certification/v4/platforms");
        let post = with_json(with_header(post, "user-token", "usertok"), registration(QE));
        case.pccs.answer(post)
    };
    assert_eq!(register().await.status, 200);
    assert_eq!(register().await.status, 200);
    assert_eq!(case.upstream.lists(), 1);
    case.time.pass(3601);
    case.upstream.set_platform(platform());
    assert_eq!(register().await.status, 200);
    assert_eq!(case.upstream.lists(), 2);
    assert_eq!(case.get(CPU_SVN).await.status, 200);
}

#[tokio::test]
async fn two_who_say_different_things_of_one_platform_are_asked_for_each() {
    let case = case(FillMode::Lazy);
    let gate = Gate::before(&case.upstream);
    let ask = |ppid: &str| {
        let asked = pckcert(QE, CPU_SVN, "0b00").replace(&"ab".repeat(384), &ppid.repeat(384));
        let pccs = case.pccs.clone();
        tokio::spawn(async move { pccs.answer(request(Method::GET, &asked)).await })
    };
    let asking = [ask("ab"), ask("cd"), ask("ab")];
    gate.until_somebody_waits().await;
    // Each has got as far as it can.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    gate.open();
    for one in asking {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 2);
}
