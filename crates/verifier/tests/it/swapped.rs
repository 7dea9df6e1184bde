//! Genuine parts in the wrong place: every one is signed by Intel, and none may stand in for another.

use tdattest_verifier::VerifyError;
use tdattest_verifier::error::{Artefact, ChainFault, CrlFault, DocumentFault, Position};
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::qe_identity::EnclaveId;
use tdattest_verifier::wire::quote::{CertificationData, Quote, TeeType};
use tdattest_verifier::wire::signed::Signed;

use crate::chains::pem_of;
use crate::samples::{self, Sample, verifier};

/// S15.
#[test]
fn refuses_the_qe_identity_of_the_other_tee() {
    for (sample, other, expected, found) in [
        (samples::tdx(), samples::sgx(), EnclaveId::TdQe, EnclaveId::Qe),
        (samples::sgx(), samples::tdx(), EnclaveId::Qe, EnclaveId::TdQe),
    ] {
        let mut collateral = sample.collateral();
        collateral.qe_identity = other.collateral().qe_identity;
        let expected = VerifyError::QeIdentityOfOtherEnclave { expected, found };
        assert_eq!(error(&sample, &collateral), expected);
    }
}

/// S15.
#[test]
fn refuses_the_tcb_info_of_the_other_tee() {
    for (sample, other, quote, tcb_info) in [
        (samples::tdx(), samples::sgx(), TeeType::Tdx, TeeType::Sgx),
        (samples::sgx(), samples::tdx(), TeeType::Sgx, TeeType::Tdx),
    ] {
        let mut collateral = sample.collateral();
        collateral.tcb_info = other.collateral().tcb_info;
        let expected = VerifyError::TcbInfoOfOtherTee { tcb_info, quote };
        assert_eq!(error(&sample, &collateral), expected);
    }
}

/// S16.
#[test]
fn refuses_the_tcb_info_of_another_fmspc() {
    let (sample, other) = (samples::tdx_below_every_level(), samples::tdx_15_extended());
    let fmspc = |sample: &Sample| sample.collateral().tcb_info.open_untrusted().unwrap().fmspc;
    let (pck, tcb_info) = (fmspc(&sample), fmspc(&other));
    assert_ne!(pck, tcb_info);
    let mut collateral = sample.collateral();
    collateral.tcb_info = other.collateral().tcb_info;
    assert_eq!(error(&sample, &collateral), VerifyError::FmspcMismatch { pck, tcb_info });
}

/// S12, S13.
#[test]
fn refuses_the_pck_crl_of_the_other_ca_under_this_cas_chain() {
    for (sample, other) in both_ways() {
        let mut collateral = sample.collateral();
        collateral.pck_crl = other.collateral().pck_crl;
        let VerifyError::Crl { crl: Artefact::PckCrl, fault: CrlFault::Issuer { expected, found } } =
            error(&sample, &collateral)
        else {
            panic!("{}", error(&sample, &collateral));
        };
        assert!(
            found.contains(ca(&other)) && expected.contains(ca(&sample)),
            "{expected}, {found}"
        );
    }
}

/// S12, S13. A processor CA's list, genuine with its own chain, says nothing about a platform CA's certificates.
#[test]
fn refuses_the_pck_crl_of_the_other_ca_with_its_own_chain() {
    for (sample, other) in both_ways() {
        let mut collateral = sample.collateral();
        collateral.pck_crl = other.collateral().pck_crl;
        collateral.pck_crl_issuer_chain = other.collateral().pck_crl_issuer_chain;
        let expected = VerifyError::PckCrlOfOtherCa {
            pck_issuer: format!("Intel SGX {}", ca(&sample)),
            crl_issuer: format!("Intel SGX {}", ca(&other)),
        };
        assert_eq!(error(&sample, &collateral), expected);
    }
}

/// S14.
#[test]
fn accepts_certificates_of_both_pck_cas() {
    let issuer = |sample: Sample| sample.verified().facts().pck.clone().unwrap().issuer;
    assert_eq!(issuer(samples::tdx()), "Intel SGX PCK Platform CA");
    assert_eq!(issuer(samples::sgx()), "Intel SGX PCK Processor CA");
}

/// S12.
#[test]
fn refuses_the_two_crls_of_a_platform_in_each_others_place() {
    let sample = samples::tdx();
    let mut collateral = sample.collateral();
    std::mem::swap(&mut collateral.pck_crl, &mut collateral.root_ca_crl);
    let error = error(&sample, &collateral);
    let crl = Artefact::RootCaCrl;
    assert!(
        matches!(&error, VerifyError::Crl { crl: c, fault: CrlFault::Issuer { .. } } if *c == crl),
        "{error}"
    );
}

/// S10. A PCK CA's certificate is a CA's, and no TCB signing certificate.
#[test]
fn refuses_a_ca_certificate_in_the_place_of_the_tcb_signing_certificate() {
    let sample = samples::tdx();
    let mut collateral = sample.collateral();
    collateral.tcb_info_issuer_chain = collateral.pck_crl_issuer_chain.clone();
    let (position, chain) = (Position::TcbSigning, Artefact::TcbInfoIssuerChain);
    let fault = ChainFault::Role {
        position,
        expected: "SGX TCB Signing",
        found: "Intel SGX PCK Platform CA".into(),
    };
    assert_eq!(error(&sample, &collateral), VerifyError::Chain { chain, fault });
}

/// S10. A TCB signing certificate is no CA's: it must not issue CRLs.
#[test]
fn refuses_the_tcb_signing_chain_in_the_place_of_the_pck_crl_issuer_chain() {
    let sample = samples::tdx();
    let mut collateral = sample.collateral();
    collateral.pck_crl_issuer_chain = collateral.tcb_info_issuer_chain.clone();
    let fault = ChainFault::Role {
        position: Position::PckCa,
        expected: "SGX PCK Processor CA or SGX PCK Platform CA",
        found: "Intel SGX TCB Signing".into(),
    };
    let chain = Artefact::PckCrlIssuerChain;
    assert_eq!(error(&sample, &collateral), VerifyError::Chain { chain, fault });
}

/// S10. A PCK certificate, which every host has a key for, must not sign TCB info.
#[test]
fn refuses_a_pck_chain_in_the_place_of_a_tcb_signing_chain() {
    let sample = samples::tdx();
    let pck_chain = pck_chain_of(&sample);
    let [leaf, _, root] = &pem::certificates(&pck_chain).unwrap()[..] else { panic!() };
    let chain = Artefact::QeIdentityIssuerChain;
    for (text, fault) in [
        (pck_chain.clone(), ChainFault::Length { expected: 2, found: 3 }),
        (pem_of([leaf, root]), ChainFault::Issuer(Position::TcbSigning)),
        (pem_of([leaf, leaf]), ChainFault::Issuer(Position::Root)),
    ] {
        let mut collateral = sample.collateral();
        collateral.qe_identity_issuer_chain = text;
        assert_eq!(error(&sample, &collateral), VerifyError::Chain { chain, fault });
    }
}

/// S15. Both documents are signed by the same key, so only their content tells them apart.
#[test]
fn refuses_one_signed_document_in_the_place_of_the_other() {
    let sample = samples::tdx();
    let Collateral { tcb_info, qe_identity, .. } = sample.collateral();
    let mut collateral = sample.collateral();
    collateral.tcb_info =
        Signed::new(qe_identity.signed_bytes().to_vec(), *qe_identity.signature());
    assert!(is_malformed(error(&sample, &collateral), Artefact::TcbInfo));

    let mut collateral = sample.collateral();
    collateral.qe_identity = Signed::new(tcb_info.signed_bytes().to_vec(), *tcb_info.signature());
    assert!(is_malformed(error(&sample, &collateral), Artefact::QeIdentity));
}

/// The chain of a quote is used where there is one, whatever chain the collateral brings.
#[test]
fn a_chain_in_the_collateral_does_not_replace_the_quotes_own() {
    let sample = samples::tdx();
    let mut collateral = sample.collateral();
    collateral.pck_certificate_chain = Some(pck_chain_of(&samples::sgx()));
    let verified = verifier().verify(&sample.parsed(), &collateral, sample.now).unwrap();
    assert_eq!(verified.facts().pck, sample.verified().facts().pck);
}

/// S36. A quote without a chain needs one from the collateral, and exactly its own platform's.
#[test]
fn a_quote_without_a_chain_takes_the_collaterals_if_it_is_the_platforms() {
    let sample = samples::tdx();
    let chain = pck_chain_of(&sample);
    let leaf: &'static [u8] = b"the PCK leaf certificate alone";
    let bytes = sample.with(|data| data.certification_data = CertificationData::PckLeaf(leaf));
    let quote = Quote::parse(&bytes).unwrap();
    let mut collateral = sample.collateral();
    let verdict = |collateral: &Collateral| {
        let verdict = verifier().verify(&quote, collateral, sample.now);
        verdict.map(|_| ()).map_err(|failure| failure.error().clone())
    };

    let found = "PCK leaf certificate";
    assert_eq!(verdict(&collateral), Err(VerifyError::PckChainMissing { found }));
    collateral.pck_certificate_chain = Some(chain);
    assert_eq!(verdict(&collateral), Ok(()));
    // Another platform's: that of a Processor CA, whose CRL this is not.
    collateral.pck_certificate_chain = Some(pck_chain_of(&samples::sgx()));
    assert!(matches!(verdict(&collateral), Err(VerifyError::PckCrlOfOtherCa { .. })));
    // Another platform's under the same CA.
    collateral.pck_certificate_chain = Some(pck_chain_of(&samples::tdx_below_every_level()));
    assert!(matches!(verdict(&collateral), Err(VerifyError::FmspcMismatch { .. })));
}

fn is_malformed(error: VerifyError, artefact: Artefact) -> bool {
    matches!(error, VerifyError::Document { document, fault: DocumentFault::Malformed(_) }
        if document == artefact)
}

/// Samples whose PCK certificates are by different CAs, each with the other.
fn both_ways() -> [(Sample, Sample); 2] {
    [(samples::tdx(), samples::sgx()), (samples::sgx(), samples::tdx())]
}

fn ca(sample: &Sample) -> &'static str {
    if sample.name == "sgx_quote" { "PCK Processor CA" } else { "PCK Platform CA" }
}

pub(crate) fn pck_chain_of(sample: &Sample) -> Vec<u8> {
    sample.parsed().signature().certification_data.data().to_vec()
}

/// Why the quote is refused with this collateral: parts are accepted from another time here, so their windows are not
/// what decides.
fn error(sample: &Sample, collateral: &Collateral) -> VerifyError {
    let verdict = verifier().verify(&sample.parsed(), collateral, sample.now);
    verdict.map(|_| ()).unwrap_err().error().clone()
}
