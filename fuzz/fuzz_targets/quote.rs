//! Any bytes as a quote: no panic, and what parses writes itself back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::quote::Quote;

fuzz_target!(|bytes: &[u8]| {
    let lenient = Quote::parse_lenient(bytes);
    let Ok(quote) = Quote::parse(bytes) else { return };
    assert_eq!(lenient.as_ref(), Ok(&quote));
    let written = quote.write();
    let again = Quote::parse(&written).expect("a written quote parses");
    assert_eq!((again.header(), again.body()), (quote.header(), quote.body()));
    assert_eq!(again.signed_bytes(), quote.signed_bytes());
    assert!(again.trailing().is_empty());
    // Without the bytes that the format lets follow its record, it is a prefix of the input.
    if quote.signature().trailing.is_empty() {
        assert!(bytes.starts_with(&written));
    }
});
