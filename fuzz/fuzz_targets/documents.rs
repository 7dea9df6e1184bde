//! Any text as a document that Intel signs, or as a list of PCK certificates: no panic, and levels come out in
//! descending order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::bytes::EcdsaSignature;
use tdattest_verifier::wire::evaluation_data::EvaluationDataNumbers;
use tdattest_verifier::wire::pck_certificates::PckCertificates;
use tdattest_verifier::wire::qe_identity::QeIdentity;
use tdattest_verifier::wire::signed::{Document, Signed};
use tdattest_verifier::wire::tcb_info::{TcbInfo, TcbLevel};

fuzz_target!(|text: &[u8]| {
    if let Some(info) = open::<TcbInfo>(text) {
        let sorted = |one: &TcbLevel, next: &TcbLevel| one.sgx >= next.sgx;
        assert!(info.tcb_levels.is_sorted_by(sorted));
    }
    if let Some(identity) = open::<QeIdentity>(text) {
        assert!(identity.tcb_levels.is_sorted_by(|one, next| one.isv_svn > next.isv_svn));
    }
    let _ = open::<EvaluationDataNumbers>(text);
    let _ = PckCertificates::parse_entries(text);
});

/// The text as a whole answer, or as the inner object.
fn open<T: Document>(text: &[u8]) -> Option<T> {
    let signed = Signed::<T>::from_outer(text)
        .unwrap_or_else(|_| Signed::new(text.to_vec(), EcdsaSignature::default()));
    signed.open_untrusted().ok()
}
