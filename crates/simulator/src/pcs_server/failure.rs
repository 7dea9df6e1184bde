//! Failures of the PCS, settable while it runs: statuses, slowness, answers cut off, lies.

mod parse;

use std::fmt;
use std::time::Duration;

use super::request::{Endpoint, UnknownEndpoint};
use crate::fault::{Broken, Fault, UnknownFault};

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This status and an empty body.
    Status {
        /// 400 to 599.
        status: u16,
        /// Seconds to wait, as `Retry-After` says them.
        retry_after: Option<u32>,
    },
    /// The right answer, this much later.
    Slow(Duration),
    /// The right head, then this many bytes of the body, then the connection ends. At least one byte is kept back.
    CutOff {
        /// Bytes of the body that are sent.
        after: usize,
    },
    /// A document with this fault. Everything that the fault does not break is answered truthfully.
    ///
    /// A revoked certificate needs two answers that agree: set such a lie for all endpoints.
    Lie(Fault),
}

/// Which requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, those for paths that do not exist included.
    All,
    /// Those for this endpoint.
    Only(Endpoint),
}

/// How often requests fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// From now on, until the server recovers.
    #[default]
    Always,
    /// This many times, once or more.
    Exactly(u32),
}

/// Which requests fail, how, and how often.
///
/// As text: `WHICH=FAILURE[,times=N]`. `WHICH` is `all` or the name of an endpoint; `FAILURE` is a status such as `503`
/// or `429:retry-after=7`, `slow:2s`, `cut-off:100` or `lie:tcb-info.signature`.
///
/// ```
/// use tdattest_simulator::pcs_server::{Endpoint, Failure, FailureRule, Times, Which};
///
/// let rule: FailureRule = "tcb=429:retry-after=7,times=2".parse().unwrap();
/// assert_eq!(rule.which(), Which::Only(Endpoint::TcbInfo));
/// assert_eq!(rule.failure(), Failure::Status { status: 429, retry_after: Some(7) });
/// assert_eq!(rule.times(), Times::Exactly(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRule {
    which: Which,
    failure: Failure,
    times: Times,
}

/// Why there can be no such failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureError {
    /// Not of the form.
    #[error("`{0}` is not WHICH=FAILURE[,times=N], such as tcb=503 or all=slow:2s,times=1")]
    Form(String),
    /// No such endpoint.
    #[error(
        "there is no endpoint `{name}`; there are all, {names}",
        name = .0.0, names = Endpoint::names()
    )]
    Endpoint(#[from] UnknownEndpoint),
    /// No such failure.
    #[error(
        "there is no failure `{0}`; there are a status such as 503 or 429:retry-after=7, slow:2s, cut-off:100 and lie:FAULT"
    )]
    Unknown(String),
    /// A status that is none of failure.
    #[error("status {0} is no failure, expected 400 to 599")]
    Status(u16),
    /// Not a number of seconds to retry after.
    #[error("`{0}` is not retry-after=SECONDS, such as retry-after=7")]
    RetryAfter(String),
    /// Not a time to wait.
    #[error("`{0}` is not a time to be slow by, such as 2s or 500ms; {max} s at most", max = LONGEST.as_secs())]
    Duration(String),
    /// Not a number of bytes.
    #[error("`{0}` is not a number of bytes to cut off after")]
    Bytes(String),
    /// Not a number of times.
    #[error("`{0}` is not how many times to fail, expected 1 or more")]
    Times(String),
    /// No such fault.
    #[error(transparent)]
    Fault(#[from] UnknownFault),
    /// A PCS serves no quotes.
    #[error("fault `{0}` breaks the quote; a PCS can lie about collateral alone")]
    BreaksQuote(Fault),
    /// Another endpoint's documents have what the fault breaks.
    #[error("fault `{fault}` is no matter of {endpoint}, but of {teller}")]
    OtherEndpoint {
        /// The fault.
        fault: Fault,
        /// Who was to tell the lie.
        endpoint: Endpoint,
        /// Who can tell it.
        teller: Endpoint,
    },
}

/// The longest that an answer can be late: longer is for ever to any client.
const LONGEST: Duration = Duration::from_secs(3_600);

impl FailureRule {
    /// A rule that can be kept.
    ///
    /// # Errors
    /// When the status is none of failure, the wait too long, the number of times zero, or the lie one that the endpoint
    /// cannot tell.
    pub fn new(which: Which, failure: Failure, times: Times) -> Result<Self, FailureError> {
        match failure {
            Failure::Status { status, .. } if !(400..600).contains(&status) => {
                return Err(FailureError::Status(status));
            }
            Failure::Slow(delay) if delay > LONGEST => {
                return Err(FailureError::Duration(format!("{}s", delay.as_secs())));
            }
            Failure::Lie(fault) => require_teller(which, fault)?,
            _ => {}
        }
        if times == Times::Exactly(0) {
            return Err(FailureError::Times("0".into()));
        }
        Ok(Self { which, failure, times })
    }

    /// Which requests fail.
    pub fn which(&self) -> Which {
        self.which
    }

    /// How they fail.
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// How often.
    pub fn times(&self) -> Times {
        self.times
    }

    fn is_for(&self, endpoint: Option<Endpoint>) -> bool {
        let named = match self.which {
            Which::All => true,
            Which::Only(one) => endpoint == Some(one),
        };
        // A lie is only told, and counted, where the answer has what it is about.
        named
            && match self.failure {
                Failure::Lie(fault) => endpoint.is_some_and(|endpoint| tells(endpoint, fault)),
                _ => true,
            }
    }
}

fn require_teller(which: Which, fault: Fault) -> Result<(), FailureError> {
    let teller = teller(fault).ok_or(FailureError::BreaksQuote(fault))?;
    match which {
        Which::Only(endpoint) if !tells(endpoint, fault) => {
            Err(FailureError::OtherEndpoint { fault, endpoint, teller })
        }
        _ => Ok(()),
    }
}

/// Whether an endpoint's answer has what the fault breaks. The root CA's CRL has a part in every revocation by it.
fn tells(endpoint: Endpoint, fault: Fault) -> bool {
    use crate::fault::ChainFault::Revoked;
    let by_root_ca = matches!(
        fault,
        Fault::PckCrlIssuerChain(Revoked)
            | Fault::TcbInfoIssuerChain(Revoked)
            | Fault::QeIdentityIssuerChain(Revoked)
    );
    teller(fault) == Some(endpoint) || (by_root_ca && endpoint == Endpoint::RootCaCrl)
}

/// The endpoint whose answer the fault breaks; none for a fault of the quote.
fn teller(fault: Fault) -> Option<Endpoint> {
    if fault.breaks() != Broken::Collateral {
        return None;
    }
    match fault {
        // Of all that is wrong with a PCK chain, its revocation alone is collateral.
        Fault::PckCrlIssuerChain(_)
        | Fault::PckCrl(_)
        | Fault::PckCrlOfOtherCa
        | Fault::PckChain(_) => Some(Endpoint::PckCrl),
        Fault::RootCaCrl(_) => Some(Endpoint::RootCaCrl),
        Fault::TcbInfoIssuerChain(_)
        | Fault::TcbInfo(_)
        | Fault::TcbInfoOfOtherTee
        | Fault::Fmspc
        | Fault::PceId
        | Fault::TdxModuleStatus => Some(Endpoint::TcbInfo),
        Fault::QeIdentityIssuerChain(_)
        | Fault::QeIdentity(_)
        | Fault::QeIdentityOfOtherEnclave => Some(Endpoint::QeIdentity),
        _ => None,
    }
}

/// The rules in force. They apply in the order in which they were given, each until it is used up.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<FailureRule>);

impl Rules {
    pub(super) fn add(&mut self, rule: FailureRule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How the next request for an endpoint fails, if it does: by the first rule whose failure makes a difference to the
    /// answer. It counts.
    pub(super) fn next(
        &mut self,
        endpoint: Option<Endpoint>,
        makes_a_difference: impl Fn(Failure) -> bool,
    ) -> Option<Failure> {
        let applies =
            |rule: &FailureRule| rule.is_for(endpoint) && makes_a_difference(rule.failure);
        let position = self.0.iter().position(applies)?;
        let rule = self.0.get_mut(position)?;
        let failure = rule.failure;
        match &mut rule.times {
            Times::Always => {}
            Times::Exactly(1) => drop(self.0.remove(position)),
            Times::Exactly(left) => *left = left.saturating_sub(1),
        }
        Some(failure)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Only(endpoint) => endpoint.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, retry_after: None } => write!(f, "{status}"),
            Self::Status { status, retry_after: Some(seconds) } => {
                write!(f, "{status}:retry-after={seconds}")
            }
            Self::Slow(delay) if delay.subsec_millis() == 0 => {
                write!(f, "slow:{}s", delay.as_secs())
            }
            Self::Slow(delay) => write!(f, "slow:{}ms", delay.as_millis()),
            Self::CutOff { after } => write!(f, "cut-off:{after}"),
            Self::Lie(fault) => write!(f, "lie:{fault}"),
        }
    }
}

impl fmt::Display for FailureRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.which, self.failure)?;
        match self.times {
            Times::Always => Ok(()),
            Times::Exactly(times) => write!(f, ",times={times}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(_: Failure) -> bool {
        true
    }

    fn rule(text: &str) -> FailureRule {
        text.parse().unwrap()
    }

    fn status(status: u16) -> Option<Failure> {
        Some(Failure::Status { status, retry_after: None })
    }

    #[test]
    fn rules_apply_in_their_order_each_until_it_is_used_up() {
        let mut rules = Rules::default();
        rules.add(rule("tcb=503,times=2"));
        rules.add(rule("all=500"));
        let tcb = Some(Endpoint::TcbInfo);
        assert_eq!(rules.next(Some(Endpoint::PckCrl), always), status(500));
        assert_eq!([rules.next(tcb, always), rules.next(tcb, always)], [status(503); 2]);
        assert_eq!([rules.next(tcb, always), rules.next(None, always)], [status(500); 2]);
        rules.clear();
        assert_eq!(rules.next(tcb, always), None);
    }

    #[test]
    fn a_lie_waits_for_the_endpoint_that_can_tell_it() {
        let mut rules = Rules::default();
        rules.add(rule("all=lie:tcb-info.expired,times=1"));
        assert_eq!(rules.next(Some(Endpoint::QeIdentity), always), None);
        assert!(rules.next(Some(Endpoint::TcbInfo), always).is_some());
        assert_eq!(rules.next(Some(Endpoint::TcbInfo), always), None);
    }

    #[test]
    fn every_fault_of_collateral_has_its_endpoint_and_no_fault_of_a_quote_has_one() {
        for fault in Fault::all() {
            let told = teller(fault).is_some();
            assert_eq!(told, fault.breaks() == Broken::Collateral, "{fault}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_kept() {
        let of = |failure, times| FailureRule::new(Which::All, failure, times).unwrap_err();
        for code in [200, 399, 600] {
            let failure = Failure::Status { status: code, retry_after: None };
            assert_eq!(of(failure, Times::Always), FailureError::Status(code));
        }
        let slow = Failure::Slow(Duration::from_secs(3_601));
        assert_eq!(of(slow, Times::Always), FailureError::Duration("3601s".into()));
        let cut = Failure::CutOff { after: 1 };
        assert_eq!(of(cut, Times::Exactly(0)), FailureError::Times("0".into()));
        let quote = Failure::Lie(Fault::QuoteSignature);
        assert_eq!(of(quote, Times::Always), FailureError::BreaksQuote(Fault::QuoteSignature));
    }
}
