//! One request and its answer: the body in, the headers of the service on, the log and the counters told.
//!
//! Must stay true: every answer has a `Request-ID`; a panic costs the one request that it is in; no secret is logged.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode, Version};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::body::{Received, Room, Whole};
use super::log;
use super::patience::Pace;
use super::request_id::{REQUEST_ID, RequestId, RequestIds};
use super::{Answers, Limits};
use crate::answer::Answer;
use crate::api::Admission;
use crate::health::Health;
use crate::openapi;
use crate::records::Records;
use crate::request::Request;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

const TEXT: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What answers requests, and what watches that.
pub(super) struct Desk {
    pub(super) answers: Arc<dyn Answers>,
    pub(super) health: Arc<Health>,
    pub(super) records: Arc<Records>,
    pub(super) limits: Limits,
    pub(super) ids: RequestIds,
    pub(super) room: Room,
    /// `timeout=60`
    pub(super) keep_alive: HeaderValue,
}

impl Desk {
    /// Answers one request, whatever happens.
    pub(super) async fn exchange(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        pace: Arc<Pace>,
    ) -> Result<Response<Whole>, Infallible> {
        let answering = pace.answering();
        let begun = Instant::now();
        let (version, is_head) = (request.version(), *request.method() == Method::HEAD);
        let id = self.ids.of(request.headers());
        let line = log::Line::of(&request);
        let span = tracing::error_span!("request", %id);
        let answer = self.answer(request).instrument(span.clone()).await;
        self.records.answered(answer.route, answer.status, begun.elapsed());
        span.in_scope(|| log::tell(&line, &answer, begun.elapsed()));
        let mut answer = self.dressed(answer, &id, version);
        let body = if is_head { Bytes::new() } else { std::mem::take(answer.body_mut()) };
        // Over HTTP/1.1 the stream itself shows that nothing is taken.
        let is_watched = version == Version::HTTP_2 && !body.is_empty();
        let body = match is_watched {
            true => Whole::watched(body, pace.untaken()),
            false => Whole::new(body),
        };
        drop(answering);
        Ok(answer.map(|_| body))
    }

    /// The answer of the service itself, or of the API.
    async fn answer(&self, request: hyper::Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let asks = matches!(head.method, Method::GET | Method::HEAD);
        match head.uri.path() {
            path if asks && path.starts_with("/healthz/") => {
                if let Some((status, text)) = self.health.answer(path).await {
                    return made("healthz", status, JSON, Bytes::from_static(text.as_bytes()));
                }
            }
            openapi::PATH if asks => {
                return made(
                    "openapi",
                    StatusCode::OK,
                    JSON,
                    Bytes::from_static(openapi::DOCUMENT),
                );
            }
            _ => {}
        }
        let request = Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
            body_too_large: false,
        };
        // Nearly every request is without.
        if body.is_end_stream() {
            let answered = self.bounded(self.answers.answer(request)).await;
            return answered.unwrap_or_else(|instead| instead);
        }
        self.answer_with_body(request, body).await.unwrap_or_else(|instead| instead)
    }

    /// The answer of the API to a request with a body, which is read only if it is wanted.
    async fn answer_with_body(
        &self,
        mut request: Request,
        body: Incoming,
    ) -> Result<Answer, Answer> {
        let admitted = self.bounded(self.answers.admit(&request)).await.map_err(closing)?;
        // The client's time: what the database took for the token is not it.
        let begun = Instant::now();
        let until = begun.checked_add(self.limits.request).unwrap_or(begun);
        let refused = match admitted {
            Admission::WithBody => {
                request.body_too_large = self.read(&mut request.body, body, until).await?;
                let is_too_large = request.body_too_large;
                let answered = self.bounded(self.answers.answer(request)).await;
                let answer = answered.map_err(|instead| match is_too_large {
                    true => closing(instead),
                    false => instead,
                })?;
                return Ok(if is_too_large { closing(answer) } else { answer });
            }
            Admission::WithoutBody => None,
            Admission::Refused(answer) => Some(answer),
        };
        // Whoever asks first whether to send it does not send it.
        let is_asked = request.headers.contains_key(EXPECT);
        let is_gone = !is_asked && self.room.discard(body, until).await;
        let answer = match refused {
            Some(answer) => answer,
            None => {
                let answered = self.bounded(self.answers.answer(request)).await;
                answered.unwrap_or_else(|instead| instead)
            }
        };
        Ok(if is_gone { answer } else { closing(answer) })
    }

    /// Reads a body that is wanted. Whether it is too large.
    async fn read(
        &self,
        whole: &mut Bytes,
        body: Incoming,
        until: Instant,
    ) -> Result<bool, Answer> {
        let status = match self.room.read(body, until).await {
            Received::Whole(bytes) => {
                *whole = bytes;
                return Ok(false);
            }
            Received::TooLarge => return Ok(true),
            Received::Broken => StatusCode::BAD_REQUEST,
            Received::Late => StatusCode::REQUEST_TIMEOUT,
            Received::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        };
        Err(closing(made("none", status, TEXT, Bytes::new())))
    }

    /// What the API says; the answer that takes its place when that takes for ever, or breaks.
    async fn bounded<T>(&self, work: impl Future<Output = T>) -> Result<T, Answer> {
        let mut work = pin!(work);
        let mut whole = pin!(poll_fn(|context| {
            // What it has left behind is used no more: the future is dropped, and nothing of it was shared but behind
            // locks that outlive a panic.
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
                Err(_) => Poll::Ready(None),
            }
        }));
        // Most answers are there at once, and need no timer.
        let at_once = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
        let done = match at_once {
            Poll::Ready(done) => done,
            Poll::Pending => match timeout(self.limits.answer, whole).await {
                Ok(done) => done,
                // Empty, since Intel's client joins the body of a 503 to that of the next try.
                Err(_) => {
                    return Err(made("none", StatusCode::SERVICE_UNAVAILABLE, TEXT, Bytes::new()));
                }
            },
        };
        done.ok_or_else(|| {
            tracing::error!("a request broke the service: this is a mistake in tdattest");
            let text = Bytes::from_static(b"Internal server error occurred.");
            made("none", StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        })
    }

    /// With the headers of the service, and no body where there must be none.
    fn dressed(&self, answer: Answer, id: &RequestId, version: Version) -> Response<Bytes> {
        let Answer { status, mut headers, body, .. } = answer;
        headers.insert(REQUEST_ID, id.value());
        // HTTP/2 knows no such headers, and HTTP/1.0 is not kept alive.
        if version == Version::HTTP_11 && !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, self.keep_alive.clone());
        }
        if version == Version::HTTP_2 {
            headers.remove(CONNECTION);
        }
        let has_body = status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT;
        if has_body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut response = Response::new(if has_body { body } else { Bytes::new() });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// An answer after which the connection ends: what is left of the request is not read.
fn closing(mut answer: Answer) -> Answer {
    answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn made(route: &'static str, status: StatusCode, kind: HeaderValue, body: Bytes) -> Answer {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    Answer { status, headers, body, route }
}

/// What an answer comes to.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
