//! What a service answered, brought into one form: here, once, and nowhere behind.
//!
//! Source: PCS API v4; Intel's PCCS as observed (CRLs in hexadecimal, labelled as something else).
//! Must stay true: signed JSON leaves as it came, byte for byte, save for NULs at its end; no content type is believed.

use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pck_certificates::PckCertificates;
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::{limits, pem};

use crate::error::FetchError;
use crate::family::PlatformFamily;
use crate::transport::{Answer, printable};

/// The largest body that answers a request, in bytes.
pub(crate) fn limit(request: PcsRequest) -> usize {
    match request {
        // A PCCS answers in hexadecimal.
        PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl => limits::CRL_BYTES.saturating_mul(2),
        _ => limits::DOCUMENT_BYTES,
    }
}

/// A signed document with the chain in the header; not the root CA's CRL, which has none.
pub(crate) fn endorsement(request: PcsRequest, answer: Answer) -> Result<Endorsement, FetchError> {
    let names: &[&str] = match request {
        PcsRequest::TcbInfo(..) => &["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"],
        PcsRequest::PckCrl(_) => &["SGX-PCK-CRL-Issuer-Chain"],
        PcsRequest::QeIdentity(..) | PcsRequest::QveIdentity(_) => {
            &["SGX-Enclave-Identity-Issuer-Chain"]
        }
        PcsRequest::EvaluationDataNumbers(_) => &["TCB-Evaluation-Data-Numbers-Issuer-Chain"],
        PcsRequest::RootCaCrl => &[],
    };
    // The body first: a page of a proxy lacks the header as well.
    let url = answer.url.clone();
    let headers = answer.headers.clone();
    let body = match request {
        PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl => crl(answer)?,
        _ => json(answer)?,
    };
    let issuer_chain = chain(&url, &headers, names)?;
    Ok(Endorsement { request, body, issuer_chain })
}

/// A CRL as DER, whichever encoding it came in.
pub(crate) fn crl(answer: Answer) -> Result<Vec<u8>, FetchError> {
    let answer = said(answer, "a CRL")?;
    pem::crl(&answer.body)
        .map_err(|fault| FetchError::Malformed { url: answer.url, cause: fault.to_string() })
}

/// A JSON document, as it came.
pub(crate) fn json(answer: Answer) -> Result<Vec<u8>, FetchError> {
    let mut answer = said(answer, "JSON")?;
    while answer.body.last() == Some(&0) {
        answer.body.pop();
    }
    let first = answer.body.trim_ascii_start().first();
    if matches!(first, Some(b'{' | b'[')) {
        return Ok(answer.body);
    }
    Err(malformed(&answer, "JSON"))
}

/// The list of platform families.
pub(crate) fn families(answer: Answer) -> Result<Vec<PlatformFamily>, FetchError> {
    let url = answer.url.clone();
    serde_json::from_slice(&json(answer)?).map_err(|fault| FetchError::Malformed {
        url,
        cause: format!("expected a list of platform families: {fault}"),
    })
}

/// The PCK certificates of a platform.
pub(crate) fn pck_certificates(answer: Answer) -> Result<PckCertificates, FetchError> {
    let url = answer.url.clone();
    let headers = answer.headers.clone();
    let body = json(answer)?;
    let fault = |cause: String| FetchError::Malformed { url: url.clone(), cause };
    let entries =
        PckCertificates::parse_entries(&body).map_err(|found| fault(found.to_string()))?;
    let fmspc = text(&url, &headers, &["SGX-FMSPC"])?;
    let fmspc = fmspc.parse().map_err(|_| fault(wrong("SGX-FMSPC", fmspc)))?;
    let name = text(&url, &headers, &["SGX-PCK-Certificate-CA-Type"])?;
    // Intel writes it in lower case, a PCCS in upper case.
    let ca = [PckCa::Processor, PckCa::Platform]
        .into_iter()
        .find(|ca| ca.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| fault(wrong("SGX-PCK-Certificate-CA-Type", name)))?;
    let issuer_chain = chain(&url, &headers, &["SGX-PCK-Certificate-Issuer-Chain"])?;
    Ok(PckCertificates { fmspc, ca, issuer_chain, entries })
}

fn wrong(header: &str, value: &str) -> String {
    format!("the header {header} is `{}`", printable(value))
}

/// An answer that is not empty and no page for people.
fn said(answer: Answer, expected: &str) -> Result<Answer, FetchError> {
    let text = answer.body.trim_ascii_start();
    if text.is_empty() || text.first() == Some(&b'<') {
        return Err(malformed(&answer, expected));
    }
    Ok(answer)
}

fn malformed(answer: &Answer, expected: &str) -> FetchError {
    let found = match answer.body.trim_ascii_start().first() {
        None => "an empty body",
        Some(b'<') => "a page in HTML or XML, as proxies answer",
        Some(_) => "something else",
    };
    let cause = format!("expected {expected}, found {found}");
    FetchError::Malformed { url: answer.url.clone(), cause }
}

/// A chain out of a header: PEM, percent-encoded.
fn chain(url: &str, headers: &HeaderMap, names: &[&str]) -> Result<Vec<u8>, FetchError> {
    let encoded = text(url, headers, names)?;
    let mut chain: Vec<u8> = percent_decode_str(encoded).collect();
    while chain.last() == Some(&0) {
        chain.pop();
    }
    pem::certificates(&chain).map_err(|fault| {
        let name = names.first().copied().unwrap_or_default();
        FetchError::Malformed { url: url.into(), cause: format!("the header {name}: {fault}") }
    })?;
    Ok(chain)
}

/// The value of the first of these headers that is there; their case does not matter.
fn text<'h>(url: &str, headers: &'h HeaderMap, names: &[&str]) -> Result<&'h str, FetchError> {
    let value = names.iter().find_map(|name| headers.get(*name));
    value.and_then(|value| value.to_str().ok()).ok_or_else(|| {
        let name = names.first().copied().unwrap_or_default();
        let cause = format!("the answer has no header {name} that can be read");
        FetchError::Malformed { url: url.into(), cause }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn answer(headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let header = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let headers = headers.iter().map(header).collect();
        Answer { url: "https://host/x".into(), headers, body: body.into() }
    }

    const CHAIN: &str =
        "-----BEGIN%20CERTIFICATE-----%0AAA%2BA%0A-----END%20CERTIFICATE-----%0A%00";

    fn tcb_info() -> PcsRequest {
        PcsRequest::from_path("/sgx/certification/v4/tcb?fmspc=00806F050000&update=standard")
            .unwrap()
    }

    fn cause(result: Result<impl std::fmt::Debug, FetchError>) -> String {
        match result.unwrap_err() {
            FetchError::Malformed { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn signed_json_stays_verbatim_but_for_nuls_and_the_chain_is_decoded() {
        for name in ["tcb-info-issuer-chain", "SGX-TCB-Info-Issuer-Chain"] {
            let found =
                endorsement(tcb_info(), answer(&[(name, CHAIN)], b" {\"a\" :1}\n\0\0")).unwrap();
            assert_eq!(found.body, b" {\"a\" :1}\n");
            let chain = "-----BEGIN CERTIFICATE-----\nAA+A\n-----END CERTIFICATE-----\n";
            assert_eq!(found.issuer_chain, chain.as_bytes());
        }
    }

    #[test]
    fn crls_arrive_in_any_encoding() {
        let der = [0x30, 0x03, 0x02, 0x01, 0xff];
        for body in [&der[..], b"30030201ff", b"30030201FF\n", &[0x30, 3, 2, 1, 0xff, 0]] {
            assert_eq!(crl(answer(&[], body)).unwrap(), der);
        }
    }

    #[test]
    fn says_what_came_instead_of_a_document() {
        let html = b"\n<!DOCTYPE html>";
        let page = "found a page in HTML or XML, as proxies answer";
        assert_eq!(cause(json(answer(&[], html))), format!("expected JSON, {page}"));
        assert_eq!(cause(crl(answer(&[], html))), format!("expected a CRL, {page}"));
        assert_eq!(cause(json(answer(&[], b""))), "expected JSON, found an empty body");
        assert_eq!(cause(json(answer(&[], b"\0"))), "expected JSON, found an empty body");
        assert_eq!(cause(json(answer(&[], b"hello"))), "expected JSON, found something else");
    }

    #[test]
    fn a_list_of_families_has_an_fmspc_and_a_kind_for_each() {
        let text = br#"[{"fmspc":"00806F050000","platform":"E5"}]"#;
        let family =
            PlatformFamily { fmspc: "00806f050000".parse().unwrap(), platform: "E5".into() };
        assert_eq!(families(answer(&[], text)), Ok(vec![family]));
        for other in [
            &br#"{"fmspc":"00806F050000","platform":"E5"}"#[..],
            br#"[{"fmspc":"00806F0500","platform":"E5"}]"#,
            br#"[{"fmspc":"00806F050000"}]"#,
            br#"[{"platform":"E5"}]"#,
        ] {
            cause(families(answer(&[], other)));
        }
    }

    #[test]
    fn a_document_without_a_chain_is_none() {
        assert_eq!(
            cause(endorsement(tcb_info(), answer(&[], b"{}"))),
            "the answer has no header TCB-Info-Issuer-Chain that can be read"
        );
        let broken = [("TCB-Info-Issuer-Chain", "hello")];
        assert!(cause(endorsement(tcb_info(), answer(&broken, b"{}"))).contains("Issuer-Chain"));
    }
}
