//! An answer of the PCS as plain data, and the encodings of its headers.
//!
//! Source: PCS API v4, the tables "Status Codes" and "Headers" of every request.
//! Must stay true: what is refused has an empty body; the reason stays in the log.

use crate::error::MintError;

/// An answer as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names, spelled as Intel spells them (HTTP sends them in lower case), and values of its headers, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Why the request was refused: for the log, never sent.
    pub refusal: Option<String>,
}

impl Answer {
    pub(super) fn new(content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type", content_type.into())];
        Self { status: 200, headers, body, refusal: None }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: vec![], body: vec![], refusal: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the id of the request that it answers. Intel's are random; these can be foretold.
    pub(super) fn with_request_id(self, number: u64) -> Self {
        self.with("Request-ID", format!("{number:032x}"))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    /// The `Error-Code` of requests with a body.
    error_code: Option<&'static str>,
    reason: String,
}

impl Refusal {
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self { status: 400, error_code: None, reason: reason.into() }
    }

    pub(super) fn not_found(reason: impl Into<String>) -> Self {
        Self { status: 404, error_code: None, reason: reason.into() }
    }

    pub(super) fn gone(reason: impl Into<String>) -> Self {
        Self { status: 410, error_code: None, reason: reason.into() }
    }

    /// A body that took its time: nothing of Intel's, but of HTTP.
    pub(super) fn too_late() -> Self {
        Self { status: 408, error_code: None, reason: "the body did not arrive in time".into() }
    }

    /// A body beyond every bound: likewise.
    pub(super) fn too_large(limit: usize) -> Self {
        let reason = format!("the body has more than {limit} bytes");
        Self { status: 413, error_code: None, reason }
    }

    pub(super) fn with_error_code(self, error_code: &'static str) -> Self {
        Self { error_code: Some(error_code), ..self }
    }
}

impl From<MintError> for Refusal {
    fn from(fault: MintError) -> Self {
        Self { status: 500, error_code: None, reason: fault.to_string() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let answer = match refusal.error_code {
            Some(code) => Self::empty(refusal.status).with("Error-Code", code),
            None => Self::empty(refusal.status),
        };
        Self { refusal: Some(refusal.reason), ..answer }
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3), as Intel does with PEM: a dash stays.
pub(super) fn percent_encoded(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_pem_as_intel_does() {
        let pem = b"-----BEGIN CERTIFICATE-----\nA+/=\n";
        let encoded = "-----BEGIN%20CERTIFICATE-----%0AA%2B%2F%3D%0A";
        assert_eq!(percent_encoded(pem), encoded);
    }

    #[test]
    fn a_refusal_has_an_empty_body_and_its_reason_only_in_the_log() {
        let answer = Answer::from(Refusal::not_found("no such platform"));
        assert_eq!((answer.status, answer.body.len(), answer.headers.len()), (404, 0, 0));
        assert_eq!(answer.refusal.as_deref(), Some("no such platform"));
    }
}
