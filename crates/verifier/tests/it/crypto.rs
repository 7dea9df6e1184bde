//! Both cryptography providers against Project Wycheproof, against each other, and on degenerate signatures.

use p256::ecdsa::Signature;
use tdattest_verifier::VerifyError;
use tdattest_verifier::crypto::{self, Crypto, VerifyingKey};
use tdattest_verifier::wire::bytes::EcdsaSignature;
use tdattest_verifier::wire::quote::Quote;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use crate::samples::{self, verifier};

fn providers() -> [&'static dyn Crypto; 2] {
    [crypto::aws_lc(), crypto::rust_crypto()]
}

/// S18.
#[test]
fn both_providers_pass_wycheproof_for_signatures_in_der() {
    let counted = run(TestName::EcdsaSecp256r1Sha256, |key, message, signature| {
        key.verify_der(message, signature)
    });
    assert!(counted > 400, "only {counted} vectors");
}

/// S18.
#[test]
fn both_providers_pass_wycheproof_for_signatures_of_64_bytes() {
    let counted = run(TestName::EcdsaSecp256r1Sha256P1363, |key, message, signature| {
        // Any other length cannot even be asked about.
        signature.try_into().is_ok_and(|signature| key.verify_fixed(message, signature))
    });
    assert!(counted > 200, "only {counted} vectors");
}

/// Runs a set and returns its size. The few `acceptable` ones must get the same answer of both.
fn run(set: TestName, verify: impl Fn(&dyn VerifyingKey, &[u8], &[u8]) -> bool) -> usize {
    let set = TestSet::load(set).unwrap();
    let mut counted = 0;
    for group in set.test_groups {
        let point: [u8; 65] = group.key.key.as_slice().try_into().unwrap();
        let keys = providers().map(|provider| provider.verifying_key(&point).unwrap());
        for test in group.tests {
            let answers = [&keys[0], &keys[1]].map(|key| verify(&**key, &test.msg, &test.sig));
            match test.result {
                TestResult::Valid => assert_eq!(answers, [true; 2], "{test:?}"),
                TestResult::Invalid => assert_eq!(answers, [false; 2], "{test:?}"),
                TestResult::Acceptable => assert_eq!(answers[0], answers[1], "{test:?}"),
            }
            counted += 1;
        }
    }
    counted
}

/// S18.
#[test]
fn refuses_degenerate_quote_signatures() {
    for signature in [
        [&[0; 32][..], &[0; 32]],
        [&number(1), &number(1)],
        [&number(0), &number(1)],
        [&number(1), &number(0)],
        [&[0xff; 32], &[0xff; 32]],
        [&ORDER, &ORDER],
        [&ORDER, &number(1)],
    ] {
        let signature = signature.concat().try_into().unwrap();
        assert_eq!(verdict_with(|_| EcdsaSignature(signature)), both_refuse());
    }
}

/// S18.
#[test]
fn refuses_a_quote_signature_whose_halves_are_swapped() {
    let swapped = |EcdsaSignature(signature): EcdsaSignature| {
        let (r, s) = signature.split_at(32);
        EcdsaSignature([s, r].concat().try_into().unwrap())
    };
    assert_eq!(verdict_with(swapped), both_refuse());
}

/// S18. For every good (r, s), (r, n - s) is good as well. Intel's library accepts both, and so do both providers:
/// nothing here identifies a quote by its signature.
#[test]
fn accepts_both_forms_of_a_good_quote_signature() {
    let negated = |EcdsaSignature(signature): EcdsaSignature| {
        let signature = Signature::from_slice(&signature).unwrap();
        let (r, s) = signature.split_scalars();
        let negated = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        assert_ne!(negated, signature);
        EcdsaSignature(negated.to_bytes().into())
    };
    assert_eq!(verdict_with(negated), [Ok(()), Ok(())]);
}

/// S18. The QE report binds the key, so another key is refused there already; a point off the curve yields no key.
#[test]
fn refuses_points_off_the_curve_in_both_providers() {
    let sample = samples::tdx();
    let mut point = [4; 65];
    point[1..].copy_from_slice(&sample.parsed().signature().attestation_key.0);
    for provider in providers() {
        assert!(provider.verifying_key(&point).is_some(), "{}", provider.name());
        for (at, value) in [(64, point[64] ^ 1), (1, 0xff), (0, 2), (0, 0)] {
            let mut off = point;
            off[at] = value;
            if at == 1 {
                off[1..33].fill(0xff);
            }
            assert!(provider.verifying_key(&off).is_none(), "{} byte {at}", provider.name());
        }
        let origin = [&[4][..], &[0; 64]].concat().try_into().unwrap();
        assert!(provider.verifying_key(&origin).is_none(), "{} (0, 0)", provider.name());
    }
}

fn both_refuse() -> [Result<(), VerifyError>; 2] {
    [(); 2].map(|()| Err(VerifyError::QuoteSignature))
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn number(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = value;
    bytes
}

/// What both providers say to a production quote whose signature was changed.
fn verdict_with(change: impl Fn(EcdsaSignature) -> EcdsaSignature) -> [Result<(), VerifyError>; 2] {
    let sample = samples::tdx();
    let bytes = sample.with(|data| data.quote_signature = change(data.quote_signature));
    let (quote, collateral) = (Quote::parse(&bytes).unwrap(), sample.collateral());
    providers().map(|provider| {
        let verifier = tdattest_verifier::Verifier::new(verifier().anchor().clone(), provider);
        let verdict = verifier.verify(&quote, &collateral, sample.now);
        verdict.map(|_| ()).map_err(|failure| failure.error().clone())
    })
}
