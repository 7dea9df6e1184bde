//! Preparing collateral once, another provider, several threads: none of it changes an answer.

use std::thread;

use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{Facts, PreparedCollateral, TrustAnchor, Verifier, VerifyError, crypto};

use crate::samples::{self, Sample, verifier};

/// Verdict, errors and facts: all that a verification says.
type Said = (Option<VerifyError>, Vec<VerifyError>, Facts);

/// S51.
#[test]
fn prepared_collateral_and_one_shot_say_the_same() {
    for sample in samples::all() {
        let prepared = verifier().prepare(&sample.collateral()).unwrap();
        for now in moments(&sample) {
            for quote in quotes(&sample) {
                let quote = Quote::parse(&quote).unwrap();
                let one_shot = said(verifier().verify(&quote, &sample.collateral(), now));
                assert_eq!(one_shot, said(prepared.verify(&quote, now)), "{} {now}", sample.name);
            }
        }
    }
}

/// S51.
#[test]
fn both_providers_say_the_same() {
    let portable = Verifier::new(TrustAnchor::intel(), crypto::rust_crypto());
    for sample in samples::all() {
        for quote in quotes(&sample) {
            let (quote, collateral) = (Quote::parse(&quote).unwrap(), sample.collateral());
            let native = said(verifier().verify(&quote, &collateral, sample.now));
            let portable = said(portable.verify(&quote, &collateral, sample.now));
            assert_eq!(native, portable, "{}", sample.name);
        }
    }
}

/// A collateral that cannot be prepared says why with the checks made so far, as the one-shot call does.
#[test]
fn what_cannot_be_prepared_is_refused_alike_in_one_go() {
    let sample = samples::tdx();
    let mut collateral = sample.collateral();
    collateral.pck_crl = samples::sgx().collateral().pck_crl;
    let prepare = verifier().prepare(&collateral).unwrap_err();
    let failure = verifier().verify(&sample.parsed(), &collateral, sample.now).unwrap_err();
    assert_eq!((failure.error(), &failure.facts().checks), (&prepare.error, &prepare.checks));
    assert!(!prepare.checks.last().unwrap().passed);
}

#[test]
fn prepared_collateral_serves_several_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<PreparedCollateral>();
    shareable::<Verifier>();

    let sample = samples::tdx();
    let prepared = verifier().prepare(&sample.collateral()).unwrap();
    let alone = said(prepared.verify(&sample.parsed(), sample.now));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(said(prepared.verify(&sample.parsed(), sample.now)), alone);
                }
            });
        }
    });
}

/// S21. A verifier remembers nothing: what one collateral or quote was like says nothing about the next.
#[test]
fn verdicts_do_not_depend_on_what_was_verified_before() {
    let verifier = verifier();
    let samples = samples::all();
    let run = |order: &mut dyn Iterator<Item = &Sample>| -> Vec<(&'static str, Said)> {
        let mut said: Vec<_> = order
            .map(|it| (it.name, said(verifier.verify(&it.parsed(), &it.collateral(), it.now))))
            .collect();
        said.sort_by_key(|(name, _)| *name);
        said
    };
    assert_eq!(run(&mut samples.iter()), run(&mut samples.iter().rev()));
}

fn said(verdict: Result<tdattest_verifier::VerifiedQuote, tdattest_verifier::Failure>) -> Said {
    match verdict {
        Ok(verified) => (None, vec![], verified.facts().clone()),
        Err(failure) => {
            (Some(failure.error().clone()), failure.others().to_vec(), failure.facts().clone())
        }
    }
}

/// Inside all windows, before them, after them.
fn moments(sample: &Sample) -> [UnixTime; 3] {
    [sample.now, "2018-01-01T00:00:00Z".parse().unwrap(), UnixTime::MAX]
}

/// The quote as it is, and with a flipped bit where each of its signatures or hashes notices.
fn quotes(sample: &Sample) -> Vec<Vec<u8>> {
    let body = sample.parsed().signed_bytes().len();
    let flipped = [body - 1, body + 4, body + 4 + 64, body + 4 + 128 + 6 + 100].map(|at| {
        let mut quote = sample.quote.clone();
        quote[at] ^= 1;
        quote
    });
    [&[sample.quote.clone()][..], &flipped].concat()
}
