//! The contestants, and the rounds they run in.

use std::hint::black_box;

use anyhow::{Context, Result, bail, ensure};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::quote::Quote as TheirQuote;
use dcap_qvl::verify::{VerifiedReport, ring};
use tdattest_verifier::crypto::{self, Crypto};
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::{Failure, TrustAnchor, VerifiedQuote, Verifier, VerifyError};

use crate::cpu_time;
use crate::samples::Sample;

/// What is measured; `ours` and `theirs` of one name are compared.
pub(crate) struct Contestant<'s> {
    pub(crate) name: &'static str,
    work: Box<dyn Fn() + 's>,
}

/// Microseconds of every round, by contestant.
pub(crate) struct Outcome {
    pub(crate) sample: &'static str,
    pub(crate) times: Vec<(&'static str, Vec<f64>)>,
}

impl Outcome {
    fn rounds(&self, name: &str) -> &[f64] {
        self.times.iter().find(|(other, _)| *other == name).map_or(&[], |(_, rounds)| rounds)
    }

    /// The median time of a contestant.
    pub(crate) fn median(&self, name: &str) -> f64 {
        median(self.rounds(name).to_vec())
    }

    /// The median over the rounds of one contestant's time divided by another's.
    pub(crate) fn ratio(&self, name: &str, other: &str) -> f64 {
        let pairs = self.rounds(name).iter().zip(self.rounds(other));
        median(pairs.map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs all contestants in turn, `rounds` times over.
pub(crate) fn run(sample: &Sample, rounds: usize, runs: usize) -> Result<Outcome> {
    let contestants = contestants(sample)?;
    for contestant in &contestants {
        (contestant.work)();
    }
    let mut times: Vec<(&'static str, Vec<f64>)> =
        contestants.iter().map(|contestant| (contestant.name, Vec::new())).collect();
    for _ in 0..rounds {
        for (contestant, (_, times)) in contestants.iter().zip(&mut times) {
            times.push(cpu_time::of(runs, &contestant.work));
        }
    }
    Ok(Outcome { sample: sample.name, times })
}

/// Runs one contestant over and over.
pub(crate) fn profile(sample: &Sample, name: &str, runs: usize) -> Result<()> {
    let contestants = contestants(sample)?;
    let contestant = contestants.iter().find(|contestant| contestant.name == name);
    let contestant = contestant.with_context(|| format!("no contestant `{name}`"))?;
    (0..runs).for_each(|_| (contestant.work)());
    Ok(())
}

fn contestants(sample: &Sample) -> Result<Vec<Contestant<'_>>> {
    let mut contestants = verifications(sample)?;
    contestants.extend(parts(sample)?);
    Ok(contestants)
}

/// Bytes in, verdict out, by both verifiers.
fn verifications(sample: &Sample) -> Result<Vec<Contestant<'_>>> {
    let Sample { quote, bundle, ours, theirs, now, .. } = sample;
    let (native, portable) = (verifier(crypto::aws_lc()), verifier(crypto::rust_crypto()));
    let one_shot = move |verifier: &Verifier, collateral: &Collateral| {
        let quote = Quote::parse(quote).expect("the sample parses");
        verifier.verify(&quote, collateral, *now)
    };
    let other = move |collateral: &QuoteCollateralV3| {
        ring::verify(black_box(quote), collateral, now.as_secs())
    };
    require_same_verdict(one_shot(&native, ours), other(theirs))?;

    let native_again = native.clone();
    Ok(vec![
        contestant("verify, ours", move || {
            let _ = black_box(one_shot(&native, black_box(ours)));
        }),
        contestant("verify, theirs", move || {
            let _ = black_box(other(black_box(theirs)));
        }),
        contestant("from JSON, ours", move || {
            let collateral = Collateral::from_bundle(black_box(bundle));
            let _ = black_box(one_shot(&native_again, &collateral.expect("the sample parses")));
        }),
        contestant("from JSON, theirs", move || {
            let collateral = serde_json::from_slice(black_box(bundle)).expect("the sample parses");
            let _ = black_box(other(&collateral));
        }),
        contestant("verify, ours, pure Rust", move || {
            let _ = black_box(one_shot(&portable, black_box(ours)));
        }),
    ])
}

/// Verdicts that differ would make the comparison one of different work. Both refuse one sample,
/// whose platform reaches no TCB level, after every signature has been checked.
fn require_same_verdict(
    ours: Result<VerifiedQuote, Failure>,
    theirs: Result<VerifiedReport>,
) -> Result<()> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let ours = ours.tcb().status.name();
            ensure!(ours == theirs.status, "we say {ours}, they say {}", theirs.status);
        }
        (Err(ours), Err(_)) => {
            let late = matches!(ours.error(), VerifyError::TcbNotSupported(_));
            ensure!(late, "the sample is refused early: {ours}");
        }
        (Err(ours), Ok(_)) => bail!("we refuse it ({ours}), they accept it"),
        (Ok(_), Err(theirs)) => bail!("we accept it, they refuse it ({theirs:#})"),
    }
    Ok(())
}

/// What a verification is made of.
fn parts(sample: &Sample) -> Result<Vec<Contestant<'_>>> {
    let Sample { quote, bundle, ours, now, .. } = sample;
    let verifier = verifier(crypto::aws_lc());
    let prepared = verifier.prepare(ours)?;
    let parsed = Quote::parse(quote)?;
    let (signed, signature) = (parsed.signed_bytes(), parsed.signature().quote_signature.0);
    let mut point = [4; 65];
    point[1..].copy_from_slice(&parsed.signature().attestation_key.0);
    let key = crypto::aws_lc().verifying_key(&point).context("the attestation key is no point")?;
    ensure!(key.verify_fixed(signed, &signature), "the raw signature is bad");
    let ring = ring::backend();
    let ring_signature = (ring.encode_ecdsa)(&signature)?;
    Ok(vec![
        contestant("prepare", move || {
            black_box(verifier.prepare(black_box(ours)).expect("the sample prepares"));
        }),
        contestant("prepared verify", move || {
            let quote = Quote::parse(black_box(quote)).expect("the sample parses");
            let _ = black_box(prepared.verify(&quote, *now));
        }),
        contestant("parse, ours", move || {
            black_box(Quote::parse(black_box(quote)).expect("the sample parses"));
        }),
        contestant("parse, theirs", move || {
            black_box(TheirQuote::parse(black_box(quote)).expect("the sample parses"));
        }),
        contestant("from_bundle", move || {
            black_box(Collateral::from_bundle(black_box(bundle)).expect("the sample parses"));
        }),
        contestant("one ECDSA", move || {
            assert!(key.verify_fixed(black_box(signed), black_box(&signature)));
        }),
        contestant("one ECDSA, theirs", move || {
            let (signed, signature) = (black_box(signed), black_box(&ring_signature));
            let verdict = ring.sig_algo.verify_signature(&point, signed, signature);
            verdict.expect("the sample verifies");
        }),
    ])
}

fn verifier(crypto: &'static dyn Crypto) -> Verifier {
    Verifier::new(TrustAnchor::intel(), crypto)
}

fn contestant<'s>(name: &'static str, work: impl Fn() + 's) -> Contestant<'s> {
    Contestant { name, work: Box::new(work) }
}
