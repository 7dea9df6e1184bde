//! A name for each request, the same in its answer and in the log.
//!
//! Must stay true: no two requests of one process have the same; what a client brings is taken if it has the right form.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER_PERMISSIVE;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The header.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// As many hexadecimal digits as Intel's services use.
const DIGITS: usize = 32;

/// Makes names: a part that tells this process from others, and a number.
#[derive(Debug)]
pub(super) struct RequestIds {
    process: u64,
    mask: u64,
    next: AtomicU64,
}

/// The name of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(HeaderValue);

impl RequestIds {
    /// Starts anew.
    pub(super) fn new() -> Self {
        // Without randomness names repeat those of an earlier process; nothing rests on that.
        let random = || getrandom::u64().unwrap_or_default();
        Self { process: random(), mask: random(), next: AtomicU64::new(0) }
    }

    /// The name that a request brings, or a fresh one.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        let brought = headers.get(REQUEST_ID).filter(|value| is_id(value.as_bytes()));
        RequestId(brought.cloned().unwrap_or_else(|| self.fresh()))
    }

    fn fresh(&self) -> HeaderValue {
        // Multiplied by an odd number, so that names that follow one another look it less; still each once.
        let number = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (process, number) = (self.process, number ^ self.mask);
        HeaderValue::try_from(format!("{process:016x}{number:016x}"))
            .unwrap_or(HeaderValue::from_static("00000000000000000000000000000000"))
    }
}

impl RequestId {
    /// The value of the header.
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

fn is_id(value: &[u8]) -> bool {
    value.len() == DIGITS && HEXLOWER_PERMISSIVE.decode(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))])
    }

    #[test]
    fn names_are_32_digits_and_none_comes_twice() {
        let ids = RequestIds::new();
        let names: std::collections::BTreeSet<String> =
            (0..1000).map(|_| ids.of(&HeaderMap::new()).to_string()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| is_id(name.as_bytes())));
    }

    #[test]
    fn a_name_that_is_brought_is_taken_if_it_is_one() {
        let ids = RequestIds::new();
        let brought = "00112233445566778899AABBCCddeeff";
        assert_eq!(ids.of(&with(brought)).to_string(), brought);
        for other in
            ["", "0011", "00112233445566778899aabbccddeefg", "00112233445566778899aabbccddeeff0"]
        {
            assert_ne!(ids.of(&with(other)).to_string(), other);
        }
    }
}
