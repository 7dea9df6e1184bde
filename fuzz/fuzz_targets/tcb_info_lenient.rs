//! Any text as TCB info in Intel's reading: no panic, and what the strict reading accepts is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::signed::Signed;
use tdattest_verifier::wire::tcb_info::{self, TcbInfo};

fuzz_target!(|text: &[u8]| {
    let read = tcb_info::lenient::parse(text);
    if let Ok(read) = &read {
        assert_eq!(read.document.listed.len(), read.document.tcb_levels.len());
        let _ = read.canonical_body();
    }
    let Ok(signed) = Signed::<TcbInfo>::from_outer(text) else { return };
    let Ok(strict) = signed.open_untrusted() else { return };
    // Written anew, since nothing looks closely at what stands beside the document.
    let read = tcb_info::lenient::parse(&signed.write()).expect("what is read strictly is read");
    assert_eq!((&read.document, read.body()), (&strict, signed.signed_bytes()));
    assert_eq!(read.signature.as_ref(), Some(signed.signature()));
});
