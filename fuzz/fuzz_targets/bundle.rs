//! Any text as a collateral bundle: no panic, and what parses writes itself back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::collateral::Collateral;

fuzz_target!(|text: &[u8]| {
    let Ok(collateral) = Collateral::from_bundle(text) else { return };
    let again = Collateral::from_bundle(collateral.to_bundle().as_bytes());
    assert_eq!(again.as_ref().map(Collateral::to_bundle), Ok(collateral.to_bundle()));
});
