//! Metrics and health over HTTP.
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

use super::{PAUSE, Shared};
use crate::metrics;

/// Most connections at a time; further ones wait.
const CONNECTIONS: usize = 64;

/// How long a client may take to send its request, and lie idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may last, whatever goes over it: one that takes no answers must not keep its place.
const LONGEST: Duration = Duration::from_secs(60);

/// As Prometheus wants it named.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const INDEX: &str = "\
/metrics  for Prometheus
/status   how the service stands, as `tdattest qgs status --json`
/livez    200: the service runs, and a worker is left that does not hang
/readyz   200: a quote can be asked for
/healthz  200: the last health check made a quote
";

/// Serves until the runtime ends.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    answer_all(stream, shared).await;
                    drop(permit);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn answer_all(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared)) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    // It fails when the client goes, and ends when it takes too long: there is nobody left to tell.
    let _ = timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service)).await;
}

fn answer(request: &Request<Incoming>, shared: &Arc<Shared>) -> Response<String> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, INDEX.into()),
        "/livez" if shared.is_alive() => text(StatusCode::OK, "alive\n".into()),
        "/livez" => text(StatusCode::SERVICE_UNAVAILABLE, "every worker hangs\n".into()),
        "/metrics" => typed(StatusCode::OK, metrics::text(shared), OPEN_METRICS),
        "/status" => match serde_json::to_string_pretty(&shared.status()) {
            Ok(json) => typed(StatusCode::OK, json, "application/json"),
            Err(fault) => text(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
        },
        "/readyz" if shared.is_ready() => text(StatusCode::OK, "ready\n".into()),
        "/readyz" => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "no worker can make quotes, or the service ends\n".into(),
        ),
        "/healthz" => healthz(shared),
        path => text(StatusCode::NOT_FOUND, format!("no {path} here; there is:\n{INDEX}")),
    }
}

fn healthz(shared: &Shared) -> Response<String> {
    match shared.health.last() {
        Some(health) => match &health.failure {
            None if health.quoted => {
                text(StatusCode::OK, format!("a quote was made at {}\n", health.at))
            }
            None => text(StatusCode::OK, format!("a quote could be made at {}\n", health.at)),
            Some(failure) => {
                let what =
                    format!("at {}: {} ({}): {failure}\n", health.at, failure.hop, failure.code);
                text(StatusCode::SERVICE_UNAVAILABLE, what)
            }
        },
        // Before the first look, what the workers say is all there is.
        None if shared.is_ready() => {
            text(StatusCode::OK, "no health check yet; a worker is ready\n".into())
        }
        None => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "no health check yet; no worker is ready\n".into(),
        ),
    }
}

fn text(status: StatusCode, body: String) -> Response<String> {
    typed(status, body, "text/plain; charset=utf-8")
}

fn typed(status: StatusCode, body: String, kind: &'static str) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
