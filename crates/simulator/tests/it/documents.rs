//! Documents and collateral: what Intel's reader would find in them.

use tdattest_simulator::documents::{
    DocumentDraft, EnclaveIdentityDraft, EvaluationDataDraft, TcbInfoDraft,
};
use tdattest_simulator::wire::collateral::Collateral;
use tdattest_simulator::wire::pcs::EvaluationDataSet;
use tdattest_simulator::wire::qe_identity::EnclaveId;
use tdattest_simulator::wire::quote::TeeType;
use tdattest_simulator::{CollateralDraft, MintError};

use crate::{at, platform};

#[test]
fn tcb_info_of_versions_2_and_3_says_what_the_platforms_set_says() {
    let platform = platform();
    for (tee, version) in [(TeeType::Tdx, 3), (TeeType::Sgx, 3), (TeeType::Sgx, 2)] {
        let mut content = TcbInfoDraft::new(&platform, tee, &platform.standard, at());
        content.version = version;
        let draft = DocumentDraft { content, signer: platform.tcb_signing().key };
        let info = draft.mint().unwrap().open_untrusted().unwrap();
        assert_eq!((info.tee, info.version), (tee, version));
        assert_eq!((info.fmspc, info.pce_id), (platform.hardware.fmspc, platform.hardware.pce_id));
        assert_eq!(info.issue_date.to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(info.next_update.to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(info.tdx_module.is_some(), tee == TeeType::Tdx);
        assert_eq!(info.tcb_levels.len(), platform.standard.tcb_level.len());
        for (found, expected) in info.tcb_levels.iter().zip(&platform.standard.tcb_level) {
            assert_eq!((found.sgx, found.pce_svn), (expected.sgx, expected.pce_svn));
            assert_eq!(found.tdx, (tee == TeeType::Tdx).then_some(expected.tdx));
            assert_eq!((found.tcb_status, found.tcb_date), (expected.status, expected.date));
            assert_eq!(found.advisory_ids, expected.advisory_ids);
        }
    }
}

#[test]
fn levels_that_differ_in_tdx_components_alone_are_one_for_sgx() {
    let mut platform = platform();
    let mut twin = platform.standard.tcb_level[0].clone();
    twin.tdx[5] += 1;
    platform.standard.tcb_level.insert(0, twin);
    let levels = |tee| TcbInfoDraft::new(&platform, tee, &platform.standard, at()).tcb_levels.len();
    assert_eq!((levels(TeeType::Tdx), levels(TeeType::Sgx)), (4, 3));
}

#[test]
fn identities_are_of_the_enclave_that_quotes_for_the_tee() {
    let platform = platform();
    let set = &platform.standard;
    let identities = [
        (EnclaveIdentityDraft::of_qe(&platform, TeeType::Sgx, set, at()), EnclaveId::Qe, 1),
        (EnclaveIdentityDraft::of_qe(&platform, TeeType::Tdx, set, at()), EnclaveId::TdQe, 2),
        (EnclaveIdentityDraft::of_qve(&platform, set, at()), EnclaveId::Qve, 2),
    ];
    for (content, id, isv_prod_id) in identities {
        let draft = DocumentDraft { content, signer: platform.tcb_signing().key };
        let identity = draft.mint().unwrap().open_untrusted().unwrap();
        assert_eq!((identity.id, identity.isv_prod_id), (id, isv_prod_id));
        assert_eq!(identity.tcb_evaluation_data_number, set.tcb_evaluation_data_number);
    }
}

#[test]
fn an_early_and_a_standard_set_of_the_same_day_are_listed() {
    let platform = platform();
    let content = EvaluationDataDraft::new(&platform, TeeType::Tdx, at());
    let draft = DocumentDraft { content, signer: platform.tcb_signing().key };
    let list = draft.mint().unwrap().open_untrusted().unwrap();
    let numbers: Vec<u32> = list.numbers.iter().map(|it| it.tcb_evaluation_data_number).collect();
    assert_eq!(numbers, [21, 20]);
    let of = |set| {
        let draft = CollateralDraft::new(&platform, TeeType::Tdx, set, at()).unwrap();
        let info = draft.mint().unwrap().tcb_info.open_untrusted().unwrap();
        (info.tcb_evaluation_data_number, info.issue_date)
    };
    let standard = of(EvaluationDataSet::Standard);
    assert_eq!((standard.0, of(EvaluationDataSet::Early).0), (20, 21));
    assert_eq!(standard.1, of(EvaluationDataSet::Early).1, "of the same day");
    assert_eq!(of(EvaluationDataSet::Number(20)), standard);
    let unknown = EvaluationDataSet::Number(19);
    let refused = CollateralDraft::new(&platform, TeeType::Tdx, unknown, at());
    assert_eq!(refused, Err(MintError::UnknownSet(unknown)));
}

#[test]
fn a_bundle_is_read_back_and_is_the_same_all_day() {
    let platform = platform();
    let mint = |time: &str| {
        let set = EvaluationDataSet::Standard;
        CollateralDraft::new(&platform, TeeType::Tdx, set, time.parse().unwrap())
            .unwrap()
            .mint()
            .unwrap()
    };
    let collateral = mint("2026-11-01T00:00:00Z");
    let bundle = collateral.to_bundle().unwrap();
    assert_eq!(Collateral::from_bundle(bundle.as_bytes()).unwrap(), collateral);
    assert_eq!(mint("2026-11-01T23:59:59Z"), collateral);
    assert_ne!(mint("2026-11-02T00:00:00Z"), collateral);
}
