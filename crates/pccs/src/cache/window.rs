//! Until when an answer is good, when a newer one is due, and what a client is told of it.
//!
//! Source: RFC 9111, "Freshness"; RFC 7234, "Warning", whose codes clients know.
//! Must stay true: a document is due well before its end, and not all documents at once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use hyper::header::{AGE, HeaderValue};
use tdattest_wire::endorsement::Validity;
use tdattest_wire::time::UnixTime;

use crate::answer::Answer;
use crate::store::DocumentState;

/// What part of the lead goes by before a document that is due, and no newer, is fetched again.
const AGAIN_AFTER: u32 = 16;

/// When an answer was fetched, when it should have been fetched anew, and its last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) fetched_at: UnixTime,
    pub(crate) overdue_at: UnixTime,
    pub(crate) ends: UnixTime,
}

impl Window {
    pub(crate) fn new(validity: &Validity, fetched_at: UnixTime, lead: Duration) -> Self {
        let ends = validity.ends();
        // Half of the time there was for a refresh has gone by.
        let overdue_at = earlier(ends, lead_of(validity, lead) / 2);
        Self { fetched_at, overdue_at, ends }
    }

    /// Marks an answer that is older than it should be.
    pub(crate) fn mark(&self, answer: &mut Answer, now: UnixTime) {
        if now <= self.overdue_at {
            return;
        }
        let age = now.as_secs().saturating_sub(self.fetched_at.as_secs());
        answer.headers.insert(AGE, HeaderValue::from(age));
        if now > self.ends {
            answer.warn(110, &format!("this answer is stale: it ended at {}", self.ends));
        } else {
            answer.warn(111, &format!("it could not be fetched anew; it ends at {}", self.ends));
        }
    }
}

/// When a document is to be fetched anew. One that the upstream has sent again as it was is not asked for every time.
pub(crate) fn due_at(kept: &DocumentState, lead: Duration, jitter: Duration) -> UnixTime {
    let DocumentState { request, validity, fetched_at } = kept;
    let lead = lead_of(validity, lead);
    // A share of its own for each document, the same at every replica and every start.
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    let jitter = jitter.min(lead).as_secs();
    let share = hasher.finish().checked_rem(jitter.saturating_add(1)).unwrap_or_default();
    let due = earlier(validity.ends(), lead.saturating_add(Duration::from_secs(share)));
    // What has ended is due whenever it was fetched: the clock may have been ahead then.
    let again = fetched_at.saturating_add((lead / AGAIN_AFTER).as_secs());
    due.max(again).min(validity.ends())
}

/// How long before its end a document is due: at the most a quarter of its life.
fn lead_of(validity: &Validity, lead: Duration) -> Duration {
    let life = validity.ends().as_secs().saturating_sub(validity.issued.as_secs());
    lead.min(Duration::from_secs(life / 4))
}

fn earlier(time: UnixTime, by: Duration) -> UnixTime {
    UnixTime::from_secs(time.as_secs().saturating_sub(by.as_secs())).unwrap_or(UnixTime::EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::WARNING;
    use tdattest_wire::pcs::{PckCa, PcsRequest};

    const DAY: u64 = 24 * 3600;
    const LEAD: Duration = Duration::from_secs(7 * DAY);

    fn day(day: u64) -> UnixTime {
        UnixTime::from_secs(day * DAY).unwrap()
    }

    fn validity() -> Validity {
        Validity {
            issued: day(100),
            next_update: day(130),
            chain_ends: day(1000),
            evaluation_data_number: None,
        }
    }

    fn state(request: PcsRequest, validity: Validity) -> DocumentState {
        DocumentState { request, validity, fetched_at: validity.issued }
    }

    #[test]
    fn a_document_that_came_again_as_it_was_is_not_due_at_once() {
        let due = |fetched_at| {
            let kept = state(PcsRequest::RootCaCrl, validity());
            due_at(&DocumentState { fetched_at, ..kept }, LEAD, Duration::ZERO)
        };
        let again = LEAD.as_secs() / 16;
        assert_eq!(due(day(101)), day(123));
        assert_eq!(due(day(124)), day(124).saturating_add(again));
        // It comes no later than its end.
        assert_eq!(due(day(130)), day(130));
        assert_eq!(due(day(500)), day(130));
    }

    #[test]
    fn a_document_is_due_within_its_jitter_before_the_lead() {
        let due = |ca, jitter| due_at(&state(PcsRequest::PckCrl(ca), validity()), LEAD, jitter);
        assert_eq!(due(PckCa::Platform, Duration::ZERO), day(123));
        let jittered = due(PckCa::Platform, Duration::from_secs(DAY));
        assert!(day(122) <= jittered && jittered <= day(123), "{jittered}");
        assert_ne!(jittered, due(PckCa::Processor, Duration::from_secs(DAY)));
    }

    #[test]
    fn the_lead_is_no_more_than_a_quarter_of_a_life() {
        let short = Validity { next_update: day(104), ..validity() };
        let due = due_at(&state(PcsRequest::RootCaCrl, short), LEAD, Duration::ZERO);
        assert_eq!(due, day(103));
    }

    #[test]
    fn a_chain_that_ends_first_is_what_counts() {
        let chain = Validity { chain_ends: day(110), ..validity() };
        assert_eq!(Window::new(&chain, day(101), LEAD).ends, day(110));
    }

    #[test]
    fn an_answer_is_marked_when_it_is_overdue_and_when_it_is_stale() {
        let window = Window::new(&validity(), day(101), LEAD);
        let marked = |now| {
            let mut answer = Answer::done();
            window.mark(&mut answer, now);
            let text =
                |name| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            (text(AGE), text(WARNING))
        };
        assert_eq!(marked(day(125)), (None, None));
        let (age, warning) = marked(day(128));
        assert_eq!(age, Some((27 * DAY).to_string()));
        assert!(warning.unwrap().starts_with("111 - \""));
        let (_, warning) = marked(day(131));
        assert_eq!(
            warning.unwrap(),
            "110 - \"this answer is stale: it ended at 1970-05-11T00:00:00Z\""
        );
    }
}
