//! Any bytes as a certificate, DER and PEM: no panic, and the signed bytes are a slice of the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::certificate::{Certificate, oid};
use tdattest_verifier::wire::{pck::PckExtension, pem};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    for der in pem::certificates(bytes).unwrap_or_default() {
        check(&der);
    }
});

fn check(der: &[u8]) {
    let Ok(certificate) = Certificate::parse(der) else { return };
    assert!(der.windows(certificate.tbs.len()).any(|slice| slice == certificate.tbs));
    let _ = certificate.subject.to_string() + &certificate.issuer.common_name();
    assert!(certificate.subject.text_eq(&certificate.subject));
    let _ = certificate.subject.text_eq(&certificate.issuer);
    let _ = certificate.subject.five_fields_eq(&certificate.issuer);
    let extensions = &certificate.extensions;
    let _ = (extensions.basic_constraints(), extensions.key_usage());
    let _ = (extensions.subject_key_id(), extensions.authority_key_id());
    if let Some(extension) = extensions.get(oid::SGX_EXTENSION) {
        let _ = PckExtension::parse(extension.value);
    }
}
