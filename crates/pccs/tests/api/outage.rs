//! An outage of the upstream: every answer that is kept goes on to its end, and is refused with the reason after it, or
//! served marked as stale where that is allowed by name.

use tdattest_pccs::store::{AppraisalPolicy, Store as _};
use tdattest_pccs::wire::time::UnixTime;
use tdattest_pccs::{FillMode, RefreshOutcome, Settings};

use super::cases::{CPU_SVN, Case, case_with, header, pckcert, platform, settings, text};

/// How a refusal names what has ended.
const ENDPOINTS: &[(&str, &str)] = &[
    ("/sgx/certification/v4/tcb?fmspc=00806F050000", "TCB info"),
    ("/tdx/certification/v4/tcb?fmspc=00806F050000", "TCB info"),
    ("/tdx/certification/v4/tcb?fmspc=00806F050000&update=early", "TCB info"),
    ("/tdx/certification/v4/tcb?fmspc=00806F050000&tcbEvaluationDataNumber=18", "TCB info"),
    ("/sgx/certification/v4/qe/identity", "QE identity"),
    ("/tdx/certification/v4/qe/identity?update=early", "QE identity"),
    ("/sgx/certification/v4/qve/identity", "QvE identity"),
    ("/sgx/certification/v4/pckcrl?ca=processor", "PCK CRL"),
    ("/sgx/certification/v4/pckcrl?ca=platform&encoding=der", "PCK CRL"),
    ("/sgx/certification/v4/rootcacrl", "root CA CRL"),
    (
        "/sgx/certification/v4/crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        "root CA CRL",
    ),
    ("/sgx/certification/v4/tcbevaluationdatanumbers", "TCB evaluation data numbers"),
    ("/tdx/certification/v4/tcbevaluationdatanumbers", "TCB evaluation data numbers"),
    ("/sgx/certification/v3/pckcrl?ca=platform", "PCK CRL"),
    ("/sgx/certification/v3/rootcacrl", "root CA CRL"),
];

/// The last second of what a request just made the service keep.
async fn end_of_what_is_kept(case: &Case) -> UnixTime {
    let kept = case.store.documents().await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].validity.ends()
}

fn set_time(case: &Case, to: UnixTime) {
    case.time.pass(to.as_secs() - case.time.now().as_secs());
}

/// The warnings of the API, without what version 3 says of itself.
fn warning(answer: &tdattest_pccs::Answer) -> Option<&str> {
    let all = answer.headers.get_all("warning").iter().map(|value| value.to_str().unwrap());
    all.into_iter().find(|text| !text.starts_with("299 "))
}

#[tokio::test]
async fn every_kept_document_is_served_to_its_end_and_refused_with_the_reason_after_it() {
    for (path, document) in ENDPOINTS {
        let case = case_with(settings(FillMode::Lazy));
        let fresh = case.get(path).await;
        assert_eq!(fresh.status, 200, "{path}");
        case.upstream.fail("all=503".parse().unwrap());

        // Longer than the lead of a refresh, which changes nothing: it fails.
        let ends = end_of_what_is_kept(&case).await;
        set_time(&case, ends);
        let report = case.pccs.refresh().await;
        assert_eq!(report.items.len(), 1, "{path}");
        assert!(matches!(report.items[0].outcome, RefreshOutcome::Failed(_)), "{path}");
        let last = case.get(path).await;
        assert_eq!((last.status.as_u16(), &last.body), (200, &fresh.body), "{path}");
        assert!(warning(&last).unwrap().starts_with("111 - \"it could not be fetched anew"));

        case.time.pass(5);
        let ended = case.get(path).await;
        assert_eq!((ended.status.as_u16(), text(&ended)), (503, ""), "{path}");
        let reason = warning(&ended).unwrap();
        let expected =
            format!("199 - \"the {document} ended at {ends}, and no newer one can be had: ");
        assert!(reason.starts_with(&expected) && reason.contains("503"), "{path}: {reason}");
    }
}

#[tokio::test]
async fn every_kept_document_is_served_past_its_end_where_that_is_allowed_by_name() {
    for (path, _) in ENDPOINTS {
        let case = case_with(Settings { allow_stale: true, ..settings(FillMode::Lazy) });
        let fresh = case.get(path).await;
        case.upstream.fail("all=503".parse().unwrap());
        let ends = end_of_what_is_kept(&case).await;
        set_time(&case, ends);
        case.time.pass(5);
        let stale = case.get(path).await;
        assert_eq!((stale.status.as_u16(), &stale.body), (200, &fresh.body), "{path}");
        let expected = format!("110 - \"this answer is stale: it ended at {ends}\"");
        assert_eq!(warning(&stale), Some(&*expected), "{path}");
    }
}

#[tokio::test]
async fn a_pck_certificate_is_served_to_its_end_and_refused_with_the_reason_after_it() {
    for allow_stale in [false, true] {
        let case = case_with(Settings { allow_stale, ..settings(FillMode::Lazy) });
        let mut own = platform();
        // Past the end of the TCB info that it was chosen by.
        let ends = case.time.now().saturating_add(90 * 24 * 3600);
        own.pki.windows.pck.to = ends;
        case.upstream.set_platform(own);
        let path = pckcert("aa", CPU_SVN, "0b00");
        let fresh = case.get(&path).await;
        assert_eq!(fresh.status, 200);
        case.upstream.fail("all=503".parse().unwrap());
        set_time(&case, ends);
        let last = case.get(&path).await;
        assert_eq!((last.status.as_u16(), &last.body), (200, &fresh.body));

        case.time.pass(5);
        let after = case.get(&path).await;
        let reason = header(&after, "warning").unwrap();
        if allow_stale {
            assert_eq!((after.status.as_u16(), &after.body), (200, &fresh.body));
            assert_eq!(reason, format!("110 - \"this answer is stale: it ended at {ends}\""));
        } else {
            assert_eq!((after.status.as_u16(), text(&after)), (503, ""));
            let expected = format!("199 - \"the PCK certificate ended at {ends}, and no newer");
            assert!(reason.starts_with(&expected) && reason.contains("503"), "{reason}");
        }
    }
}

#[tokio::test]
async fn what_has_no_end_is_served_as_long_as_it_is_kept() {
    let case = case_with(settings(FillMode::Lazy));
    // Unsigned, held for an hour and not kept.
    let families = "/sgx/certification/v4/fmspcs";
    let held = case.get(families).await;
    assert_eq!(held.status, 200);
    case.upstream.fail("all=503".parse().unwrap());
    case.time.pass(3600);
    assert_eq!(case.get(families).await.body, held.body);
    case.time.pass(1);
    assert_eq!(case.get(families).await.status, 502);
    // No upstream has a policy: it is what an administrator brought.
    let policy = AppraisalPolicy {
        id: "of an administrator".into(),
        text: "e30.e30.c2ln".into(),
        is_default: true,
        fmspc: platform().hardware.fmspc,
        kind: 2,
    };
    case.store.put_policy(&policy).await.unwrap();
    case.time.pass_days(1000);
    let served = case.get("/sgx/certification/v4/appraisalpolicy?fmspc=00806F050000").await;
    assert_eq!((served.status.as_u16(), text(&served)), (200, &*policy.text));
}
