//! A database that goes away: what is in memory goes on being served, the rest is refused and not hung.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Method;
use tdattest_pccs::store::{RegistrationState, Role, Store as _, Token};
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{
    FillMode, Notice, Pccs, RefreshItem, RefreshOutcome, RefreshReport, Settings, Watcher, tokens,
};
use tdattest_simulator::pcs_server::Endpoint;

use super::cases::{
    CPU_SVN, TCB, case, header, pckcert, registration, request, service_on, settings, start, text,
    with_header, with_json,
};
use super::faulty::Faulty;

/// Over before anything that is held is let go.
const DEADLINE: Duration = Duration::from_millis(20);

/// Settings of a service whose clients wait for a moment only.
fn impatient() -> Settings {
    Settings { client_deadline: Duration::from_millis(40), ..settings(FillMode::Lazy) }
}

#[tokio::test]
async fn what_has_changed_is_served_as_it_was_while_the_database_is_away_or_hangs() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = service_on(impatient(), store.clone(), &url, &case.time);
    let paths = [TCB.to_owned(), pckcert("aa", CPU_SVN, "0b00")];
    let mut before = Vec::new();
    for path in &paths {
        // By another one, whose clients are patient.
        assert_eq!(case.get(path).await.status, 200);
        before.push(pccs.answer(request(Method::GET, path)).await);
    }
    pccs.follow_changes().await;
    case.time.pass_days(1);
    assert_eq!(case.as_admin(Method::POST, "/sgx/certification/v4/refresh").await.status, 200);
    let certificates = "/sgx/certification/v4/refresh?type=certs&fmspc=";
    assert_eq!(case.as_admin(Method::POST, certificates).await.status, 200);
    pccs.follow_changes().await;

    // The store ends its calls after a time, so that only those who wait for several of them need more than that.
    for (hangs, paths) in [(false, &paths[..]), (true, &paths[..1])] {
        store.set_away(!hangs);
        store.hold(if hangs { "document" } else { "" });
        for (path, before) in paths.iter().zip(&before) {
            let after = pccs.answer(request(Method::GET, path)).await;
            assert_eq!((after.status.as_u16(), &after.body), (200, &before.body), "{hangs}");
        }
        case.time.pass(60);
    }
    // Not past its end.
    case.time.pass_days(31);
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.status, 503);
}

#[tokio::test]
async fn a_document_that_was_just_renewed_is_there_when_the_database_goes() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = service_on(settings(FillMode::Lazy), store.clone(), &url, &case.time);
    let older = pccs.answer(request(Method::GET, TCB)).await;
    case.time.pass_days(25);
    assert_eq!(pccs.refresh().await.items[0].outcome, RefreshOutcome::Refreshed);
    store.set_away(true);
    let newer = pccs.answer(request(Method::GET, TCB)).await;
    assert_eq!(newer.status, 200);
    assert_ne!(newer.body, older.body);
    store.set_away(false);
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.body, newer.body);
}

#[tokio::test]
async fn what_could_not_be_kept_is_served_and_not_said_to_be_kept() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = service_on(settings(FillMode::Lazy), store.clone(), &url, &case.time);
    let kept = pccs.answer(request(Method::GET, TCB)).await;
    store.fail(Some("put_document"));
    let identity = "/tdx/certification/v4/qe/identity";
    for _ in 0..2 {
        assert_eq!(pccs.answer(request(Method::GET, identity)).await.status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::QeIdentity), 1);

    case.time.pass_days(25);
    let failed = |report: RefreshReport| match &report.items[..] {
        [RefreshItem { outcome: RefreshOutcome::Failed(cause), .. }] => cause.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(pccs.refresh().await), "it was fetched, but could not be kept");
    let newer = pccs.answer(request(Method::GET, TCB)).await;
    assert_ne!(newer.body, kept.body);
    // What is older than what is kept is not served for want of a place to keep it.
    let before = start();
    case.upstream.set_clock(Arc::new(move || earlier(before)));
    assert_eq!(failed(pccs.refresh().await), "the upstream sent an older edition than is kept");
    assert_eq!(pccs.answer(request(Method::GET, TCB)).await.body, newer.body);
}

fn earlier(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.as_secs() - 24 * 3600).unwrap()
}

#[tokio::test]
async fn without_the_database_hot_answers_go_on_and_the_rest_is_refused() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = service_on(settings(FillMode::Lazy), store.clone(), &url, &case.time);
    let get = |path: &str| pccs.answer(request(Method::GET, path));

    let hot = [TCB.to_owned(), pckcert("aa", CPU_SVN, "0b00")];
    let mut before = Vec::new();
    for path in &hot {
        before.push(get(path).await);
    }
    store.set_away(true);
    pccs.follow_changes().await;
    for (path, before) in hot.iter().zip(&before) {
        let after = get(path).await;
        assert_eq!((after.status.as_u16(), &after.body), (200, &before.body), "{path}");
    }
    for path in [
        "/tdx/certification/v4/qe/identity".to_owned(),
        pckcert("bb", CPU_SVN, "0b00"),
        "/sgx/certification/v4/appraisalpolicy?fmspc=00806F050000".into(),
    ] {
        let refused = get(&path).await;
        assert_eq!((refused.status.as_u16(), text(&refused)), (503, ""), "{path}");
        assert_eq!(header(&refused, "warning"), Some("199 - \"the database is away\""));
    }
    // The token of the configuration is good without the database.
    let list = request(Method::GET, "/sgx/certification/v4/platforms");
    let listed = pccs.answer(with_header(list, "admin-token", "admintok")).await;
    assert_eq!(listed.status, 503);

    store.set_away(false);
    assert_eq!(get("/tdx/certification/v4/qe/identity").await.status, 200);
}

#[tokio::test]
async fn a_database_that_hangs_holds_nobody_past_the_deadline() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let impatient = Settings { client_deadline: DEADLINE, ..settings(FillMode::Lazy) };
    let pccs = service_on(impatient, store.clone(), &url, &case.time);
    // Held for good: nothing lets them go.
    for (call, path) in [
        ("document", TCB.to_owned()),
        ("selected", pckcert("aa", CPU_SVN, "0b00")),
        ("default_policies", "/sgx/certification/v4/appraisalpolicy?fmspc=00806F050000".into()),
    ] {
        store.hold(call);
        let late = pccs.answer(request(Method::GET, &path)).await;
        assert_eq!((late.status.as_u16(), text(&late)), (503, ""), "{path}");
    }
    store.hold("tokens");
    let unknown = with_header(list(), "admin-token", "unknown");
    assert_eq!(pccs.answer(unknown).await.status, 503);
}

fn list() -> tdattest_pccs::Request {
    let list = request(Method::GET, "/sgx/certification/v4/platforms");
    with_header(list, "admin-token", "admintok")
}

async fn register(pccs: &Pccs, qe_id: &str) {
    let post = request(Method::POST, "/sgx/certification/v4/platforms");
    let post = with_json(with_header(post, "user-token", "usertok"), registration(qe_id));
    assert_eq!(pccs.answer(post).await.status, 200);
}

#[tokio::test]
async fn registrations_whose_list_nobody_takes_go_back_into_the_queue() {
    let case = case(FillMode::Offline);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = Arc::new(service_on(settings(FillMode::Offline), store.clone(), &url, &case.time));
    for qe_id in ["aa", "bb"] {
        register(&pccs, qe_id).await;
    }
    store.hold("take_registrations");
    let asking = pccs.clone();
    let gone = tokio::spawn(async move { asking.answer(list()).await });
    store.until_held().await;
    let state = RegistrationState::New;
    assert_eq!(case.store.take_registrations(state).await.unwrap(), [], "they have been taken");
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    store.release();
    let mut back = Vec::new();
    while back.len() < 2 {
        tokio::task::yield_now().await;
        back.extend(case.store.take_registrations(state).await.unwrap());
    }
    let mut names: Vec<_> = back.iter().map(|one| one.key.qe_id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["AA", "BB"]);
}

#[tokio::test]
async fn registrations_whose_list_comes_too_late_go_back_into_the_queue() {
    let case = case(FillMode::Offline);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let impatient = Settings { client_deadline: DEADLINE, ..settings(FillMode::Offline) };
    let pccs = service_on(impatient, store.clone(), &url, &case.time);
    register(&case.pccs, "aa").await;
    store.hold("take_registrations");
    // Nothing lets it go before the deadline is over.
    assert_eq!(pccs.answer(list()).await.status, 503);
    // The store cannot take it back at once.
    store.fail(Some("put_back"));
    store.release();
    tokio::task::yield_now().await;
    store.fail(None);
    let mut back = Vec::new();
    while back.is_empty() {
        tokio::task::yield_now().await;
        back = case.store.take_registrations(RegistrationState::New).await.unwrap();
    }
    assert_eq!(back[0].key.qe_id, "AA");
}

#[tokio::test]
async fn tokens_that_cannot_be_read_count_as_a_failure_of_the_store() {
    let case = case(FillMode::Offline);
    let store = Faulty::new(case.store.clone());
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    let watcher = Watcher::new(move |notice| {
        counted.fetch_add(usize::from(*notice == Notice::Store), Ordering::SeqCst);
    });
    let settings = Settings { watcher: Some(watcher), ..settings(FillMode::Offline) };
    let pccs = service_on(settings, store.clone(), &case.upstream.url(), &case.time);
    let (name, role) = ("of the store".to_owned(), Role::Admin);
    let hash = tokens::hash("atokenofthestore").unwrap();
    store.put_token(&Token { name, role, hash, created: UnixTime::EPOCH }).await.unwrap();
    let ask = |token: &'static str| {
        let asked = request(Method::GET, "/sgx/certification/v4/platforms?source=[]");
        pccs.answer(with_header(asked, "admin-token", token))
    };
    store.fail(Some("tokens"));
    let refused = ask("atokenofthestore").await;
    assert_eq!((refused.status.as_u16(), text(&refused)), (503, ""));
    assert_eq!(header(&refused, "warning"), Some("199 - \"the database is away\""));
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    assert_eq!(ask("admintok").await.status, 200, "it is in the configuration");
    store.fail(None);
    assert_eq!(ask("atokenofthestore").await.status, 200);
    assert_eq!(ask("another").await.status, 401);
    assert_eq!(failures.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_platform_that_was_not_kept_is_not_said_to_be_registered() {
    let case = case(FillMode::Lazy);
    let store = Faulty::new(case.store.clone());
    let url = case.upstream.url();
    let pccs = service_on(settings(FillMode::Lazy), store.clone(), &url, &case.time);
    store.fail(Some("put_platform"));
    let post = request(Method::POST, "/sgx/certification/v4/platforms");
    let post = with_json(with_header(post, "user-token", "usertok"), registration("aa"));
    assert_eq!(pccs.answer(post.clone()).await.status, 503);
    store.fail(None);
    case.time.pass(5);
    assert_eq!(pccs.answer(post).await.status, 200);
    assert_eq!(
        pccs.answer(request(Method::GET, &pckcert("aa", CPU_SVN, "0b00"))).await.status,
        200
    );
}
