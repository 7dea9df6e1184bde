//! Collateral in a file, handed to the API as an administrator would: one way in, with one set of checks.
//!
//! Source: Intel's PCCS as observed, `PUT platformcollateral`.

use data_encoding::HEXLOWER;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use sha2::{Digest as _, Sha512};

use crate::request::Request;

/// The request that brings the collateral of platforms, as `pcsclient.py fetch` writes it.
pub fn collateral(body: Vec<u8>, admin_token: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // One that no header can carry opens nothing.
    if let Ok(mut token) = HeaderValue::try_from(admin_token) {
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static("admin-token"), token);
    }
    Request {
        method: Method::PUT,
        path: "/sgx/certification/v4/platformcollateral".into(),
        query: String::new(),
        headers,
        body: body.into(),
        body_too_large: false,
    }
}

/// The hash of a token in the form of Intel's configuration: for one that is made here and used once.
pub fn token_hash(token: &str) -> String {
    HEXLOWER.encode(&Sha512::digest(token.as_bytes()))
}
