//! Any text as a collateral bundle: no panic, and what parses writes itself back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::collateral::Collateral;

fuzz_target!(|text: &[u8]| {
    let Ok(collateral) = Collateral::from_bundle(text) else { return };
    let Ok(written) = collateral.to_bundle() else { return };
    let again = Collateral::from_bundle(written.as_bytes()).expect("a written bundle parses");
    assert_eq!(again.to_bundle().as_ref(), Ok(&written));
});
