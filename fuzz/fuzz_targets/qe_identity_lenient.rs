//! Any text as an enclave identity in Intel's reading: no panic, and what the strict reading accepts is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::qe_identity::{self, QeIdentity};
use tdattest_verifier::wire::signed::Signed;

fuzz_target!(|text: &[u8]| {
    let read = qe_identity::lenient::parse(text);
    if let Ok(read) = &read {
        let _ = read.canonical_body();
    }
    let Ok(signed) = Signed::<QeIdentity>::from_outer(text) else { return };
    let Ok(strict) = signed.open_untrusted() else { return };
    // Written anew, since nothing looks closely at what stands beside the document.
    let read = qe_identity::lenient::parse(&signed.write()).expect("what is read strictly is read");
    assert_eq!((&read.document, read.body()), (&strict, signed.signed_bytes()));
    assert_eq!(read.signature.as_ref(), Some(signed.signature()));
});
