//! What reaches the upstream, and what clients get when it fails, lies or is slow.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use tdattest_pccs::collateral::Client;
use tdattest_pccs::store::Store;
use tdattest_pccs::{FillMode, Pccs, RefreshOutcome, Settings};
use tdattest_simulator::pcs_server::Endpoint;

use super::cases::{
    CPU_SVN, Case, Gate, TCB, case, case_with, client, header, judge, pckcert, request, service,
    settings, start, text,
};

const DAY: u64 = 24 * 3600;

fn fail(case: &Case, rule: &str) {
    case.upstream.fail(rule.parse().unwrap());
}

#[tokio::test]
async fn a_hundred_cold_requests_are_one_upstream_call() {
    let case = case(FillMode::Lazy);
    fail(&case, "tcb=slow:100ms,times=1");
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let pccs = case.pccs.clone();
            tokio::spawn(async move { pccs.answer(request(Method::GET, TCB)).await })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 1);
}

#[tokio::test]
async fn two_replicas_on_one_store_make_one_upstream_call() {
    let case = case(FillMode::Lazy);
    fail(&case, "tcb=slow:100ms,times=1");
    let other = service(settings(FillMode::Lazy), &case.store, &case.upstream, &case.time);
    let asking: Vec<_> = [&case.pccs, &other]
        .into_iter()
        .cycle()
        .take(40)
        .map(|pccs| {
            let pccs = pccs.clone();
            tokio::spawn(async move { pccs.answer(request(Method::GET, TCB)).await })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 1);
}

#[tokio::test]
async fn fifty_new_platforms_at_once_are_all_answered() {
    let case = case(FillMode::Lazy);
    let asking: Vec<_> = (0..50)
        .map(|number| {
            let pccs = case.pccs.clone();
            let asked = pckcert(&format!("platform-{number}"), CPU_SVN, "0b00");
            tokio::spawn(async move { pccs.answer(request(Method::GET, &asked)).await })
        })
        .collect();
    for one in asking {
        let answer = one.await.unwrap();
        assert_eq!(answer.status, 200, "{}", text(&answer));
        assert_eq!(header(&answer, "sgx-tcbm"), Some("070702020301000300000000000000000B00"));
        assert!(text(&answer).starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(text(&answer).ends_with("-----END CERTIFICATE-----\n"));
    }
    assert_eq!(case.upstream.count(Endpoint::PckCertificates), 50);
    // The early and the standard TCB info, once each at the most.
    assert!(case.upstream.count(Endpoint::TcbInfo) <= 2);
}

#[tokio::test]
async fn what_the_upstream_does_not_have_is_not_there() {
    for status in [404, 400, 410] {
        let case = case(FillMode::Lazy);
        fail(&case, &format!("tcb={status}"));
        let answer = case.get(TCB).await;
        assert_eq!(answer.status, 404, "{status}");
        assert_eq!(text(&answer), "No cache data for this platform.");
    }
}

#[tokio::test]
async fn an_upstream_that_fails_or_does_not_let_us_is_a_bad_gateway() {
    for failure in ["401", "403", "429", "500", "503", "cut-off:100"] {
        let case = case(FillMode::Lazy);
        fail(&case, &format!("tcb={failure}"));
        let answer = case.get(TCB).await;
        assert_eq!(answer.status, 502, "{failure}");
        // It is asked again a moment later, and then has it.
        case.upstream.recover();
        case.time.pass(5);
        assert_eq!(case.get(TCB).await.status, 200, "{failure}");
    }
}

#[tokio::test]
async fn a_failure_is_not_waited_for_again_at_once() {
    let case = case(FillMode::Lazy);
    fail(&case, "tcb=500");
    assert_eq!(case.get(TCB).await.status, 502);
    let asked = case.upstream.count(Endpoint::TcbInfo);
    assert_eq!(case.get(TCB).await.status, 502);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), asked);
}

#[tokio::test]
async fn what_is_not_intel_s_is_neither_served_nor_kept() {
    let case = case(FillMode::Lazy);
    fail(&case, "tcb=lie:tcb-info.signature");
    assert_eq!(case.get(TCB).await.status, 502);
    case.upstream.recover();
    fail(&case, "tcb=404");
    case.time.pass(5);
    assert_eq!(case.get(TCB).await.status, 404);
}

#[tokio::test]
async fn no_client_waits_past_its_deadline_and_the_fetch_goes_on() {
    let deadline = Duration::from_millis(50);
    let case = case_with(Settings { client_deadline: deadline, ..settings(FillMode::Lazy) });
    let gate = Gate::before(&case.upstream);
    let answer = case.get(TCB).await;
    assert_eq!((answer.status.as_u16(), text(&answer)), (503, ""));
    assert!(header(&answer, "warning").unwrap().starts_with("199 - \""));
    // The same call brings it to those who ask again.
    gate.open();
    let mut answer = case.get(TCB).await;
    while answer.status == 503 {
        answer = case.get(TCB).await;
    }
    assert_eq!(answer.status, 200);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 1);
}

#[tokio::test]
async fn a_kept_document_is_served_while_the_upstream_is_down_and_not_past_its_end() {
    let case = case(FillMode::Lazy);
    let fresh = case.get(TCB).await;
    assert_eq!((fresh.status.as_u16(), header(&fresh, "age")), (200, None));
    fail(&case, "all=503");

    case.time.pass_days(28);
    let overdue = case.get(TCB).await;
    assert_eq!((overdue.status.as_u16(), &overdue.body), (200, &fresh.body));
    assert_eq!(header(&overdue, "age"), Some(&*(28 * DAY).to_string()));
    assert!(header(&overdue, "warning").unwrap().starts_with("111 - \""));

    case.time.pass_days(3);
    let ended = case.get(TCB).await;
    assert_eq!((ended.status.as_u16(), text(&ended)), (503, ""));
    let reason = header(&ended, "warning").unwrap();
    assert!(reason.starts_with("199 - \"the TCB info ended at 2026-12-01T00:00:00Z"), "{reason}");

    case.upstream.recover();
    case.time.pass(5);
    let again = case.get(TCB).await;
    assert_eq!((again.status.as_u16(), header(&again, "warning")), (200, None));
}

#[tokio::test]
async fn a_stale_document_is_served_and_marked_where_that_is_allowed_by_name() {
    let case = case_with(Settings { allow_stale: true, ..settings(FillMode::Lazy) });
    let fresh = case.get(TCB).await;
    fail(&case, "all=503");
    case.time.pass_days(31);
    let stale = case.get(TCB).await;
    assert_eq!((stale.status.as_u16(), &stale.body), (200, &fresh.body));
    assert!(header(&stale, "warning").unwrap().starts_with("110 - \""));
    assert_eq!(header(&stale, "age"), Some(&*(31 * DAY).to_string()));
}

#[tokio::test]
async fn a_document_that_has_ended_is_not_taken_from_the_upstream() {
    for is_kept in [false, true] {
        let case = case(FillMode::Lazy);
        if is_kept {
            assert_eq!(case.get(TCB).await.status, 200);
        }
        case.upstream.set_clock(Arc::new(start));
        case.time.pass_days(400);
        let refused = case.get(TCB).await;
        assert_eq!((refused.status.as_u16(), text(&refused)), (503, ""));
        let reason = header(&refused, "warning").unwrap();
        assert!(
            reason.starts_with("199 - \"the TCB info ended at 2026-12-01T00:00:00Z"),
            "{reason}"
        );
        let states = case.store.documents().await.unwrap();
        assert!(states.iter().all(|state| state.fetched_at == start()), "{states:?}");
        for item in case.pccs.refresh().await.items {
            assert!(matches!(item.outcome, RefreshOutcome::Failed(_)), "{item:?}");
        }

        let time = case.time.clone();
        case.upstream.set_clock(Arc::new(move || time.now()));
        case.time.pass(5);
        assert_eq!(case.get(TCB).await.status, 200);
    }
}

#[tokio::test]
async fn a_document_that_has_ended_is_taken_and_marked_where_stale_is_allowed_by_name() {
    let case = case_with(Settings { allow_stale: true, ..settings(FillMode::Lazy) });
    case.upstream.set_clock(Arc::new(start));
    case.time.pass_days(400);
    for _ in 0..10 {
        let stale = case.get(TCB).await;
        assert_eq!(stale.status, 200);
        assert!(header(&stale, "warning").unwrap().starts_with("110 - \""));
    }
    // Once when nothing was kept, once for something newer than that.
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 2);
    case.time.pass(5);
    let report = case.pccs.refresh().await;
    assert!(matches!(report.items[0].outcome, RefreshOutcome::Failed(_)), "{report:?}");
}

/// An upstream that takes calls and never answers.
fn hanging() -> (TcpListener, Client) {
    // Nobody accepts: the connections wait in the queue of the kernel.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, client(&url))
}

#[tokio::test]
async fn while_the_upstream_hangs_what_is_kept_answers_within_the_deadline() {
    for allow_stale in [true, false] {
        let case = case(FillMode::Lazy);
        let fresh = case.get(TCB).await;
        case.time.pass_days(31);
        let (_listener, client) = hanging();
        let client_deadline = Duration::from_millis(40);
        let settings = Settings { allow_stale, client_deadline, ..settings(FillMode::Lazy) };
        let (store, time): (Arc<dyn Store>, _) = (Arc::new(case.store.clone()), case.time.clone());
        let clock = Arc::new(move || time.now());
        let pccs = Pccs::new(settings, store, Some(Arc::new(client)), judge(), clock);
        for _ in 0..2 {
            let answer = pccs.answer(request(Method::GET, TCB)).await;
            let warning = header(&answer, "warning").unwrap();
            if allow_stale {
                assert_eq!((answer.status.as_u16(), &answer.body), (200, &fresh.body));
                assert!(warning.starts_with("110 - \""), "{warning}");
            } else {
                assert_eq!((answer.status.as_u16(), text(&answer)), (503, ""));
                assert!(warning.starts_with("199 - \"the TCB info ended at"), "{warning}");
            }
        }
    }
}

#[tokio::test]
async fn while_the_upstream_hangs_a_certificate_is_chosen_from_those_that_are_kept() {
    let case = case(FillMode::Lazy);
    let kept = case.get(&pckcert("aa", CPU_SVN, "0b00")).await;
    assert_eq!(kept.status, 200);
    // The TCB infos to choose by have ended, too.
    case.time.pass_days(31);
    let (_listener, client) = hanging();
    let (store, time): (Arc<dyn Store>, _) = (Arc::new(case.store.clone()), case.time.clone());
    let clock = Arc::new(move || time.now());
    let settings = settings(FillMode::Lazy);
    let pccs = Pccs::new(settings, store, Some(Arc::new(client)), judge(), clock);
    // From here on the time of the runtime is that of who waits, and no machine is too slow.
    tokio::time::pause();
    let higher = pccs.answer(request(Method::GET, &pckcert("aa", CPU_SVN, "0c00"))).await;
    assert_eq!((higher.status.as_u16(), &higher.body), (200, &kept.body));
}

#[tokio::test]
async fn a_refresh_and_a_client_share_one_upstream_call() {
    let case = case(FillMode::Lazy);
    assert_eq!(case.get(TCB).await.status, 200);
    case.time.pass_days(31);
    let (answer, report) = tokio::join!(case.get(TCB), case.pccs.refresh());
    assert_eq!(answer.status, 200);
    assert_eq!(report.items.len(), 1);
    assert_eq!(report.items[0].outcome, RefreshOutcome::Refreshed);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 2);
}

#[tokio::test]
async fn an_evaluation_data_number_is_honoured() {
    let case = case(FillMode::Lazy);
    let numbered = |number| format!("{TCB}&tcbEvaluationDataNumber={number}");
    let standard = case.get(TCB).await;
    assert_eq!(case.get(&numbered(17)).await.body, standard.body);
    assert_eq!(case.upstream.count(Endpoint::TcbInfo), 1, "it is kept as the standard one");
    // From memory from then on, and it changes with the standard one.
    case.time.pass_days(25);
    assert_eq!(case.pccs.refresh().await.items.len(), 1);
    let renewed = case.get(TCB).await;
    assert_ne!(renewed.body, standard.body);
    assert_eq!(case.get(&numbered(17)).await.body, renewed.body);
    let early = case.get(&numbered(18)).await;
    assert_eq!(early.status, 200);
    assert_ne!(early.body, standard.body);
    assert_eq!(case.get(&numbered(5)).await.status, 404);
}

#[tokio::test]
async fn lists_of_intel_s_pcs_are_passed_on() {
    let case = case(FillMode::Lazy);
    for _ in 0..2 {
        let families = case.get("/sgx/certification/v4/fmspcs").await;
        assert_eq!(text(&families), r#"[{"fmspc":"00806F050000","platform":"E5"}]"#);
    }
    assert_eq!(case.upstream.count(Endpoint::Fmspcs), 1);
    assert_eq!(case.get("/sgx/certification/v4/fmspcs?platform=E9").await.status, 400);

    let numbers = case.get("/tdx/certification/v4/tcbevaluationdatanumbers").await;
    assert_eq!(numbers.status, 200);
    assert!(header(&numbers, "tcb-evaluation-data-numbers-issuer-chain").is_some());
}

#[tokio::test]
async fn the_list_of_families_is_fetched_once_and_its_failure_is_not_waited_for_again() {
    let path = "/sgx/certification/v4/fmspcs";
    let ask = |case: &Case| {
        let pccs = case.pccs.clone();
        tokio::spawn(async move { pccs.answer(request(Method::GET, path)).await })
    };
    let case = case(FillMode::Lazy);
    let asking: Vec<_> = (0..10).map(|_| ask(&case)).collect();
    for one in asking {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(case.upstream.count(Endpoint::Fmspcs), 1);

    let case = super::cases::case(FillMode::Lazy);
    fail(&case, "fmspcs=500");
    assert_eq!(case.get(path).await.status, 502);
    let asked = case.upstream.count(Endpoint::Fmspcs);
    assert_eq!(case.get(path).await.status, 502);
    assert_eq!(case.upstream.count(Endpoint::Fmspcs), asked);
    case.upstream.recover();
    case.time.pass(5);
    assert_eq!(case.get(path).await.status, 200);
}

#[tokio::test]
async fn a_document_is_byte_for_byte_what_the_upstream_sent() {
    use tdattest_simulator::pcs_server::{Request, api};
    let case = case(FillMode::Lazy);
    let sent = |path: &str| {
        api::answer(&super::cases::platform(), case.time.now(), &Request::get(path)).body
    };
    assert_eq!(case.get(TCB).await.body, sent(TCB));
    let crl = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der";
    assert_eq!(case.get(crl).await.body, sent(crl));
    let hexadecimal = case.get("/sgx/certification/v4/pckcrl?ca=platform&encoding=pem").await;
    assert_eq!(text(&hexadecimal), data_encoding::HEXLOWER.encode(&sent(crl)));
    let root = case.get("/sgx/certification/v4/rootcacrl").await;
    assert_eq!(text(&root), data_encoding::HEXLOWER.encode(&sent("/IntelSGXRootCA.der")));
}
