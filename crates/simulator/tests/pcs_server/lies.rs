//! Lies: every fault of collateral can be served, and nothing else is wrong then.

use tdattest_simulator::pcs_server::{Answer, Request, api};
use tdattest_simulator::{Broken, CollateralDraft, Fault};
use tdattest_wire::collateral::{Collateral, Part};
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest, PcsRequests};
use tdattest_wire::quote::TeeType;

use crate::endpoints::decoded;
use crate::{now, platform};

fn lie(path: &str, fault: Fault) -> Answer {
    api::lying_answer(&platform(), now(), &Request::get(path), fault)
}

#[test]
fn every_fault_of_collateral_is_served_as_it_is_minted() {
    let set = EvaluationDataSet::Standard;
    let faults = Fault::all().into_iter().filter(|fault| fault.breaks() == Broken::Collateral);
    for fault in faults {
        let mut draft = CollateralDraft::new(&platform(), TeeType::Tdx, set, now()).unwrap();
        draft.break_with(fault).unwrap();

        let fmspc = platform().hardware.fmspc;
        let mut parts: Vec<(Part, Vec<u8>)> = vec![];
        for request in PcsRequests::new(TeeType::Tdx, fmspc, PckCa::Platform, set).0 {
            let path = match request {
                PcsRequest::RootCaCrl => "/IntelSGXRootCA.der".into(),
                other => other.path(),
            };
            let answer = lie(&path, fault);
            assert_eq!(answer.status, 200, "{fault}: {path}");
            if let (Some(part), Some(header)) =
                (request.issuer_chain_part(), request.issuer_chain_header())
            {
                parts.push((part, decoded(answer.header(header).unwrap())));
            }
            parts.push((request.part().unwrap(), answer.body));
        }
        let take = |wanted| {
            let found = parts.iter().find(|(part, _)| *part == wanted);
            found.map(|(_, bytes)| bytes.clone())
        };
        assert_eq!(Ok(Collateral::from_parts(take).unwrap()), draft.mint(), "{fault}");
    }
}

#[test]
fn a_lie_that_an_answer_has_no_room_for_is_not_told() {
    let tdx_alone: Fault = "tcb.tdx-module-status".parse().unwrap();
    for path in [
        "/sgx/certification/v4/tcb?fmspc=5A1D0F6C0B00",
        "/sgx/certification/v4/qve/identity",
        "/sgx/certification/v4/pckcrl?ca=processor",
        "/sgx/certification/v4/fmspcs",
    ] {
        assert_eq!(lie(path, tdx_alone), crate::answer(path), "{path}");
    }
}

#[test]
fn a_lie_does_not_change_what_is_refused() {
    let fault: Fault = "tcb-info.expired".parse().unwrap();
    assert_eq!(lie("/tdx/certification/v4/tcb?fmspc=5A1D0F6C0B01", fault).status, 404);
    assert_eq!(lie("/tdx/certification/v4/tcb", fault).status, 400);
}
