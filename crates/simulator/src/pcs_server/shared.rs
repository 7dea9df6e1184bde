//! What the server's thread shares with whoever holds the server: platform, clock, failures, and the log of requests.
//!
//! Must stay true: a request is in the log before its answer is on its way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tdattest_wire::time::UnixTime;

use super::answer::{Answer, Refusal};
use super::api::{answer, lying_answer};
use super::failure::{Failure, Rules};
use super::request::{Endpoint, Operation, Request};
use crate::platform::Platform;

/// Where the server has the time from.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Who is told of every request.
pub type Observer = Arc<dyn Fn(&Served) + Send + Sync>;

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it was for; `None` for a path that the PCS does not have.
    pub endpoint: Option<Endpoint>,
    /// The status of the answer.
    pub status: u16,
    /// Why it was refused.
    pub refusal: Option<String>,
    /// The failure that was set for it.
    pub failure: Option<Failure>,
}

/// What goes out for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// Bytes of the body that are sent: fewer than there are if the answer is cut off.
    pub(super) sent: usize,
    pub(super) delay: Duration,
}

/// Most requests that the log keeps; the oldest go first. A test makes some hundreds.
const LOGGED: usize = 4_096;

/// Everything that can change while the server runs.
pub(super) struct Shared {
    platform: Mutex<Arc<Platform>>,
    clock: Mutex<Clock>,
    rules: Mutex<Rules>,
    log: Mutex<Log>,
    observer: Mutex<Option<Observer>>,
}

#[derive(Default)]
struct Log {
    total: u64,
    counts: BTreeMap<Endpoint, u64>,
    latest: VecDeque<Served>,
}

impl Shared {
    pub(super) fn new(platform: Platform, clock: Clock) -> Self {
        Self {
            platform: Mutex::new(Arc::new(platform)),
            clock: Mutex::new(clock),
            rules: Mutex::default(),
            log: Mutex::default(),
            observer: Mutex::default(),
        }
    }

    pub(super) fn set_platform(&self, platform: Platform) {
        *lock(&self.platform) = Arc::new(platform);
    }

    pub(super) fn set_clock(&self, clock: Clock) {
        *lock(&self.clock) = clock;
    }

    pub(super) fn set_observer(&self, observer: Observer) {
        *lock(&self.observer) = Some(observer);
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.rules)
    }

    pub(super) fn requests(&self) -> Vec<Served> {
        lock(&self.log).latest.iter().cloned().collect()
    }

    pub(super) fn count(&self, endpoint: Endpoint) -> u64 {
        lock(&self.log).counts.get(&endpoint).copied().unwrap_or_default()
    }

    /// Answers a request, as truthfully as the failures allow.
    pub(super) fn reply(&self, mut request: Request) -> Reply {
        request.number = self.next_number();
        let endpoint = endpoint(&request);
        let told = Told::new(&lock(&self.platform), &lock(&self.clock), &request);
        let failure = self.rules().next(endpoint, |failure| told.differs(failure));
        let answer = told.with(failure);
        self.record(&request, &answer, failure);
        let whole = answer.body.len();
        let sent = match failure {
            // One byte at least is kept back, or nothing would be cut off.
            Some(Failure::CutOff { after }) => after.min(whole.saturating_sub(1)),
            _ => whole,
        };
        let delay = match failure {
            Some(Failure::Slow(delay)) => delay,
            _ => Duration::ZERO,
        };
        Reply { answer, sent, delay }
    }

    /// Refuses a request that did not arrive whole.
    pub(super) fn refuse(&self, mut request: Request, refusal: Refusal) -> Reply {
        request.number = self.next_number();
        let answer = Answer::from(refusal).with_request_id(request.number);
        self.record(&request, &answer, None);
        Reply { answer, sent: 0, delay: Duration::ZERO }
    }

    fn next_number(&self) -> u64 {
        let mut log = lock(&self.log);
        log.total = log.total.saturating_add(1);
        log.total
    }

    fn record(&self, request: &Request, answer: &Answer, failure: Option<Failure>) {
        let endpoint = endpoint(request);
        let path = match request.query.as_str() {
            "" => request.path.clone(),
            query => format!("{}?{query}", request.path),
        };
        let (method, status) = (request.method.clone(), answer.status);
        let refusal = answer.refusal.clone();
        let mut log = lock(&self.log);
        if let Some(endpoint) = endpoint {
            let count = log.counts.entry(endpoint).or_default();
            *count = count.saturating_add(1);
        }
        if log.latest.len() == LOGGED {
            log.latest.pop_front();
        }
        let served = Served { method, path, endpoint, status, refusal, failure };
        log.latest.push_back(served.clone());
        drop(log);
        let observer = lock(&self.observer).clone();
        if let Some(observer) = observer {
            observer(&served);
        }
    }
}

/// What can be told in answer to one request.
struct Told<'r> {
    platform: Arc<Platform>,
    now: UnixTime,
    request: &'r Request,
    truth: Answer,
}

impl<'r> Told<'r> {
    fn new(platform: &Arc<Platform>, clock: &Clock, request: &'r Request) -> Self {
        let now = clock();
        let truth = answer(platform, now, request);
        Self { platform: Arc::clone(platform), now, request, truth }
    }

    /// Whether a failure changes anything about the answer: a lie about what is not in it changes nothing, and from an
    /// empty body nothing can be cut.
    fn differs(&self, failure: Failure) -> bool {
        match failure {
            Failure::Lie(_) => self.with(Some(failure)) != self.truth,
            Failure::CutOff { .. } => !self.truth.body.is_empty(),
            Failure::Status { .. } | Failure::Slow(_) => true,
        }
    }

    fn with(&self, failure: Option<Failure>) -> Answer {
        match failure {
            Some(Failure::Status { status, retry_after }) => {
                failed(self.request, status, retry_after)
            }
            Some(Failure::Lie(fault)) => {
                lying_answer(&self.platform, self.now, self.request, fault)
            }
            Some(Failure::Slow(_) | Failure::CutOff { .. }) | None => self.truth.clone(),
        }
    }
}

fn endpoint(request: &Request) -> Option<Endpoint> {
    Operation::of(&request.method, &request.path).map(Operation::endpoint)
}

/// A status out of the blue. Intel gives no id to a request that is one too many.
fn failed(request: &Request, status: u16, retry_after: Option<u32>) -> Answer {
    let answer = Answer::empty(status);
    // Nor does the host of the root CA's CRL, which is another.
    let unnumbered = status == 429 || endpoint(request) == Some(Endpoint::RootCaCrl);
    let answer = if unnumbered { answer } else { answer.with_request_id(request.number) };
    match retry_after {
        Some(seconds) => answer.with("Retry-After", seconds.to_string()),
        None => answer,
    }
}

/// Nothing here is left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn shared() -> Shared {
        let at: UnixTime = "2026-11-01T00:00:00Z".parse().unwrap();
        Shared::new(Platform::new(Seed::of("shared")), Arc::new(move || at))
    }

    fn get(path: &str) -> Request {
        Request::get(path)
    }

    #[test]
    fn keeps_back_a_byte_of_an_answer_that_is_cut_off_beyond_its_end() {
        let shared = shared();
        let whole = shared.reply(get("/IntelSGXRootCA.der"));
        assert_eq!(whole.sent, whole.answer.body.len());
        for (after, sent) in [(0, 0), (7, 7), (usize::MAX, whole.sent - 1)] {
            shared.rules().add(format!("all=cut-off:{after},times=1").parse().unwrap());
            let cut = shared.reply(get("/IntelSGXRootCA.der"));
            assert_eq!((cut.sent, cut.answer), (sent, whole.answer.clone()));
        }
    }

    #[test]
    fn numbers_requests_but_those_that_are_one_too_many() {
        let shared = shared();
        let path = "/sgx/certification/v4/fmspcs";
        let id = |number: u64| Some(format!("{number:032x}"));
        let first = shared.reply(get(path)).answer;
        assert_eq!(first.header("Request-ID"), id(1).as_deref());
        shared.rules().add("all=429:retry-after=7,times=1".parse().unwrap());
        let refused = shared.reply(get(path)).answer;
        assert_eq!(
            (refused.header("Request-ID"), refused.header("retry-after")),
            (None, Some("7"))
        );
        shared.rules().add("all=503".parse().unwrap());
        assert_eq!(shared.reply(get(path)).answer.header("Request-ID"), id(3).as_deref());
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_are_not() {
        let shared = shared();
        shared.rules().add("all=503".parse().unwrap());
        let path = "/sgx/certification/v4/fmspcs";
        for _ in 0..=LOGGED {
            shared.reply(get(path));
        }
        assert_eq!(shared.requests().len(), LOGGED);
        assert_eq!(shared.count(Endpoint::Fmspcs), LOGGED as u64 + 1);
    }
}
