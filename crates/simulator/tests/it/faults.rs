//! Faults: each changes one part of one draft, and says so when there is nothing to change.

use tdattest_simulator::wire::bytes::ReportData;
use tdattest_simulator::wire::pcs::EvaluationDataSet;
use tdattest_simulator::{Broken, CollateralDraft, Fault, Format, MintError, QuoteDraft};

use crate::{at, platform};

fn quote() -> QuoteDraft {
    QuoteDraft::new(&platform(), Format::V5_TD_1_5, ReportData([1; 64]), at()).unwrap()
}

fn collateral() -> CollateralDraft {
    let set = EvaluationDataSet::Standard;
    CollateralDraft::new(&platform(), Format::V5_TD_1_5.tee(), set, at()).unwrap()
}

fn changed_parts(one: &QuoteDraft, other: &QuoteDraft) -> Vec<&'static str> {
    let parts = [
        ("header", one.header != other.header),
        ("body", one.body != other.body),
        ("attestation signer", one.attestation_signer != other.attestation_signer),
        ("attestation key", one.attestation_key != other.attestation_key),
        ("QE report", one.qe_report != other.qe_report),
        ("QE authentication data", one.qe_auth_data != other.qe_auth_data),
        ("PCK signer", one.pck_signer != other.pck_signer),
        ("certification", one.certification != other.certification),
        ("padding", one.padding != other.padding),
    ];
    parts.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

fn changed_collateral(one: &CollateralDraft, other: &CollateralDraft) -> Vec<&'static str> {
    let parts = [
        ("PCK CRL issuer chain", one.pck_crl_issuer_chain != other.pck_crl_issuer_chain),
        ("root CA CRL", one.root_ca_crl != other.root_ca_crl),
        ("PCK CRL", one.pck_crl != other.pck_crl),
        ("TCB info issuer chain", one.tcb_info_issuer_chain != other.tcb_info_issuer_chain),
        ("TCB info", one.tcb_info != other.tcb_info),
        (
            "QE identity issuer chain",
            one.qe_identity_issuer_chain != other.qe_identity_issuer_chain,
        ),
        ("QE identity", one.qe_identity != other.qe_identity),
        ("PCK chain", one.pck_certificate_chain != other.pck_certificate_chain),
    ];
    parts.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

/// Faults that take a second part along, so that nothing else is wrong with it: a revoked certificate stands in a CRL, a
/// CRL follows its issuer, a QE commits to the key it signs with.
fn may_change_two(fault: Fault) -> bool {
    let name = fault.name();
    let in_a_crl = name.ends_with("issuer-chain.revoked");
    let follows =
        ["pck-crl-issuer-chain.untrusted", "pck-crl-issuer-chain.role", "pck-crl.other-ca"];
    in_a_crl || follows.contains(&&*name) || fault == Fault::AttestationKey
}

#[test]
fn a_fault_changes_one_part_of_what_it_breaks() {
    for fault in Fault::all() {
        let changed = match fault.breaks() {
            Broken::Quote => {
                let mut broken = quote();
                broken.break_with(fault).unwrap();
                changed_parts(&broken, &quote())
            }
            Broken::Collateral => {
                let mut broken = collateral();
                broken.break_with(fault).unwrap();
                changed_collateral(&broken, &collateral())
            }
        };
        let expected = if may_change_two(fault) { 2 } else { 1 };
        assert_eq!(changed.len(), expected, "{fault}: {changed:?}");
    }
}

#[test]
fn a_fault_of_the_other_artefact_is_turned_away() {
    for fault in Fault::all() {
        let (refused, asked) = match fault.breaks() {
            Broken::Quote => (collateral().break_with(fault), Broken::Collateral),
            Broken::Collateral => (quote().break_with(fault), Broken::Quote),
        };
        assert_eq!(refused, Err(MintError::OtherArtefact { fault, asked }));
    }
}

#[test]
fn a_fault_that_changes_nothing_says_so() {
    let mut draft = collateral();
    draft.pck_crl.next_update = None;
    let fault: Fault = "pck-crl.malformed".parse().unwrap();
    assert_eq!(draft.break_with(fault), Err(MintError::NoEffect(fault)));
}

#[test]
fn a_fault_that_needs_another_quote_says_which() {
    for (format, fault) in [
        (Format::V3_SGX, Fault::TdxModuleSigner),
        (Format::V4_TD_1_0, Fault::CurrentPlatformTcb),
        (Format::V5_TD_1_0, Fault::CurrentTdxModuleTcb),
    ] {
        let mut draft = QuoteDraft::new(&platform(), format, ReportData([1; 64]), at()).unwrap();
        let refused = draft.break_with(fault).unwrap_err();
        assert!(matches!(refused, MintError::NeedsOtherQuote { .. }), "{refused}");
    }
}

#[test]
fn names_are_read_back_and_every_fault_is_described() {
    for fault in Fault::all() {
        assert_eq!(fault.name().parse(), Ok(fault));
        assert!(!fault.about().is_empty() && !fault.about().contains('\n'), "{fault}");
        assert!(!fault.source().is_empty() && !fault.intel_status().is_empty(), "{fault}");
    }
    assert!("pck-chain.revokd".parse::<Fault>().is_err());
    let about: std::collections::BTreeSet<String> =
        Fault::all().into_iter().map(Fault::about).collect();
    assert_eq!(about.len(), Fault::all().len(), "no two read alike");
}
