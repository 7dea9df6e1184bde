//! When is a newer document wanted? Ahead of the end of the one that is kept, and not by everybody at once.

use sha2::{Digest, Sha256};
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use super::Cached;

/// How long before its end a document is fetched again at the earliest: ten days, or a third of a shorter life. Intel's
/// documents live for thirty.
pub const LEAD_S: u64 = 10 * 24 * 60 * 60;

/// How old a document is at least when it is fetched again: Intel serves one CRL for most of its life.
const AGE_S: u64 = 60 * 60;

/// For how long a source that failed is left alone while there is something to serve.
const PAUSE_S: u64 = 60;

/// Whether a newer document is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The kept one is current.
    Nothing,
    /// The kept one ends before long.
    Soon,
    /// The kept one has ended, or there is none.
    Now,
}

pub(super) fn need(held: &Cached, now: UnixTime) -> Need {
    let ends = held.validity.ends();
    if ends < now {
        return Need::Now;
    }
    let remaining = ends.as_secs().saturating_sub(now.as_secs());
    let life = ends.as_secs().saturating_sub(held.validity.issued.as_secs());
    let lead = lead_s(&held.endorsement.request, life);
    // A document from the future came under another clock, which says nothing of its age.
    let age = now.as_secs().checked_sub(held.fetched_at.as_secs()).unwrap_or(AGE_S);
    if remaining < lead && age >= AGE_S { Need::Soon } else { Need::Nothing }
}

/// The same just after the source failed.
pub(super) fn need_after_failure(held: &Cached, now: UnixTime) -> Need {
    match need(held, now) {
        Need::Now => Need::Now,
        Need::Soon | Need::Nothing => Need::Nothing,
    }
}

/// Whether a failure is so fresh that the source is left alone.
pub(super) fn is_lately(failed_at: UnixTime, now: UnixTime) -> bool {
    now.as_secs().checked_sub(failed_at.as_secs()).is_some_and(|age| age < PAUSE_S)
}

/// Up to a quarter less than the whole lead, always the same for a document: documents that came together are not due
/// together.
fn lead_s(request: &PcsRequest, life: u64) -> u64 {
    let lead = LEAD_S.min(life / 3);
    let digest: [u8; 32] = Sha256::digest(request.path()).into();
    let [first, second, ..] = digest;
    let jitter = u64::from(u16::from_be_bytes([first, second]));
    lead.saturating_sub(lead.saturating_mul(jitter) / (4 * 65_536))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tdattest_wire::endorsement::{Endorsement, Validity};
    use tdattest_wire::pcs::{EvaluationDataSet, PckCa};
    use tdattest_wire::quote::TeeType;

    use super::super::Origin;
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn day(days: u64) -> UnixTime {
        UnixTime::from_secs(days * DAY).unwrap()
    }

    /// A document of thirty days, fetched on its first.
    fn held() -> Cached {
        let request = PcsRequest::RootCaCrl;
        Cached {
            endorsement: Endorsement { request, body: vec![], issuer_chain: vec![] },
            validity: Validity {
                issued: day(0),
                next_update: day(30),
                chain_ends: day(1000),
                evaluation_data_number: None,
            },
            fetched_at: day(0),
            origin: Origin::Cache,
        }
    }

    #[test]
    fn a_newer_one_is_wanted_ahead_of_the_end_and_at_the_end_at_once() {
        assert_eq!(need(&held(), day(19)), Need::Nothing);
        assert_eq!(need(&held(), day(23)), Need::Soon);
        assert_eq!(need(&held(), day(30)), Need::Soon);
        assert_eq!(need(&held(), day(30).saturating_add(1)), Need::Now);
    }

    #[test]
    fn the_end_of_the_chain_ends_the_document() {
        let mut held = held();
        held.validity.chain_ends = day(15);
        assert_eq!(need(&held, day(14)), Need::Soon);
        assert_eq!(need(&held, day(16)), Need::Now);
    }

    #[test]
    fn one_that_just_came_is_not_asked_for_again() {
        let mut held = held();
        held.fetched_at = day(23);
        assert_eq!(need(&held, day(23).saturating_add(AGE_S - 1)), Need::Nothing);
        assert_eq!(need(&held, day(23).saturating_add(AGE_S)), Need::Soon);
        assert_eq!(need(&held, day(31)), Need::Now);
    }

    #[test]
    fn a_source_that_failed_is_left_alone_for_a_minute_unless_nothing_can_be_served() {
        assert!(is_lately(day(1), day(1).saturating_add(PAUSE_S - 1)));
        assert!(!is_lately(day(1), day(1).saturating_add(PAUSE_S)));
        assert_eq!(need_after_failure(&held(), day(29)), Need::Nothing);
        assert_eq!(need_after_failure(&held(), day(31)), Need::Now);
    }

    #[test]
    fn leads_differ_between_documents_by_up_to_a_quarter_and_never_change() {
        let fmspc = "00806f050000".parse().unwrap();
        let requests = [
            PcsRequest::RootCaCrl,
            PcsRequest::PckCrl(PckCa::Platform),
            PcsRequest::TcbInfo(TeeType::Tdx, fmspc, EvaluationDataSet::Standard),
            PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Standard),
        ];
        let leads: BTreeSet<u64> = requests.iter().map(|of| lead_s(of, 30 * DAY)).collect();
        assert_eq!(leads.len(), requests.len());
        assert!(leads.iter().all(|lead| (LEAD_S * 3 / 4..=LEAD_S).contains(lead)), "{leads:?}");
        assert!(lead_s(&requests[0], 3 * DAY) <= DAY);
    }
}
