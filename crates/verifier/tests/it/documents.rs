//! TCB info, QE identity and CRLs: the bytes that arrived are what is signed, and no part may be missing.

use std::thread;

use serde_json::Value;
use tdattest_verifier::VerifyError;
use tdattest_verifier::error::{Artefact, CrlFault, DocumentFault};
use tdattest_verifier::wire::bytes::EcdsaSignature;
use tdattest_verifier::wire::collateral::{Collateral, CollateralError, Part};
use tdattest_verifier::wire::error::ParseErrorKind;
use tdattest_verifier::wire::signed::{Document, Signed};

use crate::samples::{self, Sample, verifier};

/// S1e, S19, S37. Before any of it is parsed.
#[test]
fn refuses_tcb_info_and_qe_identity_with_any_byte_changed_by_their_signature() {
    let sample = samples::tdx();
    let Collateral { tcb_info, qe_identity, .. } = sample.collateral();
    thread::scope(|scope| {
        let sample = &sample;
        scope.spawn(move || {
            for_each_flip(&tcb_info, |flipped| {
                let changed = Collateral { tcb_info: flipped, ..sample.collateral() };
                assert_eq!(error(sample, &changed), bad_signature(Artefact::TcbInfo));
            });
        });
        scope.spawn(move || {
            for_each_flip(&qe_identity, |flipped| {
                let changed = Collateral { qe_identity: flipped, ..sample.collateral() };
                assert_eq!(error(sample, &changed), bad_signature(Artefact::QeIdentity));
            });
        });
    });
}

/// S1. Signatures are of one document each.
#[test]
fn refuses_a_document_with_the_signature_of_another() {
    let (sample, other) = (samples::tdx(), samples::tdx_15_extended());
    let mut collateral = sample.collateral();
    collateral.tcb_info = Signed::new(
        collateral.tcb_info.signed_bytes().to_vec(),
        *other.collateral().tcb_info.signature(),
    );
    assert_eq!(error(&sample, &collateral), bad_signature(Artefact::TcbInfo));
}

/// S37. Equal as JSON is not equal.
#[test]
fn refuses_reformatted_documents_by_their_signature() {
    let sample = samples::tdx();
    for rewrite in [spread_out, with_a_space_before, with_a_line_feed_after, with_members_sorted] {
        let mut collateral = sample.collateral();
        let text = rewrite(collateral.tcb_info.signed_bytes());
        let same: Value = serde_json::from_slice(collateral.tcb_info.signed_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), same, "still the same JSON");
        collateral.tcb_info = Signed::new(text, *collateral.tcb_info.signature());
        assert_eq!(error(&sample, &collateral), bad_signature(Artefact::TcbInfo));
    }
}

fn spread_out(text: &[u8]) -> Vec<u8> {
    serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(text).unwrap()).unwrap()
}

fn with_a_space_before(text: &[u8]) -> Vec<u8> {
    [b" ", text].concat()
}

fn with_a_line_feed_after(text: &[u8]) -> Vec<u8> {
    [text, b"\n"].concat()
}

fn with_members_sorted(text: &[u8]) -> Vec<u8> {
    let Value::Object(members) = serde_json::from_slice::<Value>(text).unwrap() else { panic!() };
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    let sorted = serde_json::to_vec(&members.into_iter().collect::<serde_json::Map<_, _>>());
    sorted.unwrap()
}

/// S31, S37. A second member of the same name, or text after the object, is under the signature or it is refused.
#[test]
fn refuses_doubled_members_and_text_after_a_document() {
    let sample = samples::tdx();
    let body = sample.collateral().tcb_info.signed_bytes().to_vec();
    let doubled = [b"{\"version\":3,", &body[1..]].concat();
    let longer = [&body[..], b"{}"].concat();
    for text in [doubled, longer] {
        let signature = *sample.collateral().tcb_info.signature();
        let tcb_info = Signed::new(text, signature);
        // Even if a signature covered it, it would not be read.
        let fault = tcb_info.open_untrusted().unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{fault}");
        let collateral = Collateral { tcb_info, ..sample.collateral() };
        assert_eq!(error(&sample, &collateral), bad_signature(Artefact::TcbInfo));
    }
}

/// S12, S13, S39.
#[test]
fn refuses_crls_with_any_byte_changed() {
    let sample = samples::tdx();
    let Collateral { root_ca_crl, pck_crl, .. } = sample.collateral();
    thread::scope(|scope| {
        let sample = &sample;
        scope.spawn(move || {
            for_each_flipped_byte(&root_ca_crl, |root_ca_crl| {
                let collateral = Collateral { root_ca_crl, ..sample.collateral() };
                assert_crl_refused(sample, &collateral, Artefact::RootCaCrl);
            });
        });
        scope.spawn(move || {
            for_each_flipped_byte(&pck_crl, |pck_crl| {
                let collateral = Collateral { pck_crl, ..sample.collateral() };
                assert_crl_refused(sample, &collateral, Artefact::PckCrl);
            });
        });
    });
}

/// S12. Older lists are genuine: only their window speaks against them.
#[test]
fn refuses_a_genuine_but_expired_crl() {
    let (sample, older) = (samples::tdx_15_extended(), samples::tdx());
    let collateral = Collateral { pck_crl: older.collateral().pck_crl, ..sample.collateral() };
    let verdict = verifier().verify(&sample.parsed(), &collateral, sample.now).unwrap_err();
    let expired = VerifyError::Crl {
        crl: Artefact::PckCrl,
        fault: CrlFault::Expired {
            next_update: verdict.facts().windows[10].not_after,
            now: sample.now,
        },
    };
    assert_eq!((verdict.error(), verdict.others()), (&expired, &[][..]));
}

/// S12, S36.
#[test]
fn refuses_an_empty_crl_as_missing_and_garbage_as_malformed() {
    let sample = samples::tdx();
    for (part, crl) in [(Part::RootCaCrl, Artefact::RootCaCrl), (Part::PckCrl, Artefact::PckCrl)] {
        for empty in ["", "\0", " \n"] {
            let bundle = bundle_with(&sample, part, Some(empty));
            let refused = Collateral::from_bundle(&bundle).unwrap_err();
            assert_eq!(refused, CollateralError::Missing(part));
        }
        let mut collateral = sample.collateral();
        let target = match part {
            Part::RootCaCrl => &mut collateral.root_ca_crl,
            _ => &mut collateral.pck_crl,
        };
        target.clear();
        let error = error(&sample, &collateral);
        let malformed = matches!(&error, VerifyError::Crl { crl: found, fault: CrlFault::Malformed(_) }
            if *found == crl);
        assert!(malformed, "{error}");
    }
}

/// S1, S12. No part is optional but the PCK chain of a quote that has its own.
#[test]
fn refuses_a_bundle_that_lacks_a_part() {
    let sample = samples::tdx_15_extended();
    for part in Part::ALL {
        let refused = Collateral::from_bundle(&bundle_with(&sample, part, None));
        if part == Part::PckCertificateChain {
            assert_eq!(refused.unwrap().pck_certificate_chain, None);
        } else {
            assert_eq!(refused.unwrap_err(), CollateralError::Missing(part));
        }
    }
}

/// The sample's bundle with one part changed or left out.
fn bundle_with(sample: &Sample, part: Part, text: Option<&str>) -> Vec<u8> {
    let Value::Object(mut bundle) = serde_json::from_slice(&sample.bundle).unwrap() else {
        panic!("{} has no JSON object", sample.name)
    };
    match text {
        Some(text) => bundle.insert(part.name().into(), text.into()),
        None => bundle.remove(part.name()),
    };
    serde_json::to_vec(&bundle).unwrap()
}

fn bad_signature(document: Artefact) -> VerifyError {
    VerifyError::Document { document, fault: DocumentFault::Signature }
}

fn assert_crl_refused(sample: &Sample, collateral: &Collateral, crl: Artefact) {
    let error = error(sample, collateral);
    assert!(matches!(error, VerifyError::Crl { crl: found, .. } if found == crl), "{error}");
}

/// Every byte of the document, and every bit of its signature.
fn for_each_flip<T: Document>(document: &Signed<T>, test: impl Fn(Signed<T>)) {
    let (body, signature) = (document.signed_bytes(), *document.signature());
    for_each_flipped_byte(body, |body| test(Signed::new(body, signature)));
    for bit in 0..512 {
        let mut flipped = signature.0;
        flipped[bit / 8] ^= 1 << (bit % 8);
        test(Signed::new(body.to_vec(), EcdsaSignature(flipped)));
    }
}

fn for_each_flipped_byte(bytes: &[u8], test: impl Fn(Vec<u8>)) {
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        test(flipped);
    }
}

fn error(sample: &Sample, collateral: &Collateral) -> VerifyError {
    verifier()
        .prepare(collateral)
        .map_or_else(|refused| refused.error, |_| panic!("{}: prepared all the same", sample.name))
}
