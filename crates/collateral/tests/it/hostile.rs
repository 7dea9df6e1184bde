//! Services that mean ill: endless bodies, silence, redirects, pages, lies.

use std::time::Duration;

use tdattest_collateral::{FetchError, Proxy, RetryPolicy, SourceError, Trust};
use tdattest_wire::pcs::PcsRequest;

use crate::cases::{answer, builder, client, requests, server, source, tcb_info};
use crate::scripted::{Reply, Scripted, http, whole};

#[tokio::test]
async fn a_gigabyte_is_refused_by_its_length_alone() {
    let server = Scripted::http(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
        Reply::Silence(head.to_vec())
    })
    .await;
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Malformed { .. }), "{fault}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_endless_body_is_not_read_past_its_bound() {
    let server = Scripted::http(|_| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let piece = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
        Reply::Endless { head: head.to_vec(), piece }
    })
    .await;
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Malformed { .. }), "{fault}");
}

#[tokio::test]
async fn silence_ends_with_the_deadline_wherever_it_begins() {
    let found = answer(&tcb_info().path());
    let full = whole("200 OK", &[], &found.body);
    for sent in [0, 5, full.len() - 1] {
        let part = full[..sent].to_vec();
        let server = Scripted::http(move |_| Reply::Silence(part.clone())).await;
        let client = builder()
            .source(source(&server.url()))
            .deadline(Duration::from_millis(200))
            .build()
            .unwrap();
        let fault = client.fetch(tcb_info()).await.unwrap_err();
        let url = format!("{}{}", server.url(), tcb_info().path());
        assert_eq!(fault, FetchError::TooSlow { url, milliseconds: 200 });
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let other = Scripted::http(|_| http("200 OK", &[], b"{}")).await;
    let to = format!("{}/elsewhere", other.url());
    let location = to.clone();
    let server = Scripted::http(move |_| http("302 Found", &[("Location", &location)], b"")).await;
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    let url = format!("{}{}", server.url(), tcb_info().path());
    assert_eq!(fault, FetchError::Redirected { url, status: 302, to });
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_page_is_no_document_whatever_its_content_type_says() {
    let server = Scripted::http(|_| {
        http("200 OK", &[("Content-Type", "application/json")], b"<html>sign in</html>")
    })
    .await;
    for request in requests() {
        let fault = client(&server.url()).fetch(request).await.unwrap_err();
        assert!(matches!(fault, FetchError::Malformed { .. }), "{fault}");
    }
}

#[tokio::test]
async fn a_document_is_one_whatever_its_content_type_says() {
    let server = Scripted::http(|_| {
        let found = answer(&tcb_info().path());
        let chain = found.header("TCB-Info-Issuer-Chain").unwrap();
        let headers = [("content-type", "text/html"), ("tcb-info-issuer-chain", chain)];
        http("200 OK", &headers, &found.body)
    })
    .await;
    client(&server.url()).fetch(tcb_info()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_intels_or_not_what_was_asked_for_is_untrusted() {
    for (lie, request) in [
        ("tcb-info.signature", tcb_info()),
        ("tcb-info.fmspc", tcb_info()),
        ("qe-identity.signature", requests()[2]),
        ("pck-crl.signature", requests()[0]),
        ("root-ca-crl.signature", requests()[3]),
    ] {
        let server = server();
        server.fail(format!("all=lie:{lie}").parse().unwrap());
        let fault = client(&server.url()).fetch(request).await.unwrap_err();
        assert!(matches!(fault, FetchError::Untrusted { .. }), "{lie}: {fault}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_said_in_words() {
    // A port that was free a moment ago.
    let port = {
        let server = Scripted::http(|_| http("200 OK", &[], b"")).await;
        server.port
    };
    // The listener is gone once its task has been dropped.
    tokio::task::yield_now().await;
    let client = builder()
        .source(source(&format!("http://127.0.0.1:{port}")))
        .retry(RetryPolicy::NONE)
        .build()
        .unwrap();
    let fault = client.fetch(tcb_info()).await.unwrap_err();
    assert!(
        matches!(&fault, FetchError::Unreachable { cause, .. } if cause == "connection refused"),
        "{fault}"
    );
}

#[tokio::test]
async fn plain_http_and_a_key_over_it_are_refused_but_on_this_machine() {
    let far = source("http://pccs.example:8081");
    let build = |source| builder().source(source).build().map(drop);
    let name = "http://pccs.example:8081".to_owned();
    assert_eq!(build(far.clone()), Err(SourceError::PlainHttp(name.clone())));
    assert_eq!(build(far.clone().dangerous_allow_http()), Ok(()));
    let keyed = far.dangerous_allow_http().with_api_key("key").unwrap();
    assert_eq!(build(keyed), Err(SourceError::PlainApiKey(name)));
}

#[tokio::test]
async fn a_key_is_not_sent_to_who_is_not_checked_nor_is_a_crl_fetched_unencrypted() {
    let build = |source| builder().source(source).build().map(drop);
    let name = "https://pccs.example:8081".to_owned();
    let unchecked = source(&name).with_trust(Trust::DangerousInsecure);
    assert_eq!(build(unchecked.clone()), Ok(()));
    let keyed = unchecked.with_api_key("key").unwrap();
    assert_eq!(build(keyed), Err(SourceError::UncheckedApiKey(name.clone())));
    let crl = "http://crl.example/root.crl".to_owned();
    let plain = source(&name).with_root_ca_crl_at(&crl).unwrap();
    assert_eq!(build(plain.clone()), Err(SourceError::PlainHttp(crl)));
    assert_eq!(build(plain.dangerous_allow_http()), Ok(()));
}

/// A PCCS that thinks for a while and has no platform CA, nor the root CA's CRL by any route.
async fn slow() -> Scripted {
    Scripted::http(|head| {
        let asked = crate::scripted::path(head);
        let found = answer(asked);
        let headers: Vec<(&str, &str)> =
            found.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bytes = if asked.contains("ca=processor") {
            whole("200 OK", &headers, &found.body)
        } else {
            whole("404 Not Found", &[], b"")
        };
        Reply::Slow(Duration::from_secs(7), bytes)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn all_requests_for_one_document_have_one_deadline() {
    // The clock goes on by itself as soon as everybody waits, for a socket too, unless something of this kind is under way.
    let (over, until) = std::sync::mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || until.recv());
    let server = slow().await;
    let client =
        builder().source(source(&server.url())).deadline(Duration::from_secs(30)).build().unwrap();
    let fault = client.fetch(PcsRequest::RootCaCrl).await.unwrap_err();
    assert!(matches!(fault, FetchError::TooSlow { milliseconds: 30_000, .. }), "{fault}");
    assert_eq!(server.requests().len(), 5);
    drop(over);
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn a_refusal_keeps_what_the_service_says_of_it() {
    let server = Scripted::http(|_| {
        let headers = [("Error-Code", "InvalidRequestSyntax"), ("Request-ID", "4b5a")];
        http("400 Bad Request", &headers, b"")
    })
    .await;
    let fault = client(&server.url()).fetch(tcb_info()).await.unwrap_err();
    let url = format!("{}{}", server.url(), tcb_info().path());
    let (error_code, request_id) = (Some("InvalidRequestSyntax".into()), Some("4b5a".into()));
    assert_eq!(fault, FetchError::Refused { url, status: 400, error_code, request_id });
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_sees_no_key() {
    let proxy = Scripted::http(|_| http("403 Forbidden", &[], b"")).await;
    let far = source("https://pccs.example:8081")
        .with_proxy(Proxy::At(proxy.url()))
        .with_api_key("key")
        .unwrap();
    let client = builder().source(far).retry(RetryPolicy::NONE).build().unwrap();
    let fault = client.fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Unreachable { .. }), "{fault}");
    let head = proxy.requests().remove(0).to_lowercase();
    assert!(head.starts_with("connect pccs.example:8081 "), "{head}");
    assert!(!head.contains("ocp-apim"), "{head}");
}

#[tokio::test]
async fn nothing_for_this_machine_goes_through_a_proxy() {
    let proxy = Scripted::http(|_| http("403 Forbidden", &[], b"")).await;
    let server = server();
    let near =
        source(&server.url()).with_proxy(Proxy::At(proxy.url())).with_api_key("key").unwrap();
    builder().source(near).build().unwrap().fetch(tcb_info()).await.unwrap();
    assert!(proxy.requests().is_empty());
}
