//! A production quote with any bytes written over it: only the unchanged quote is accepted.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::{collateral::Collateral, quote::Quote, time::UnixTime};
use tdattest_verifier::{PreparedCollateral, TrustAnchor, Verifier, crypto};

/// 2025-06-25, inside every window of the sample.
const NOW: u64 = 1_750_809_600;

struct Sample {
    quote: Vec<u8>,
    prepared: PreparedCollateral,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let read = |name| std::fs::read(concat!(env!("SAMPLES"), "/").to_owned() + name).unwrap();
        let collateral = Collateral::from_bundle(&read("tdx_quote_collateral.json")).unwrap();
        let verifier = Verifier::new(TrustAnchor::intel(), crypto::rust_crypto());
        Sample { quote: read("tdx_quote"), prepared: verifier.prepare(&collateral).unwrap() }
    })
}

// The first two bytes say where, the rest is xor'ed in.
fuzz_target!(|input: &[u8]| {
    let sample = sample();
    let [low, high, mask @ ..] = input else { return };
    let at = usize::from(u16::from_le_bytes([*low, *high])) % sample.quote.len();
    let mut bytes = sample.quote.clone();
    bytes.iter_mut().skip(at).zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    let Ok(quote) = Quote::parse(&bytes) else { return };
    let now = UnixTime::from_secs(NOW).unwrap();
    if sample.prepared.verify(&quote, now).is_ok() {
        let original = Quote::parse(&sample.quote).unwrap();
        // Text around the PCK chain's certificates and padding are under no signature; all else is.
        assert_eq!(quote.signed_bytes(), original.signed_bytes());
        assert_eq!(quote.signature().qe_report_bytes, original.signature().qe_report_bytes);
        assert_eq!(quote.signature().attestation_key, original.signature().attestation_key);
    }
});
