//! What every answer gets at last: a weak `ETag`, and 304 for a client that has it already.
//!
//! Source: RFC 9110, "Conditional Requests"; Intel's PCCS as observed.

use data_encoding::BASE64;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::answer::Answer;
use crate::request::Request;

/// Characters of the digest in a tag.
const DIGEST_CHARACTERS: usize = 27;

/// Tags an answer, and empties it if the client has it.
pub(super) fn finish(request: &Request, mut answer: Answer) -> Answer {
    tag(&mut answer);
    let reading = request.method == Method::GET || request.method == Method::HEAD;
    if reading && answer.status.is_success() && is_known(request, &answer) {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.headers.remove(CONTENT_TYPE);
        answer.body.clear();
    }
    answer
}

/// Tags an answer that has a body and no tag.
pub(crate) fn tag(answer: &mut Answer) {
    if answer.body.is_empty() || answer.headers.contains_key(ETAG) {
        return;
    }
    let digest = BASE64.encode(&Sha256::digest(&answer.body));
    let digest = digest.get(..DIGEST_CHARACTERS).unwrap_or(&digest);
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{:x}-{digest}\"", answer.body.len())) {
        answer.headers.insert(ETAG, tag);
    }
}

fn is_known(request: &Request, answer: &Answer) -> bool {
    let said = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    if said(&CACHE_CONTROL).is_some_and(|value| value.contains("no-cache")) {
        return false;
    }
    let (Some(known), Some(tag)) = (said(&IF_NONE_MATCH), answer.headers.get(ETAG)) else {
        return false;
    };
    let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let tag = tag.to_str().map(weak).unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|known| weak(known.trim()) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;

    fn request(method: Method, headers: &[(hyper::header::HeaderName, &str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        Request {
            method,
            path: "/".into(),
            query: String::new(),
            headers: map,
            body: hyper::body::Bytes::new(),
            body_too_large: false,
        }
    }

    #[test]
    fn an_answer_that_the_client_has_is_emptied_and_keeps_its_other_headers() {
        let of = || Answer::ok("text/plain", "text").with_chain("tcb-info-issuer-chain", b"chain");
        let first = finish(&request(Method::GET, &[]), of());
        let tag = first.headers[ETAG].to_str().unwrap();
        assert!(tag.starts_with("W/\"4-"), "{tag}");
        for known in [tag, "*", &format!("\"other\", {tag}"), tag.strip_prefix("W/").unwrap()] {
            let again = finish(&request(Method::GET, &[(IF_NONE_MATCH, known)]), of());
            assert_eq!(again.status, 304, "{known}");
            assert!(again.body.is_empty());
            assert_eq!(again.headers[ETAG], first.headers[ETAG]);
            assert_eq!(again.headers["tcb-info-issuer-chain"], "chain");
            assert!(!again.headers.contains_key(CONTENT_TYPE));
        }
    }

    #[test]
    fn others_get_the_whole_answer() {
        let tag = finish(&request(Method::GET, &[]), Answer::done()).headers[ETAG].clone();
        let tag = tag.to_str().unwrap();
        let whole = |method, headers: &[_], answer| {
            !finish(&request(method, headers), answer).body.is_empty()
        };
        assert!(whole(Method::GET, &[(IF_NONE_MATCH, "W/\"4-other\"")], Answer::done()));
        assert!(whole(Method::PUT, &[(IF_NONE_MATCH, tag)], Answer::done()));
        let fresh = [(IF_NONE_MATCH, tag), (CACHE_CONTROL, "no-cache")];
        assert!(whole(Method::GET, &fresh, Answer::done()));
        let refusal = crate::answer::Refusal::NoCacheData.answer();
        assert!(whole(Method::GET, &[(IF_NONE_MATCH, "*")], refusal));
    }
}
