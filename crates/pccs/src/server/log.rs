//! What the log says of a request: every one at debug, those that went wrong on our side as warnings.
//!
//! Must stay true: no token, no encrypted PPID and no body is written; long values are shortened; reading and shortening
//! happen only for what is written.

use std::fmt;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Uri};

use crate::answer::Answer;

/// Values of queries that are longer are shortened, as Intel's service does.
const LONGEST: usize = 50;

/// How many characters are left at each end of them.
const ENDS: usize = 4;

/// Most characters of a path and its query.
const MOST: usize = 400;

/// A request, for the log. Cheap: an address is shared, not copied.
pub(super) struct Line {
    method: Method,
    uri: Uri,
}

impl Line {
    pub(super) fn of(request: &hyper::Request<Incoming>) -> Self {
        Self { method: request.method().clone(), uri: request.uri().clone() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, shown(self.uri.path(), self.uri.query()))
    }
}

/// Writes down what became of a request.
pub(super) fn tell(line: &Line, answer: &Answer, took: Duration) {
    let status = answer.status.as_u16();
    if answer.status.is_server_error() {
        tracing::warn!(request = %line, status, ms = took.as_millis(), "could not answer");
    } else {
        tracing::debug!(request = %line, status, ms = took.as_millis(), "answered");
    }
}

/// A path and its query as they are written down.
fn shown(path: &str, query: Option<&str>) -> String {
    let mut text: String = path.into();
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) => {
                text.push_str(name);
                text.push('=');
                text.push_str(&value_shown(name, value));
            }
            None => text.push_str(pair),
        }
    }
    text.chars().flat_map(char::escape_debug).take(MOST).collect()
}

fn value_shown(name: &str, value: &str) -> String {
    if name.eq_ignore_ascii_case("encrypted_ppid") {
        return format!("({} characters)", value.chars().count());
    }
    if value.chars().count() <= LONGEST {
        return value.into();
    }
    let first: String = value.chars().take(ENDS).collect();
    let last: Vec<char> = value.chars().rev().take(ENDS).collect();
    format!("{first}…{}", last.into_iter().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened_and_a_ppid_is_left_out() {
        let long = format!("0123{}6789", "f".repeat(43));
        let query = format!("qeid={long}&encrypted_ppid={}&pceid=0000&flag", "a".repeat(768));
        assert_eq!(
            shown("/sgx/certification/v4/pckcert", Some(&query)),
            "/sgx/certification/v4/pckcert?qeid=0123…6789&encrypted_ppid=(768 characters)&pceid=0000&flag"
        );
        assert_eq!(
            shown("/", Some(&format!("a={}", "b".repeat(50)))),
            format!("/?a={}", "b".repeat(50))
        );
        assert_eq!(shown("/a", None), "/a");
    }

    #[test]
    fn a_line_is_bounded() {
        assert_eq!(shown(&"x".repeat(10_000), None).chars().count(), MOST);
    }
}
