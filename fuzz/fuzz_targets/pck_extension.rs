//! Any bytes as Intel's SGX extension: no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::pck::PckExtension;

fuzz_target!(|bytes: &[u8]| {
    let _ = PckExtension::parse(bytes);
});
