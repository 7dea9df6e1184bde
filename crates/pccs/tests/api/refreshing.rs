//! Refreshing: each item on its own, ahead of its end, by one replica.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use tdattest_pccs::store::Store as _;
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{FillMode, RefreshOutcome, Settings};
use tdattest_simulator::pcs_server::Endpoint;

use super::cases::{
    CPU_SVN, Gate, TCB, case, case_with, header, pckcert, request, service, settings, start, text,
};

const ROOT: &str = "/sgx/certification/v4/rootcacrl";
const QE: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn nothing_is_due_at_first_and_everything_ahead_of_its_end() {
    let case = case(FillMode::Lazy);
    let first = case.get(TCB).await;
    assert!(case.pccs.refresh().await.items.is_empty());
    case.time.pass_days(24);
    let report = case.pccs.refresh().await;
    assert_eq!(report.items.len(), 1);
    assert_eq!(report.items[0].name, format!("{TCB}&update=standard"));
    assert_eq!(report.items[0].outcome, RefreshOutcome::Refreshed);
    let newer = case.get(TCB).await;
    assert_ne!(newer.body, first.body);
    assert_eq!(header(&newer, "warning"), None);
}

#[tokio::test]
async fn one_failure_spoils_nothing() {
    let case = case(FillMode::Lazy);
    let identity = "/tdx/certification/v4/qe/identity";
    let crl = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der";
    let kept = case.get(TCB).await;
    for path in [identity, crl] {
        assert_eq!(case.get(path).await.status, 200);
    }
    case.time.pass_days(25);
    case.upstream.fail("tcb=404".parse().unwrap());
    let report = case.pccs.refresh().await;
    let failed = |outcome: &RefreshOutcome| matches!(outcome, RefreshOutcome::Failed(_));
    assert_eq!(report.items.len(), 3);
    assert_eq!(report.items.iter().filter(|item| failed(&item.outcome)).count(), 1);
    // What failed is still served as it was; the rest is new.
    assert_eq!(case.get(TCB).await.body, kept.body);
    let states = case.store.documents().await.unwrap();
    let renewed = states.iter().filter(|state| state.fetched_at == case.time.now()).count();
    assert_eq!(renewed, 2);
}

#[tokio::test]
async fn what_came_again_as_it_was_is_not_asked_for_at_every_look() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(TCB).await.status, 200);
    case.upstream.set_clock(Arc::new(start));
    case.time.pass_days(24);
    assert_eq!(case.pccs.refresh().await.items[0].outcome, RefreshOutcome::Unchanged);
    case.time.pass(3600);
    assert!(case.pccs.refresh().await.items.is_empty());
    // A sixteenth of the seven days of the lead.
    case.time.pass(11 * 3600);
    assert_eq!(case.pccs.refresh().await.items.len(), 1);
}

#[tokio::test]
async fn an_older_edition_than_is_kept_is_a_failure() {
    let case = case(FillMode::Lazy);
    let kept = case.get(TCB).await;
    case.time.pass_days(25);
    let earlier = UnixTime::from_secs(start().as_secs() - 24 * 3600).unwrap();
    case.upstream.set_clock(Arc::new(move || earlier));
    let report = case.pccs.refresh().await;
    let cause = "the upstream sent an older edition than is kept";
    assert_eq!(report.items[0].outcome, RefreshOutcome::Failed(cause.into()));
    assert_eq!(case.get(TCB).await.body, kept.body);
}

#[tokio::test]
async fn a_refresh_by_hand_may_take_longer_than_a_client_waits() {
    let deadline = Duration::from_millis(40);
    let case = case_with(Settings { client_deadline: deadline, ..settings(FillMode::Lazy) });
    let patient = service(settings(FillMode::Lazy), &case.store, &case.upstream, &case.time);
    assert_eq!(patient.answer(request(Method::GET, TCB)).await.status, 200);
    case.upstream.fail("tcb=slow:300ms,times=1".parse().unwrap());
    let done = case.as_admin(Method::POST, "/sgx/certification/v4/refresh").await;
    assert_eq!((done.status.as_u16(), text(&done)), (200, "Operation successful."));
}

#[tokio::test]
async fn one_replica_refreshes_at_a_time() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(TCB).await.status, 200);
    case.time.pass_days(25);
    let lease = case.store.try_lease("refresh").await.unwrap().unwrap();
    assert!(case.pccs.refresh().await.left_to_another);
    drop(lease);
    assert!(!case.pccs.refresh().await.left_to_another);
}

#[tokio::test]
async fn replicas_that_refresh_at_once_fetch_each_item_once() {
    let case = case(FillMode::Lazy);
    let other = service(settings(FillMode::Lazy), &case.store, &case.upstream, &case.time);
    let paths = [TCB, ROOT, "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"];
    for path in paths {
        assert_eq!(case.get(path).await.status, 200);
    }
    let asked = case.upstream.requests().len();
    case.time.pass_days(25);
    let gate = Gate::before(&case.upstream);
    let refreshing = case.pccs.clone();
    let refreshing = tokio::spawn(async move { refreshing.refresh().await });
    gate.until_somebody_waits().await;
    assert!(other.refresh().await.left_to_another);
    // Clients get what there is meanwhile, from both.
    for pccs in [&case.pccs, &other] {
        assert_eq!(pccs.answer(request(Method::GET, TCB)).await.status, 200);
    }
    gate.open();
    let report = refreshing.await.unwrap();
    assert!(!report.left_to_another);
    let due = case.upstream.requests().len() - asked;
    assert_eq!(report.items.len(), due, "one call an item");
    let done = |outcome: &RefreshOutcome| *outcome == RefreshOutcome::Refreshed;
    assert!(due > 0 && report.items.iter().all(|item| done(&item.outcome)), "{report:?}");
    assert_eq!(other.refresh().await.items, [], "nothing is due any more");
}

#[tokio::test]
async fn a_refresh_by_hand_fetches_everything_and_says_when_something_failed() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(TCB).await.status, 200);
    assert_eq!(case.get(ROOT).await.status, 200);
    let path = "/sgx/certification/v4/refresh";
    let before = case.upstream.count(Endpoint::TcbInfo);
    assert_eq!(case.as_admin(Method::POST, path).await.status, 200);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), before + 1);
    case.upstream.fail("tcb=404".parse().unwrap());
    let failed = case.as_admin(Method::GET, path).await;
    assert_eq!(failed.status, 503);
    assert_eq!(text(&failed), "Server is currently unable to process the request.");
}

#[tokio::test]
async fn certificates_are_refreshed_by_family_and_stay_listed() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(&pckcert(QE, CPU_SVN, "0b00")).await.status, 200);
    case.time.pass(60);
    let path = "/sgx/certification/v4/refresh?type=certs&fmspc=";
    for (families, calls) in [("00606A000000", 1), ("00806F050000", 2), ("", 3)] {
        let done = case.as_admin(Method::POST, &format!("{path}{families}")).await;
        assert_eq!(done.status, 200, "{families}");
        assert_eq!(case.upstream.count(Endpoint::PckCertificates), calls, "{families}");
        case.time.pass(60);
    }
    let listed = case.as_admin(Method::GET, "/sgx/certification/v4/platforms?source=[]").await;
    assert_eq!(header(&listed, "platform-count"), Some("1"));
}

#[tokio::test]
async fn an_offline_service_refreshes_nothing() {
    let case = case(FillMode::Offline);
    assert_eq!(case.pccs.refresh().await.items, []);
    let refused = case.as_admin(Method::POST, "/sgx/certification/v4/refresh").await;
    assert_eq!(refused.status, 503);
}
