//! One connection: HTTP/1.1 in, plain requests to the API, plain answers out.
//!
//! Must stay true: everything that a client sends has a bound, and so has its silence. A client that does not read its
//! answers keeps its place until the server stops: this is a server for tests.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{sleep, timeout};

use super::address::Stream;
use super::answer::Refusal;
use super::request::Request;
use super::shared::{Reply, Shared};

/// Largest head of a request, in bytes. The largest, with an encrypted PPID, has 1,200.
const HEAD_BYTES: usize = 16 * 1024;

/// Largest body of a request, in bytes: a platform manifest at its largest, in JSON.
const BODY_BYTES: usize = 128 * 1024;

/// How long a client may take to send a head, and a connection may lie idle.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Serves a connection until its client, or an answer that is cut off, ends it.
pub(super) async fn serve(stream: Box<dyn Stream>, shared: Arc<Shared>) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (head, body) = request.into_parts();
            let reply = receive(&shared, head, body).await;
            Ok::<_, Infallible>(response(deliver(reply).await))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        // It would be that of the machine's clock.
        .auto_date_header(false);
    // It fails when the client goes, or when the answer is cut off: there is nobody left to tell.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(shared: &Shared, head: Parts, body: Incoming) -> Reply {
    let mut request = plain(&head);
    match timeout(BODY_TIME, read(body)).await {
        Ok(Ok(bytes)) => {
            request.body = bytes;
            shared.reply(request)
        }
        Ok(Err(refusal)) => shared.refuse(request, refusal),
        Err(_) => shared.refuse(request, Refusal::too_late()),
    }
}

/// Waits, if the answer is to be slow.
async fn deliver(reply: Reply) -> Reply {
    if !reply.delay.is_zero() {
        sleep(reply.delay).await;
    }
    reply
}

fn plain(head: &Parts) -> Request {
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Request {
        number: 0,
        method: head.method.as_str().into(),
        path: head.uri.path().into(),
        query: head.uri.query().unwrap_or_default().into(),
        headers: headers.collect(),
        body: vec![],
    }
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        // Trailers say nothing.
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > BODY_BYTES {
            return Err(Refusal::too_large(BODY_BYTES));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn response(reply: Reply) -> Response<AnswerBody> {
    let Reply { answer, sent, .. } = reply;
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let response = response.body(AnswerBody::new(answer.body, sent));
    // Every status and header of ours is one that HTTP knows.
    response.unwrap_or_else(|_| {
        let mut response = Response::new(AnswerBody::new(vec![], 0));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// A body that promises all and may end before it.
struct AnswerBody {
    promised: u64,
    left: Option<Bytes>,
    end: End,
}

/// What comes after the bytes that are sent.
#[derive(Clone, Copy)]
enum End {
    /// Nothing is missing.
    Whole,
    /// The bytes so far must be on their way first: an error drops those that are not.
    CutOffSoon,
    CutOff,
}

/// What ends a connection in the middle of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is cut off, as it was to be")]
struct CutOff;

impl AnswerBody {
    fn new(mut body: Vec<u8>, sent: usize) -> Self {
        let whole = body.len();
        body.truncate(sent);
        let end = if sent < whole { End::CutOffSoon } else { End::Whole };
        let left = Some(Bytes::from(body)).filter(|bytes| !bytes.is_empty());
        Self { promised: u64::try_from(whole).unwrap_or(u64::MAX), left, end }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Some(bytes) = self.left.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::CutOffSoon => {
                self.end = End::CutOff;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::CutOff => Poll::Ready(Some(Err(CutOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && matches!(self.end, End::Whole)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;
    use crate::seed::Seed;
    use tdattest_wire::time::UnixTime;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    /// Longer than anything is borne with.
    const FOR_EVER: Duration = Duration::from_secs(86_400);

    fn shared() -> Arc<Shared> {
        let platform = Platform::new(Seed::of("connection"));
        Arc::new(Shared::new(platform, Arc::new(|| UnixTime::EPOCH)))
    }

    /// Runs on a clock that jumps to whatever is waited for.
    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
    }

    /// How long the delivery of an answer takes.
    fn delivery_time(rule: Option<&str>) -> Duration {
        let shared = shared();
        if let Some(rule) = rule {
            shared.rules().add(rule.parse().unwrap());
        }
        run(async {
            let start = Instant::now();
            let reply = shared.reply(Request::get("/sgx/certification/v4/fmspcs"));
            assert_eq!(deliver(reply).await.answer.status, 200);
            start.elapsed()
        })
    }

    /// What a client gets that sends this and then nothing, and how long it is borne with.
    fn conversation(sent: &str) -> (String, Duration) {
        run(async {
            let start = Instant::now();
            let (mut client, server) = duplex(BODY_BYTES);
            let serving = tokio::spawn(serve(Box::new(server), shared()));
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut received = String::new();
            let reading = client.read_to_string(&mut received);
            timeout(FOR_EVER, reading).await.unwrap().unwrap();
            serving.await.unwrap();
            (received, start.elapsed())
        })
    }

    #[test]
    fn a_slow_answer_comes_when_its_delay_is_over() {
        assert_eq!(delivery_time(None), Duration::ZERO);
        assert_eq!(delivery_time(Some("all=slow:90s")), Duration::from_secs(90));
        assert_eq!(delivery_time(Some("pckcrl=slow:90s")), Duration::ZERO);
    }

    #[test]
    fn a_client_that_says_nothing_or_half_a_head_is_not_borne_with_for_ever() {
        for sent in ["", "GET / HTTP/1.1\r\nHost: pcs\r\n"] {
            let (_, time) = conversation(sent);
            assert_eq!(time.as_secs(), HEAD_TIME.as_secs(), "{sent}");
        }
    }

    #[test]
    fn a_connection_that_lies_idle_after_an_answer_is_closed() {
        let (received, time) = conversation("GET / HTTP/1.1\r\nHost: pcs\r\n\r\n");
        assert!(received.starts_with("HTTP/1.1 404 "), "{received}");
        assert_eq!(time.as_secs(), HEAD_TIME.as_secs());
    }

    #[test]
    fn a_client_that_sends_half_a_body_is_told_that_it_is_too_late() {
        let head = "POST /sgx/certification/v4/pckcerts HTTP/1.1\r\nHost: pcs\r\nContent-Length: 9\r\n\r\n";
        let (received, time) = conversation(&format!("{head}half"));
        assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
        assert_eq!(time.as_secs(), BODY_TIME.as_secs());
    }
}
