//! Documents verified one by one give what the whole collateral gives, and answer no other request than their own.

use std::sync::LazyLock;

use tdattest_simulator::{Broken, CollateralDraft, Fault, MintError, Platform, Seed};
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::endorsement::{Endorsement, Validity};
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest, PcsRequests};
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::TeeType;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{EndorsementError, TrustAnchor, Verifier, crypto};

const TEES: [TeeType; 2] = [TeeType::Sgx, TeeType::Tdx];

fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn platform() -> Platform {
    static PLATFORM: LazyLock<Platform> =
        LazyLock::new(|| Platform::new(Seed::of("tests of endorsements")));
    PLATFORM.clone()
}

fn verifier(platform: &Platform) -> Verifier {
    let root = platform.root_ca().der().unwrap();
    Verifier::new(TrustAnchor::from_der(&root).unwrap(), crypto::aws_lc())
}

fn draft(tee: TeeType, set: EvaluationDataSet) -> CollateralDraft {
    CollateralDraft::new(&platform(), tee, set, now()).unwrap()
}

/// The four documents of minted collateral, each as the answer to its request.
fn endorsements(collateral: &Collateral, tee: TeeType, set: EvaluationDataSet) -> [Endorsement; 4] {
    let fmspc = platform().hardware.fmspc;
    let requests = PcsRequests::new(tee, fmspc, PckCa::Platform, set).0;
    let requests: [PcsRequest; 4] = requests.try_into().unwrap();
    requests.map(|request| {
        let (body, issuer_chain) = match request {
            PcsRequest::PckCrl(_) => {
                (collateral.pck_crl.clone(), collateral.pck_crl_issuer_chain.clone())
            }
            PcsRequest::TcbInfo(..) => {
                (collateral.tcb_info.write(), collateral.tcb_info_issuer_chain.clone())
            }
            PcsRequest::QeIdentity(..) => {
                (collateral.qe_identity.write(), collateral.qe_identity_issuer_chain.clone())
            }
            _ => (collateral.root_ca_crl.clone(), root_of(&collateral.pck_crl_issuer_chain)),
        };
        Endorsement { request, body, issuer_chain }
    })
}

/// The last certificate of a chain, PEM.
fn root_of(chain: &[u8]) -> Vec<u8> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = std::str::from_utf8(chain).unwrap();
    text.as_bytes()[text.rfind(BEGIN).unwrap()..].to_vec()
}

#[test]
fn every_document_of_every_set_is_accepted_with_its_window() {
    let verifier = verifier(&platform());
    for tee in TEES {
        for set in
            [EvaluationDataSet::Standard, EvaluationDataSet::Early, EvaluationDataSet::Number(20)]
        {
            let minted = draft(tee, set).mint().unwrap();
            let [pck_crl, tcb_info, qe_identity, root_ca_crl] =
                endorsements(&minted, tee, set).map(|one| verifier.endorsement(&one).unwrap());

            let opened = minted.tcb_info.open_untrusted().unwrap();
            assert_eq!(facts(&tcb_info), (opened.issue_date, opened.next_update));
            assert_eq!(tcb_info.evaluation_data_number, Some(opened.tcb_evaluation_data_number));
            let opened = minted.qe_identity.open_untrusted().unwrap();
            assert_eq!(facts(&qe_identity), (opened.issue_date, opened.next_update));
            for (crl, validity) in [(&minted.pck_crl, pck_crl), (&minted.root_ca_crl, root_ca_crl)]
            {
                let crl = tdattest_verifier::wire::crl::Crl::parse(crl).unwrap();
                assert_eq!(facts(&validity), (crl.this_update, crl.next_update));
                assert_eq!(validity.evaluation_data_number, None);
            }
            assert!(tcb_info.ends() == tcb_info.next_update && tcb_info.chain_ends > now());
        }
    }
}

fn facts(validity: &Validity) -> (UnixTime, UnixTime) {
    (validity.issued, validity.next_update)
}

#[test]
fn a_genuine_document_answers_no_other_request() {
    let verifier = verifier(&platform());
    let minted = draft(TeeType::Tdx, EvaluationDataSet::Standard).mint().unwrap();
    let [pck_crl, tcb_info, qe_identity, _] =
        endorsements(&minted, TeeType::Tdx, EvaluationDataSet::Standard);
    let fmspc = platform().hardware.fmspc;
    let standard = EvaluationDataSet::Standard;
    let other_fmspc = Fmspc([0x11; 6]);
    let refused = |of: &Endorsement, request| {
        let asked = Endorsement { request, ..of.clone() };
        match verifier.endorsement(&asked) {
            Err(EndorsementError::Other { expected, found, .. }) => (expected, found),
            other => panic!("{request:?}: {other:?}"),
        }
    };
    let pair = |expected: &str, found: &str| (expected.to_owned(), found.to_owned());

    assert_eq!(
        refused(&pck_crl, PcsRequest::PckCrl(PckCa::Processor)),
        pair("processor", "platform")
    );
    assert_eq!(
        refused(&tcb_info, PcsRequest::TcbInfo(TeeType::Tdx, other_fmspc, standard)),
        (format!("TDX {other_fmspc}"), format!("TDX {fmspc}"))
    );
    assert_eq!(
        refused(&tcb_info, PcsRequest::TcbInfo(TeeType::Sgx, fmspc, standard)),
        (format!("SGX {fmspc}"), format!("TDX {fmspc}"))
    );
    assert_eq!(
        refused(&qe_identity, PcsRequest::QeIdentity(TeeType::Sgx, standard)),
        pair("QE", "TD_QE")
    );
    assert_eq!(refused(&qe_identity, PcsRequest::QveIdentity(standard)), pair("QVE", "TD_QE"));
    let number = minted.tcb_info.open_untrusted().unwrap().tcb_evaluation_data_number;
    let numbered =
        |number| PcsRequest::TcbInfo(TeeType::Tdx, fmspc, EvaluationDataSet::Number(number));
    let of = |number| format!("TCB evaluation data number {number}");
    assert_eq!(refused(&tcb_info, numbered(number + 1)), (of(number + 1), of(number)));
    let asked = Endorsement { request: numbered(number), ..tcb_info };
    assert!(verifier.endorsement(&asked).is_ok());
}

/// Dates, revocation and what only a quote can contradict are for the verification of the quote.
#[test]
fn every_broken_document_is_refused_unless_only_a_quote_can_tell() {
    let mut let_pass: Vec<String> = vec![];
    for fault in Fault::all().into_iter().filter(|fault| fault.breaks() == Broken::Collateral) {
        let set = EvaluationDataSet::Standard;
        let mut broken = draft(TeeType::Tdx, set);
        match broken.break_with(fault) {
            Ok(()) => {}
            Err(MintError::NeedsOtherQuote { .. }) => continue,
            Err(other) => panic!("{fault}: {other}"),
        }
        let verifier = verifier(&platform());
        let all = endorsements(&broken.mint().unwrap(), TeeType::Tdx, set);
        let refused: Vec<EndorsementError> =
            all.iter().filter_map(|one| verifier.endorsement(one).err()).collect();
        match refused.first() {
            None => let_pass.push(fault.name()),
            Some(EndorsementError::Verify { fault: found, .. }) => {
                assert_eq!(found.code(), fault.name(), "{fault}");
            }
            Some(EndorsementError::Other { .. }) => {}
            Some(other) => panic!("{fault}: {other}"),
        }
    }
    let of_time = ["expired", "not-yet-valid", "not-yet-issued", "revoked"];
    let (timed, of_quotes): (Vec<String>, Vec<String>) =
        let_pass.into_iter().partition(|name| of_time.iter().any(|end| name.ends_with(end)));
    assert_eq!(of_quotes, ["tcb-info.pceid", "tcb.tdx-module-status"]);
    assert!(timed.len() > 8, "{timed:?}");
}

#[test]
fn a_pck_certificate_says_its_platform_once_its_chain_holds() {
    let platform = platform();
    let chain = platform.pck_chain().pem().unwrap();
    let found = verifier(&platform).pck_certificate(&chain).unwrap();
    assert_eq!(found.ca, PckCa::Platform);
    assert_eq!(found.extension.fmspc, platform.hardware.fmspc);
    let ders = pem::certificates(&chain).unwrap();
    assert_eq!(ders.len(), 3);

    let other = Platform::new(Seed::of("somebody else"));
    let refused = verifier(&other).pck_certificate(&chain);
    let Err(EndorsementError::Verify { fault, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(fault.code(), "pck-chain.untrusted");
}
