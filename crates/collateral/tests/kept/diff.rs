//! What a TCB recovery changes, told from two sets.

use tdattest_collateral::diff::{Subject, changes, changes_by_set};
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::quote::TeeType;
use tdattest_wire::tcb_status::TcbStatus;

use crate::world::{day, minted, platform, tcb_info};

fn early() -> PcsRequest {
    PcsRequest::TcbInfo(TeeType::Tdx, platform().hardware.fmspc, EvaluationDataSet::Early)
}

#[test]
fn a_set_does_not_differ_from_itself_on_another_day() {
    let (before, after) =
        (minted(&platform(), tcb_info(), day(0)), minted(&platform(), tcb_info(), day(9)));
    assert_ne!(before.body, after.body);
    assert_eq!(changes(&[&before], &[&after]), Ok(vec![]));
}

#[test]
fn the_early_set_lowers_a_level_and_brings_one() {
    let platform = platform();
    let (before, after) =
        (minted(&platform, tcb_info(), day(0)), minted(&platform, early(), day(0)));
    let changes = changes(&[&before], &[&after]).unwrap();
    let [change] = &changes[..] else { panic!("{changes:?}") };
    let fmspc = platform.hardware.fmspc;
    assert_eq!(change.subject, Subject::TcbInfo { tee: TeeType::Tdx, fmspc });
    let numbers = [&platform.standard, &platform.early].map(|set| set.tcb_evaluation_data_number);
    assert_eq!(change.numbers, (Some(numbers[0]), Some(numbers[1])));
    let lowered = change.levels.iter().find(|level| {
        level.before.as_ref().is_some_and(|before| before.status == Some(TcbStatus::UpToDate))
    });
    let lowered = lowered.unwrap().after.as_ref().unwrap();
    assert_eq!(lowered.status, Some(TcbStatus::OutOfDate));
    assert!(change.levels.iter().any(|level| level.before.is_none()));
}

#[test]
fn a_changed_advisory_is_a_change() {
    let mut changed = platform();
    changed.standard.td_qe[0].advisory_ids.push("INTEL-SA-99999".into());
    let request = PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Standard);
    let (before, after) = (minted(&platform(), request, day(0)), minted(&changed, request, day(0)));
    let changes = changes(&[&before], &[&after]).unwrap();
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(change.subject, Subject::Identity { enclave: "TD_QE" });
    let [level] = &change.levels[..] else { panic!("{change:?}") };
    let advisories = &level.after.as_ref().unwrap().advisory_ids;
    assert!(advisories.contains("INTEL-SA-99999"), "{advisories:?}");
}

#[test]
fn a_document_that_only_one_side_has_is_one_change() {
    let document = minted(&platform(), tcb_info(), day(0));
    let number = Some(platform().standard.tcb_evaluation_data_number);
    let changes = changes(&[], &[&document]).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].numbers, changes[0].levels.len()), ((None, number), 0));
}

#[test]
fn of_two_archives_each_set_is_compared_with_its_own() {
    let now = platform();
    // The standard set has caught up with the early one, which stays.
    let mut then = platform();
    then.standard = then.early.clone();
    let [before, after] =
        [&now, &then].map(|of| [minted(of, tcb_info(), day(0)), minted(of, early(), day(0))]);
    let ([standard, early], [caught_up, stays]) = (&before, &after);
    let found = changes_by_set(&[standard, early], &[caught_up, stays]).unwrap();
    let [change] = &found[..] else { panic!("{found:?}") };
    assert_eq!(change.set, Some(EvaluationDataSet::Standard));
    let numbers = [&now.standard, &now.early].map(|set| set.tcb_evaluation_data_number);
    assert_eq!(change.numbers, (Some(numbers[0]), Some(numbers[1])));

    // A bundle does not say which set it is of: the newest count.
    let by_number = PcsRequest::TcbInfo(
        TeeType::Tdx,
        now.hardware.fmspc,
        EvaluationDataSet::Number(numbers[0]),
    );
    let bundled =
        tdattest_wire::endorsement::Endorsement { request: by_number, ..standard.clone() };
    let found = changes_by_set(&[&bundled], &[caught_up, stays]).unwrap();
    let [change] = &found[..] else { panic!("{found:?}") };
    assert_eq!((change.set, change.numbers), (None, (Some(numbers[0]), Some(numbers[1]))));
}
