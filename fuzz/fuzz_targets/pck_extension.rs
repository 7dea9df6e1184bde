//! Any bytes as Intel's SGX extension: no panic, and what the strict reading accepts is read alike leniently.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::pck::PckExtension;

fuzz_target!(|bytes: &[u8]| {
    let lenient = PckExtension::parse_lenient(bytes);
    if let Ok(strict) = PckExtension::parse(bytes) {
        assert_eq!(lenient, Ok(strict));
    }
});
