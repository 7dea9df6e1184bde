//! Any bytes as a CRL in any of its encodings: no panic, and the serial numbers come out sorted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::crl::{Crl, from_text};
use tdattest_verifier::wire::pem;

fuzz_target!(|bytes: &[u8]| {
    let decoded = pem::crl(bytes).unwrap_or_default();
    let intels = from_text(bytes).unwrap_or_default();
    for der in [bytes, &decoded, &intels] {
        if let Ok(crl) = Crl::parse(der) {
            assert!(crl.revoked.is_sorted());
            let _ = (crl.extensions.crl_number(), crl.issuer.to_string());
        }
    }
});
