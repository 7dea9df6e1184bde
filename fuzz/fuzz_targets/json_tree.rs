//! Any text as JSON in Intel's reading: no panic, and what is written anew is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::lenient::canonical;

fuzz_target!(|text: &[u8]| {
    let Some(written) = canonical(text) else { return };
    assert_eq!(canonical(&written).as_ref(), Some(&written));
});
