//! Metrics and health over HTTP, for the operator's own network.
//!
//! Must stay true: nothing can be changed here, and nothing of a request is read but its path.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Sources;
use crate::server::Whole;

/// Most connections at a time; further ones wait.
const CONNECTIONS: usize = 64;

/// How long a client may take to send its request, and lie idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may last, whatever goes over it: one that takes no answers must not keep its place.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait when there are no connections to be had.
const PAUSE: Duration = Duration::from_millis(100);

/// As Prometheus wants it named.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const INDEX: &str = "\
/metrics  for Prometheus
/healthz  200: the service runs
/readyz   200: the store answers, and the service does not end
";

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, sources: Arc<Sources>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let sources = Arc::clone(&sources);
                tokio::spawn(async move {
                    answer_all(stream, sources).await;
                    drop(permit);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn answer_all(stream: TcpStream, sources: Arc<Sources>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let sources = Arc::clone(&sources);
        async move { Ok::<_, Infallible>(answer(&request, &sources).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    // It fails when the client goes, and ends when it takes too long: there is nobody left to tell.
    let _ = timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service)).await;
}

async fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Whole> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, INDEX.into()),
        "/metrics" => typed(StatusCode::OK, sources.text().await, OPEN_METRICS),
        "/healthz" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" if sources.health.is_ready().await => text(StatusCode::OK, "ready\n".into()),
        "/readyz" => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer, or the service ends\n".into(),
        ),
        path => text(StatusCode::NOT_FOUND, format!("no {path} here; there is:\n{INDEX}")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Whole> {
    typed(status, body, "text/plain; charset=utf-8")
}

fn typed(status: StatusCode, body: String, kind: &'static str) -> Response<Whole> {
    let mut response = Response::new(Whole::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
