//! Every bit of a quote that something signs, flipped on its own: each flip is refused.

use std::thread;

use tdattest_verifier::wire::quote::{Quote, Version};
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{PreparedCollateral, VerifyError};

use crate::samples::{self, Sample, verifier};

/// S17, S18, S29, S30, S36.
#[test]
fn refuses_a_version_4_quote_with_any_bit_flipped_up_to_its_certification_data() {
    assert_every_flip_is_refused(samples::tdx().without_trailing());
}

/// S17, S18, S28, S29, S36.
#[test]
fn refuses_a_version_5_quote_with_any_bit_flipped_up_to_its_certification_data() {
    assert_every_flip_is_refused(samples::tdx_15_extended());
}

/// S17, S18, S29, S36.
#[test]
fn refuses_a_version_3_quote_with_any_bit_flipped_up_to_its_certification_data() {
    assert_every_flip_is_refused(samples::sgx());
}

/// S31. Padding after a quote is let pass, so a size that takes in some of it must not help.
#[test]
fn refuses_a_padded_quote_unless_its_signature_data_size_grows_into_the_padding() {
    let sample = samples::tdx();
    let prepared = verifier().prepare(&sample.collateral()).unwrap();
    let padding = sample.parsed().trailing().len();
    let size_at = sample.parsed().signed_bytes().len();
    for bit in 0..32 {
        let mut quote = sample.quote.clone();
        let old = u32::from_le_bytes(quote[size_at..size_at + 4].try_into().unwrap());
        quote[size_at + bit / 8] ^= 1 << (bit % 8);
        let new = u32::from_le_bytes(quote[size_at..size_at + 4].try_into().unwrap());
        let grows_into_padding = new > old && (new - old) as usize <= padding;
        let verdict = verdict(&prepared, &quote, sample.now);
        assert_eq!(verdict.is_ok(), grows_into_padding, "bit {bit}");
        if grows_into_padding {
            let quote = Quote::parse(&quote).unwrap();
            assert_eq!(quote.signature().trailing.len(), (new - old) as usize);
        }
    }
}

/// The type of the certification data is under no signature; a quote without a chain needs one from the collateral.
#[test]
fn a_flipped_certification_data_type_never_verifies_without_a_chain_from_the_collateral() {
    for (sample, brings_chain) in [(samples::tdx(), false), (samples::tdx_15_extended(), true)] {
        let prepared = verifier().prepare(&sample.collateral()).unwrap();
        let type_at = end_of_auth_data(&sample.parsed());
        for bit in 0..16 {
            let mut quote = sample.quote.clone();
            quote[type_at + bit / 8] ^= 1 << (bit % 8);
            match verdict(&prepared, &quote, sample.now) {
                Ok(()) => assert!(brings_chain && bit < 3, "{}, bit {bit}", sample.name),
                Err(None) => {}
                Err(Some(error)) => {
                    let missing = matches!(error, VerifyError::PckChainMissing { .. });
                    assert!(missing && !brings_chain, "{}, bit {bit}: {error}", sample.name);
                }
            }
        }
    }
}

fn assert_every_flip_is_refused(sample: Sample) {
    let prepared = verifier().prepare(&sample.collateral()).unwrap();
    assert_eq!(verdict(&prepared, &sample.quote, sample.now), Ok(()), "the quote as it is");
    let end = end_of_auth_data(&sample.parsed());
    let threads = 2;
    thread::scope(|scope| {
        for thread in 0..threads {
            let (prepared, sample) = (&prepared, &sample);
            scope.spawn(move || {
                let mut quote = sample.quote.clone();
                for at in (thread..end).step_by(threads) {
                    for bit in 0..8 {
                        quote[at] ^= 1 << bit;
                        let verdict = verdict(prepared, &quote, sample.now);
                        assert!(verdict.is_err(), "{}: bit {bit} of byte {at}", sample.name);
                        quote[at] ^= 1 << bit;
                    }
                }
            });
        }
    });
}

/// The error, or `None` for a quote that does not even parse.
fn verdict(
    prepared: &PreparedCollateral,
    quote: &[u8],
    now: UnixTime,
) -> Result<(), Option<VerifyError>> {
    let quote = Quote::parse(quote).map_err(|_| None)?;
    prepared.verify(&quote, now).map(|_| ()).map_err(|failure| Some(failure.error().clone()))
}

/// Where the certification data that certifies the PCK begins: all before it is signed, or is a size.
pub(crate) fn end_of_auth_data(quote: &Quote<'_>) -> usize {
    let outer_record = if quote.header().version == Version::V3 { 0 } else { 6 };
    let fixed = 4 + 64 + 64 + outer_record + 384 + 64 + 2;
    quote.signed_bytes().len() + fixed + quote.signature().qe_auth_data.len()
}
