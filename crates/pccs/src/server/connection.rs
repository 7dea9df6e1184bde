//! One connection from its first byte to its last: the handshake, then requests until it is idle for long or the service ends.

use std::pin::pin;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Limits;
use super::exchange::Desk;
use super::patience::{Pace, Patient, Waits};
use crate::ending::{Ending, until_ending};

/// Streams of one HTTP/2 connection at one time.
const STREAMS: u32 = 64;

/// What may arrive unread on a connection, and on each of its streams: HTTP/2's own default. What waits for room to be
/// read is held, and everybody may send it.
const WINDOW: u32 = 65_535;

/// Most headers of a request.
const HEADERS: usize = 64;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// HTTP/1.1, or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Speaks TLS first.
pub(super) async fn serve_tls<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    acceptor: &TlsAcceptor,
    desk: Arc<Desk>,
    ending: Ending,
) {
    let stream = match timeout(desk.limits.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(fault)) => return tracing::debug!(cause = %fault, "no TLS handshake"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
    converse(stream, protocol, desk, ending).await;
}

/// Speaks HTTP/1.1 at once. HTTP/2 without TLS is for those who agree on it beforehand, and none of the clients does.
pub(super) async fn serve_plain<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    desk: Arc<Desk>,
    ending: Ending,
) {
    converse(stream, Protocol::Http1, desk, ending).await;
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    protocol: Protocol,
    desk: Arc<Desk>,
    ending: Ending,
) {
    let pace = Pace::new();
    let limits = desk.limits;
    let waits = Waits { idle: limits.keep_alive, head: limits.head, send: limits.send };
    let is_http1 = protocol == Protocol::Http1;
    let stream = Patient::new(stream, Arc::clone(&pace), waits, is_http1);
    let http = builder(protocol, limits);
    let paced = Arc::clone(&pace);
    let service =
        service_fn(move |request| Arc::clone(&desk).exchange(request, Arc::clone(&paced)));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    if until_ending(connection.as_mut(), ending).await.is_none() {
        pace.end();
        connection.as_mut().graceful_shutdown();
        // How it ended is for the client to know: what it was answered is in the log.
        let _ = connection.await;
    }
}

fn builder(protocol: Protocol, limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // How long a head may take is looked after by `Patient`, which tells it from a connection at rest.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes)
        .max_headers(HEADERS);
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_header_list_size(header_bytes);
    match protocol {
        // As near as it comes to the spelling of Intel's documents: `Sgx-Tcbm`. No client minds.
        Protocol::Http1 => http.http1_only().title_case_headers(true),
        Protocol::Http2 => http.http2_only(),
    }
}
