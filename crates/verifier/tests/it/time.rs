//! The edges of every window: certificates, CRLs, TCB info, QE identity, all judged by one `now`.

use tdattest_verifier::error::{Artefact, ChainFault, CrlFault, DocumentFault, Position};
use tdattest_verifier::verified::Window;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{CLOCK_SKEW_S, Facts, PreparedCollateral, VerifyError};

use crate::samples::{self, Sample, verifier};

/// S19, S22.
#[test]
fn every_window_begins_at_its_first_second() {
    for_each_window(0, |judge, window| {
        let first = window.not_before;
        assert!(!judge.errors(first).contains(&too_early(window, first)), "{window:?}");
        let before = second_before(first);
        assert!(judge.errors(before).contains(&too_early(window, before)), "{window:?}");
    });
}

/// S19, S22.
#[test]
fn every_window_ends_after_its_last_second() {
    for_each_window(0, |judge, window| {
        let last = window.not_after;
        assert!(!judge.errors(last).contains(&too_late(window, last)), "{window:?}");
        let after = last.saturating_add(1);
        assert!(judge.errors(after).contains(&too_late(window, after)), "{window:?}");
    });
}

/// A clock may lag behind Intel's by the allowance; no CRL has one, as in Intel's library.
#[test]
fn the_clock_skew_is_for_beginnings_but_not_for_those_of_crls() {
    for_each_window(CLOCK_SKEW_S, |judge, window| {
        let is_crl = matches!(window.artefact, Artefact::RootCaCrl | Artefact::PckCrl);
        let skew = if is_crl { 0 } else { CLOCK_SKEW_S };
        let first = UnixTime::from_secs(window.not_before.as_secs() - skew).unwrap();
        assert!(!judge.errors(first).contains(&too_early(window, first)), "{window:?}");
        let before = second_before(first);
        assert!(judge.errors(before).contains(&too_early(window, before)), "{window:?}");
    });
}

#[test]
fn the_clock_skew_prolongs_no_window() {
    for_each_window(CLOCK_SKEW_S, |judge, window| {
        let after = window.not_after.saturating_add(1);
        assert!(judge.errors(after).contains(&too_late(window, after)), "{window:?}");
    });
}

/// S22.
#[test]
fn a_quote_is_accepted_from_the_latest_beginning_to_the_earliest_end() {
    for sample in samples::verifiable() {
        let judge = Judge::new(&sample, 0);
        let windows = sample.verified().facts().windows.clone();
        let begin = windows.iter().map(|window| window.not_before).max().unwrap();
        let end = windows.iter().map(|window| window.not_after).min().unwrap();
        assert_eq!(sample.verified().facts().valid_until(), Some(end));
        assert_eq!(judge.errors(begin), [], "{}", sample.name);
        assert_eq!(judge.errors(end), [], "{}", sample.name);
        assert!(!judge.errors(second_before(begin)).is_empty(), "{}", sample.name);
        assert!(!judge.errors(end.saturating_add(1)).is_empty(), "{}", sample.name);
    }
}

/// S19: each item expired is reported, and no other.
#[test]
fn only_what_has_expired_is_reported_as_expired() {
    for_each_window(0, |judge, window| {
        let now = window.not_after.saturating_add(1);
        let expired = judge.facts(now).windows.into_iter().filter(|it| it.not_after < now);
        let expected: Vec<_> = expired.map(|window| too_late(&window, now)).collect();
        assert_eq!(judge.errors(now), expected, "{window:?}");
    });
}

/// S45. Dates stop nothing: the TCB status and every check are there, so that an operator sees what else is wrong.
#[test]
fn facts_are_complete_although_everything_has_expired_or_not_begun() {
    for sample in samples::verifiable() {
        let (judge, on_time) = (Judge::new(&sample, 0), sample.verified());
        for now in [UnixTime::from_secs(0).unwrap(), UnixTime::MAX] {
            let facts = judge.facts(now);
            assert_eq!(facts.evaluation(), Some(on_time.tcb()), "{} {now}", sample.name);
            assert_eq!(facts.pck, on_time.facts().pck);
            assert_eq!(facts.windows, on_time.facts().windows);
            let codes = |facts: &Facts| -> Vec<_> {
                facts.checks.iter().map(|check| (check.code, check.subject)).collect()
            };
            assert_eq!(codes(&facts), codes(on_time.facts()));
            assert_eq!(judge.errors(now).len(), facts.windows.len());
        }
    }
}

/// S45. What leaves nothing to rely on decides, and the expiry is still told.
#[test]
fn a_bad_signature_decides_over_an_expiry() {
    let mut sample = samples::tdx();
    let report_data = 48 + 520;
    sample.quote[report_data] ^= 1;
    let prepared = verifier().prepare(&sample.collateral()).unwrap();
    let failure = prepared.verify(&sample.parsed(), UnixTime::MAX).unwrap_err();
    assert_eq!(failure.error(), &VerifyError::QuoteSignature);
    let windows = failure.facts().windows.iter();
    let expired: Vec<_> = windows.map(|window| too_late(window, UnixTime::MAX)).collect();
    assert_eq!(failure.others(), expired);
    assert_eq!(failure.facts().tcb_status(), None);
}

/// A quote with its prepared collateral, asked at different times.
struct Judge<'s> {
    sample: &'s Sample,
    prepared: PreparedCollateral,
}

impl<'s> Judge<'s> {
    fn new(sample: &'s Sample, clock_skew_s: u64) -> Self {
        let verifier = verifier().with_clock_skew_s(clock_skew_s);
        Self { sample, prepared: verifier.prepare(&sample.collateral()).unwrap() }
    }

    /// Every error, the deciding one first.
    fn errors(&self, now: UnixTime) -> Vec<VerifyError> {
        match self.prepared.verify(&self.sample.parsed(), now) {
            Ok(_) => vec![],
            Err(failure) => [&[failure.error().clone()], failure.others()].concat(),
        }
    }

    fn facts(&self, now: UnixTime) -> Facts {
        let verdict = self.prepared.verify(&self.sample.parsed(), now);
        verdict.map_or_else(|failure| failure.facts().clone(), |verified| verified.facts().clone())
    }
}

/// Runs `test` on each window of each sample.
fn for_each_window(clock_skew_s: u64, test: impl Fn(&Judge<'_>, &Window)) {
    for sample in samples::verifiable() {
        let judge = Judge::new(&sample, clock_skew_s);
        let windows = sample.verified().facts().windows.clone();
        // Four chains of 3 + 2 + 2 + 2 certificates, two CRLs, two documents.
        assert_eq!(windows.len(), 13, "{}", sample.name);
        windows.iter().for_each(|window| test(&judge, window));
    }
}

fn second_before(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.as_secs() - 1).unwrap()
}

fn too_early(window: &Window, now: UnixTime) -> VerifyError {
    let begin = window.not_before;
    match window.artefact {
        crl @ (Artefact::RootCaCrl | Artefact::PckCrl) => {
            VerifyError::Crl { crl, fault: CrlFault::NotYetValid { this_update: begin, now } }
        }
        document @ (Artefact::TcbInfo | Artefact::QeIdentity) => {
            let fault = DocumentFault::NotYetIssued { issue_date: begin, now };
            VerifyError::Document { document, fault }
        }
        chain => {
            let position = position(window);
            let fault = ChainFault::NotYetValid { position, not_before: begin, now };
            VerifyError::Chain { chain, fault }
        }
    }
}

fn too_late(window: &Window, now: UnixTime) -> VerifyError {
    let end = window.not_after;
    match window.artefact {
        crl @ (Artefact::RootCaCrl | Artefact::PckCrl) => {
            VerifyError::Crl { crl, fault: CrlFault::Expired { next_update: end, now } }
        }
        document @ (Artefact::TcbInfo | Artefact::QeIdentity) => {
            let fault = DocumentFault::Expired { next_update: end, now };
            VerifyError::Document { document, fault }
        }
        chain => {
            let position = position(window);
            let fault = ChainFault::Expired { position, not_after: end, now };
            VerifyError::Chain { chain, fault }
        }
    }
}

fn position(window: &Window) -> Position {
    let all = [Position::Root, Position::PckCa, Position::Pck, Position::TcbSigning];
    all.into_iter().find(|position| position.name() == window.item).unwrap()
}
