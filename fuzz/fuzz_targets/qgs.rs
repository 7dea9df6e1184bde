//! Any bytes as a message to or from a QGS: no panic, and what parses writes itself back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::qgs::{
    CollateralResponse, PREFIX_BYTES, PlatformInfoResponse, QuoteResponse, Request, message_length,
};

fuzz_target!(|bytes: &[u8]| {
    if let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() {
        let _ = message_length(*prefix);
    }
    if let Ok(request) = Request::parse(bytes) {
        let written = request.write();
        let again = Request::parse(&written[PREFIX_BYTES..]).expect("a written request parses");
        assert_eq!(written, again.write());
    }
    if let Ok(response) = QuoteResponse::parse(bytes) {
        let written = response.write();
        assert_eq!(QuoteResponse::parse(&written[PREFIX_BYTES..]), Ok(response));
    }
    if let Ok(response) = CollateralResponse::parse(bytes) {
        for minor_0 in [false, true] {
            let written = response.write(minor_0);
            assert_eq!(CollateralResponse::parse(&written[PREFIX_BYTES..]).as_ref(), Ok(&response));
        }
    }
    if let Ok(response) = PlatformInfoResponse::parse(bytes) {
        let written = response.write();
        assert_eq!(PlatformInfoResponse::parse(&written[PREFIX_BYTES..]), Ok(response));
    }
});
