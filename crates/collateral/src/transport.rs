//! One request to one service, with its retries: bounded in time and size.
//!
//! Must stay true: no redirect is followed; the API key goes to the configured host alone; an answer that is longer than
//! its kind can be is not read to its end.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, Url, redirect};
use tokio::time::sleep;

use crate::deadline::Deadline;
use crate::error::{FetchError, SourceError};
use crate::retry::{Advice, RetryPolicy};
use crate::source::{ApiKey, Proxy, is_loopback};
use crate::trust::{self, Trust};

/// How long a connection may take. An address that does not answer is seen by then.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody uses. Intel's PCCS closes it after 60 s.
const IDLE: Duration = Duration::from_secs(30);

/// Characters of a value in a query that are shown at most; identities of platforms are longer.
const SHOWN_VALUE: usize = 64;

/// An HTTP client for one kind of trust. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport {
    client: reqwest::Client,
    retry: RetryPolicy,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) url: Url,
    /// The largest body that is read, in bytes.
    pub(crate) limit: usize,
    pub(crate) api_key: Option<&'a ApiKey>,
    /// JSON to post; a GET without.
    pub(crate) json: Option<String>,
    pub(crate) deadline: Deadline,
}

/// What came with status 200.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What was asked, as it can be shown.
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Transport {
    /// A client for services that are trusted and reached like this. Plain HTTP needs no roots.
    pub(crate) fn new(
        base: &Url,
        trust: &Trust,
        proxy: &Proxy,
        retry: RetryPolicy,
    ) -> Result<Self, SourceError> {
        let tls = if base.scheme() == "https" { trust.client_config()? } else { Trust::nobody()? };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("tdattest/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE);
        let builder = match proxy {
            // A proxy elsewhere cannot reach what is on this machine, and would see an API key in clear.
            _ if is_loopback(base) => builder.no_proxy(),
            Proxy::Environment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::At(address) => {
                let fault = |_| SourceError::Proxy("its address cannot be read".into());
                builder.proxy(reqwest::Proxy::all(address).map_err(fault)?)
            }
        };
        let client = builder.build().map_err(|fault| SourceError::Http(cause(&fault)))?;
        Ok(Self { client, retry })
    }

    /// Asks until an answer comes, another attempt is of no use, or the time is over.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        ask.deadline.bound(|| shown(&ask.url), self.attempts(ask)).await
    }

    async fn attempts(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        let mut made: u32 = 0;
        loop {
            let (fault, advice) = match self.once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            made = made.saturating_add(1);
            // Without randomness everybody waits half the time: worse, but no reason to fail.
            let draw = getrandom::u32().unwrap_or(u32::MAX / 2);
            match self.retry.pause(made, advice, draw, ask.deadline.left()) {
                Some(pause) => {
                    tracing::debug!(%fault, made, ?pause, "asking again");
                    sleep(pause).await;
                }
                None => return Err(fault),
            }
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, (FetchError, Advice)> {
        let request = match &ask.json {
            None => self.client.get(ask.url.clone()),
            Some(json) => self
                .client
                .post(ask.url.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(json.clone()),
        };
        let request = match ask.api_key {
            Some(key) => request.header("Ocp-Apim-Subscription-Key", key.0.clone()),
            None => request,
        };
        let broken = |fault: reqwest::Error| {
            // What was posted may have arrived, and the wrong server stays the wrong one.
            let is_wrong_server = tls_fault(&fault).is_some_and(trust::is_refusal);
            let is_final = ask.json.is_some() || is_wrong_server;
            let fault = FetchError::Unreachable { url: shown(&ask.url), cause: cause(&fault) };
            (fault, if is_final { Advice::GiveUp } else { Advice::Soon })
        };
        let response = request.send().await.map_err(broken)?;
        if response.status().as_u16() != 200 {
            return Err(refusal(&ask.url, &response));
        }
        let headers = response.headers().clone();
        let body = self.body(ask, response).await.map_err(|fault| match fault {
            Body::TooLarge => (too_large(ask), Advice::GiveUp),
            Body::Broken(fault) => broken(fault),
        })?;
        Ok(Answer { url: shown(&ask.url), headers, body })
    }

    async fn body(&self, ask: &Ask<'_>, mut response: Response) -> Result<Vec<u8>, Body> {
        let limit = ask.limit;
        let announced = response.content_length().map(usize::try_from);
        if announced.is_some_and(|length| length.map_or(true, |length| length > limit)) {
            return Err(Body::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Body::Broken)? {
            if chunk.len() > limit.saturating_sub(body.len()) {
                return Err(Body::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Why a body is not there.
enum Body {
    TooLarge,
    Broken(reqwest::Error),
}

fn too_large(ask: &Ask<'_>) -> FetchError {
    let cause = format!("the answer is larger than {} bytes, the most that is read", ask.limit);
    FetchError::Malformed { url: shown(&ask.url), cause }
}

fn refusal(url: &Url, response: &Response) -> (FetchError, Advice) {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let (url, status) = (shown(url), response.status().as_u16());
    if response.status().is_redirection() {
        let to = printable(header(LOCATION.as_str()).unwrap_or("nowhere"));
        return (FetchError::Redirected { url, status, to }, Advice::GiveUp);
    }
    let advice = Advice::of(status, header(RETRY_AFTER.as_str()), header(DATE.as_str()));
    let said = |name| header(name).map(printable).filter(|text| !text.is_empty());
    let fault = FetchError::Refused {
        url,
        status,
        error_code: said("Error-Code"),
        request_id: said("Request-ID"),
    };
    (fault, advice)
}

/// An address as it can be shown: what identifies a platform is cut.
pub(crate) fn shown(url: &Url) -> String {
    let Some(query) = url.query() else { return url.to_string() };
    let mut bare = url.clone();
    bare.set_query(None);
    let values: Vec<String> = query.split('&').map(shown_value).collect();
    format!("{bare}?{}", values.join("&"))
}

fn shown_value(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if value.len() > SHOWN_VALUE => {
            let head: String = value.chars().take(4).collect();
            format!("{name}={head}…")
        }
        _ => pair.into(),
    }
}

/// Text from elsewhere, short and without control characters.
pub(crate) fn printable(text: &str) -> String {
    const CHARACTERS: usize = 200;
    text.chars().filter(|character| !character.is_control()).take(CHARACTERS).collect()
}

/// What is at the bottom of a failure, in one sentence.
fn cause(fault: &reqwest::Error) -> String {
    if let Some(tls) = tls_fault(fault) {
        return trust::described(tls);
    }
    let mut deepest: &(dyn std::error::Error + 'static) = fault;
    let mut timed_out = fault.is_timeout();
    while let Some(next) = deepest.source() {
        deepest = next;
        if let Some(io) = deepest.downcast_ref::<std::io::Error>() {
            timed_out |= io.kind() == std::io::ErrorKind::TimedOut;
        }
    }
    if timed_out && fault.is_connect() {
        return format!("no connection within {} s", CONNECT.as_secs());
    }
    let text = deepest.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    printable(&text.to_lowercase())
}

/// The fault of TLS at the bottom of a failure, if it is one.
fn tls_fault(fault: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = std::error::Error::source(fault);
    while let Some(found) = next {
        if let Some(tls) = of_tls(found) {
            return Some(tls);
        }
        next = found.source();
    }
    None
}

/// A fault of TLS, however often it is wrapped.
fn of_tls<'e>(fault: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    match fault.downcast_ref::<std::io::Error>() {
        Some(io) => of_tls(io.get_ref()?),
        None => fault.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_whole_identity_of_a_platform() {
        let ppid = "ab".repeat(384);
        let url = Url::parse(&format!("https://host/pckcerts?encrypted_ppid={ppid}&pceid=0000"));
        assert_eq!(shown(&url.unwrap()), "https://host/pckcerts?encrypted_ppid=abab…&pceid=0000");
        let url = Url::parse("https://host/tcb?fmspc=00806F050000&update=early").unwrap();
        assert_eq!(shown(&url), url.as_str());
    }
}
