//! One answer of the API, ready to be sent, and the refusals among them.
//!
//! Source: Intel's PCCS as observed: statuses, the sentences that go with them, and their type.
//! Must stay true: 503 has an empty body, since Intel's client (QCNL) tries again after it and would put the next body
//! behind this one.

use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, WARNING};
use hyper::{HeaderMap, StatusCode};
use tdattest_wire::time::UnixTime;

/// The most that is said of a cause in a header.
const CAUSE_CHARACTERS: usize = 300;

/// The most of a path that is said back: the rest is for its sender to know, and escaped it would be six times as long.
const PATH_CHARACTERS: usize = 200;

/// An answer, complete save for `Date`, `Keep-Alive`, `Content-Length` and `Request-ID`, which the server adds.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What became of the request. 460, 461 and 462 are Intel's own.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body. That of an answer to HEAD, too: the server sends its length alone.
    pub body: Bytes,
    /// Which route it was, for counters: `tcb`, `pckcert`, … and `none`.
    pub route: &'static str,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { status, headers, body: body.into(), route: "none" }
    }

    pub(crate) fn ok(kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, kind, body)
    }

    /// What Intel's service says when there is nothing to say.
    pub(crate) fn done() -> Self {
        Self::ok(HTML, "Operation successful.")
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), route: "none" }
    }

    /// Which methods a route has.
    pub(crate) fn methods(allowed: &'static str) -> Self {
        Self::ok(HTML, allowed).with(ALLOW, HeaderValue::from_static(allowed))
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With a chain of certificates, percent-encoded as Intel does it.
    pub(crate) fn with_chain(self, name: &'static str, chain: &[u8]) -> Self {
        match HeaderValue::from_str(&percent_encoded(chain)) {
            Ok(value) => self.with(HeaderName::from_static(name), value),
            // Percent-encoded text is a header value.
            Err(_) => self,
        }
    }

    /// With one more warning beside those there are.
    pub(crate) fn warn(&mut self, code: u16, text: &str) {
        if let Ok(value) = HeaderValue::from_str(&format!("{code} - \"{}\"", one_line(text))) {
            self.headers.append(WARNING, value);
        }
    }

    /// What a framework says of a path or method that is not there.
    pub(crate) fn not_found(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(PATH_CHARACTERS).collect();
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
             <body>\n<pre>Cannot {} {}</pre>\n</body>\n</html>\n",
            escaped(method),
            escaped(&path)
        );
        let policy = HeaderValue::from_static("default-src 'none'");
        Self::new(StatusCode::NOT_FOUND, HTML, body)
            .with(hyper::header::CONTENT_SECURITY_POLICY, policy)
            .with(hyper::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    }
}

/// The type of every sentence.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The type of documents.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// Why a request is not answered with what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request makes no sense.
    InvalidRequest,
    /// No token, or none that opens this.
    Unauthenticated,
    /// It is not there.
    NoCacheData,
    /// It was in version 3 of the API, which Intel has ended.
    VersionEnded,
    /// The body went past the limit.
    TooLarge,
    /// What was brought is not Intel's.
    NotGenuine,
    /// Nobody has registered the platform.
    UnknownPlatform,
    /// Something is broken here.
    Internal,
    /// The upstream cannot be reached, does not let us, or sends what is not Intel's.
    Upstream(String),
    /// It cannot be done now; a client may try again.
    Unavailable(String),
    /// It cannot be done now, said to people.
    Busy,
    /// What is kept is past its end, and a newer edition cannot be had.
    Ended {
        /// What it is.
        document: &'static str,
        /// Its last second.
        ended: UnixTime,
        /// Why there is no newer one.
        cause: String,
    },
}

impl Refusal {
    pub(crate) fn answer(&self) -> Answer {
        let (status, text) = match self {
            Self::InvalidRequest => (400, "Invalid request parameters."),
            Self::Unauthenticated => (401, "Authentication failed."),
            Self::NoCacheData => (404, "No cache data for this platform."),
            Self::VersionEnded => (410, VERSION_ENDED),
            Self::TooLarge => (413, "Content too large."),
            Self::NotGenuine => (460, "The integrity of the data can't be verified."),
            Self::UnknownPlatform => (461, "The platform was not found in the cache."),
            Self::Internal => (500, "Internal server error occurred."),
            Self::Upstream(_) => (502, "Unable to retrieve the collateral from the Intel SGX PCS."),
            Self::Busy => (503, "Server is currently unable to process the request."),
            Self::Unavailable(cause) => return unavailable(cause),
            Self::Ended { document, ended, cause } => {
                return unavailable(&format!(
                    "the {document} ended at {ended}, and no newer one can be had: {cause}"
                ));
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer::new(status, HTML, text)
    }
}

/// The sentence for what was in version 3.
const VERSION_ENDED: &str = "The Intel PCS API version 3 reached planned EOL. Accordingly, collateral from this API \
                             version cannot be retrieved any longer.";

fn unavailable(cause: &str) -> Answer {
    let mut answer = Answer::empty(StatusCode::SERVICE_UNAVAILABLE);
    answer.warn(199, cause);
    answer
}

/// Printable ASCII without quotation marks, and not too much of it.
fn one_line(text: &str) -> String {
    let plain = |character: char| match character {
        '"' | '\\' => '\'',
        ' '..='~' => character,
        _ => ' ',
    };
    text.chars().take(CAUSE_CHARACTERS).map(plain).collect()
}

/// As Intel has it: a space is `%20`, and what is neither letter, digit nor one of a few marks is encoded.
fn percent_encoded(text: &[u8]) -> String {
    const PLAIN: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')');
    percent_encoding::percent_encode(text, &PLAIN).to_string()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unavailable_has_an_empty_body_and_says_why_in_a_header() {
        let answer = Refusal::Unavailable("the \"database\"\r\nis away".into()).answer();
        assert_eq!(answer.status, 503);
        assert!(answer.body.is_empty());
        assert_eq!(answer.headers[WARNING], "199 - \"the 'database'  is away\"");
    }

    #[test]
    fn a_path_cannot_bring_markup_into_the_page() {
        let page = Answer::not_found("GET", "/<script>'\"&");
        let body = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(body.contains("<pre>Cannot GET /&lt;script&gt;&#39;&quot;&amp;</pre>"), "{body}");
    }

    #[test]
    fn a_long_path_is_not_said_back_whole() {
        let body = |size: usize| Answer::not_found("GET", &"\"".repeat(size)).body;
        assert!(body(PATH_CHARACTERS - 1).len() < body(PATH_CHARACTERS).len());
        assert_eq!(body(PATH_CHARACTERS), body(16 * 1024));
    }

    #[test]
    fn a_chain_is_encoded_as_intel_encodes_it() {
        let answer =
            Answer::done().with_chain("tcb-info-issuer-chain", b"-----BEGIN C-----\n+/=\n");
        assert_eq!(answer.headers["tcb-info-issuer-chain"], "-----BEGIN%20C-----%0A%2B%2F%3D%0A");
    }
}
