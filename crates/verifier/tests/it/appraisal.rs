//! Appraisal of production quotes: strict by default, every loosening named.

use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::{Finding, Policy, appraise};

use crate::samples;

/// S2.
#[test]
fn a_status_other_than_up_to_date_is_refused_until_it_is_accepted_by_name() {
    for sample in samples::verifiable() {
        let verified = sample.verified();
        let status = verified.tcb().status;
        let strict = appraise(verified.clone(), &Policy::genuine_platform());
        if status == TcbStatus::UpToDate {
            assert_eq!(strict.unwrap().verified(), &verified, "{}", sample.name);
            continue;
        }
        let rejection = strict.unwrap_err();
        assert_eq!(rejection.findings(), [Finding::TcbStatus(status)], "{}", sample.name);
        assert_eq!(rejection.verified(), &verified);
        for accepted in TcbStatus::ALL {
            let policy = Policy::genuine_platform().accept_tcb(accepted);
            let verdict = appraise(verified.clone(), &policy);
            assert_eq!(verdict.is_ok(), accepted == status, "{} accepting {accepted}", sample.name);
        }
    }
}

/// S2. What the samples are, so that the test above cannot become empty.
#[test]
fn the_samples_have_an_up_to_date_and_another_status() {
    let statuses = samples::verifiable().map(|sample| sample.verified().tcb().status);
    assert!(statuses.contains(&TcbStatus::UpToDate), "{statuses:?}");
    assert!(statuses.contains(&TcbStatus::ConfigurationAndSwHardeningNeeded), "{statuses:?}");
}

/// S40. All 64 bytes count; a shorter nonce cannot be expressed.
#[test]
fn any_other_report_data_is_refused() {
    let verified = samples::tdx().verified();
    let found = *verified.body().report_data();
    let policy = |expected| Policy::genuine_platform().expect_report_data(expected);
    assert!(appraise(verified.clone(), &policy(found)).is_ok());

    let mut others: Vec<ReportData> = (0..512)
        .map(|bit| {
            let mut other = found;
            other.0[bit / 8] ^= 1 << (bit % 8);
            other
        })
        .collect();
    others.push(ReportData::default());
    for expected in others {
        let rejection = appraise(verified.clone(), &policy(expected)).unwrap_err();
        assert_eq!(rejection.findings(), [Finding::ReportData { expected, found }]);
    }
}

/// S45. Nothing hides anything else.
#[test]
fn a_rejection_lists_every_finding() {
    let verified = samples::sgx().verified();
    let (expected, found) = (ReportData([7; 64]), *verified.body().report_data());
    let policy = Policy::genuine_platform().expect_report_data(expected);
    let status = Finding::TcbStatus(verified.tcb().status);
    let rejection = appraise(verified, &policy).unwrap_err();
    assert_eq!(rejection.findings(), [Finding::ReportData { expected, found }, status]);
}
