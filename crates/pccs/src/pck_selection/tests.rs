use serde_json::json;
use tdattest_wire::bytes::{CpuSvn, EcdsaSignature, Ppid};
use tdattest_wire::pck::{PckTcb, SgxType};
use tdattest_wire::signed::Signed;

use super::*;

const PCE: PceId = PceId([0, 0]);
const FMSPC: Fmspc = Fmspc([0, 0x80, 0x6f, 5, 0, 0]);

fn tcbm(first: u8, second: u8, pce_svn: u16) -> Tcbm {
    let mut cpu_svn = [0; 16];
    (cpu_svn[0], cpu_svn[1]) = (first, second);
    Tcbm { cpu_svn: CpuSvn(cpu_svn), pce_svn }
}

fn candidate(tcbm: Tcbm) -> Candidate {
    let tcb = PckTcb { components: tcbm.cpu_svn.0, pce_svn: tcbm.pce_svn, cpu_svn: tcbm.cpu_svn };
    let extension = PckExtension {
        ppid: Ppid::default(),
        tcb,
        pce_id: PCE,
        fmspc: FMSPC,
        sgx_type: SgxType::Scalable,
        platform_instance_id: None,
        configuration: None,
    };
    Candidate { tcbm, extension }
}

fn candidates(tcbms: &[Tcbm]) -> Vec<Candidate> {
    tcbms.iter().copied().map(candidate).collect()
}

/// As Intel writes it, read as it is read.
fn tcb_info(levels: &[Tcbm]) -> TcbInfo {
    let level = |tcbm: &Tcbm| {
        let components: Vec<_> = tcbm.cpu_svn.0.iter().map(|svn| json!({ "svn": svn })).collect();
        json!({
            "tcb": { "sgxtcbcomponents": components, "pcesvn": tcbm.pce_svn },
            "tcbDate": "2024-03-13T00:00:00Z",
            "tcbStatus": "UpToDate",
        })
    };
    let text = json!({
        "id": "SGX",
        "version": 3,
        "issueDate": "2026-11-01T00:00:00Z",
        "nextUpdate": "2026-12-01T00:00:00Z",
        "fmspc": FMSPC.to_string(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 17,
        "tcbLevels": levels.iter().map(level).collect::<Vec<_>>(),
    });
    let text = text.to_string().into_bytes();
    Signed::new(text, EcdsaSignature([0; 64])).open_untrusted().unwrap()
}

fn chosen(raw: Tcbm, of: &[Tcbm], levels: &[Tcbm]) -> Option<Tcbm> {
    select(raw, PCE, &candidates(of), &tcb_info(levels)).unwrap()
}

#[test]
fn chooses_the_highest_certificate_that_the_tcb_reaches() {
    let levels = [tcbm(7, 7, 11), tcbm(6, 6, 11), tcbm(5, 5, 5)];
    let of = [tcbm(5, 5, 5), tcbm(7, 7, 11), tcbm(6, 6, 11)];
    assert_eq!(chosen(tcbm(7, 7, 11), &of, &levels), Some(tcbm(7, 7, 11)));
    assert_eq!(chosen(tcbm(6, 9, 12), &of, &levels), Some(tcbm(6, 6, 11)));
    assert_eq!(chosen(tcbm(9, 9, 10), &of, &levels), Some(tcbm(5, 5, 5)));
    assert_eq!(chosen(tcbm(9, 9, 12), &of, &levels), Some(tcbm(7, 7, 11)));
}

#[test]
fn chooses_nothing_for_a_tcb_below_every_certificate() {
    let levels = [tcbm(5, 5, 5)];
    assert_eq!(chosen(tcbm(5, 5, 4), &[tcbm(5, 5, 5)], &levels), None);
    assert_eq!(chosen(tcbm(5, 5, 5), &[], &levels), None);
}

#[test]
fn between_certificates_that_cannot_be_compared_the_levels_decide() {
    let (left, right) = (tcbm(7, 5, 5), tcbm(5, 7, 5));
    let both = tcbm(7, 7, 5);
    assert_eq!(chosen(both, &[left, right], &[right, left]), Some(right));
    assert_eq!(chosen(both, &[left, right], &[left, right]), Some(left));
}

#[test]
fn levels_are_put_in_order_and_keep_it_where_they_cannot_be_compared() {
    let (low, high) = (tcbm(4, 4, 4), tcbm(7, 7, 7));
    let (left, right) = (tcbm(6, 5, 5), tcbm(5, 6, 5));
    let top = tcbm(9, 9, 9);
    // By their value, or by their numbers one after the other, the left one would come first.
    for listed in [[high, right, left, low], [low, right, left, high], [right, low, high, left]] {
        assert_eq!(chosen(top, &[left, right], &listed), Some(right), "{listed:?}");
        assert_eq!(chosen(top, &[left, high, right], &listed), Some(high), "{listed:?}");
    }
    assert_eq!(chosen(top, &[right, left], &[low, left, right, high]), Some(left));
}

#[test]
fn a_certificate_goes_under_the_first_level_that_it_reaches() {
    // Both certificates reach the first level; within it the higher comes first, whichever is listed first.
    let levels = [tcbm(5, 5, 5), tcbm(4, 4, 4)];
    let (low, high) = (tcbm(5, 5, 5), tcbm(6, 5, 5));
    assert_eq!(chosen(tcbm(9, 9, 9), &[low, high], &levels), Some(high));
    assert_eq!(chosen(tcbm(9, 9, 9), &[high, low], &levels), Some(high));
}

#[test]
fn certificates_of_one_level_that_cannot_be_compared_keep_their_order() {
    let levels = [tcbm(1, 1, 1)];
    let (left, right) = (tcbm(7, 5, 5), tcbm(5, 7, 5));
    assert_eq!(chosen(tcbm(9, 9, 9), &[left, right], &levels), Some(left));
    assert_eq!(chosen(tcbm(9, 9, 9), &[right, left], &levels), Some(right));
}

#[test]
fn certificates_below_every_level_come_last() {
    let levels = [tcbm(5, 5, 5)];
    let (below, at) = (tcbm(9, 4, 9), tcbm(5, 5, 5));
    assert_eq!(chosen(tcbm(9, 9, 9), &[below, at], &levels), Some(at));
    assert_eq!(chosen(tcbm(9, 4, 9), &[below, at], &levels), Some(below));
}

#[test]
fn the_pce_s_svn_counts_as_a_component() {
    let levels = [tcbm(5, 5, 13), tcbm(5, 5, 11)];
    let of = [tcbm(5, 5, 13), tcbm(5, 5, 11)];
    assert_eq!(chosen(tcbm(5, 5, 12), &of, &levels), Some(tcbm(5, 5, 11)));
    // As a number, not by its bytes as they stand in a request.
    assert_eq!(chosen(tcbm(5, 5, 0x0100), &of, &levels), Some(tcbm(5, 5, 13)));
}

#[test]
fn refuses_what_does_not_belong_together() {
    let raw = tcbm(5, 5, 5);
    let of = candidates(&[raw, tcbm(4, 4, 4)]);
    let info = tcb_info(&[raw]);

    let other = PceId([1, 0]);
    assert_eq!(
        select(raw, other, &of, &info),
        Err(SelectionError::PceId { platform: other, tcb_info: PCE })
    );
    let without_levels = TcbInfo { tcb_levels: Vec::new(), ..info.clone() };
    assert_eq!(select(raw, PCE, &of, &without_levels), Err(SelectionError::NoLevels));

    let mut changed = of.clone();
    changed[1].extension.pce_id = other;
    assert_eq!(
        select(raw, PCE, &changed, &info),
        Err(SelectionError::CertificatePceId { platform: PCE, certificate: other })
    );

    let mut changed = of.clone();
    changed[1].extension.fmspc = Fmspc([1; 6]);
    assert_eq!(
        select(raw, PCE, &changed, &info),
        Err(SelectionError::Fmspc { certificate: Fmspc([1; 6]), tcb_info: FMSPC })
    );

    let mut changed = of;
    changed[1].extension.ppid = Ppid([1; 16]);
    assert_eq!(select(raw, PCE, &changed, &info), Err(SelectionError::Ppid));
}
