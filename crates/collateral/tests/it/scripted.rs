//! An HTTP server that says what a test tells it to, byte for byte, over plain TCP or TLS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is done with one request.
pub(crate) enum Reply {
    /// These bytes, and the connection ends.
    Bytes(Vec<u8>),
    /// These bytes, and then the same ones again for as long as they are read.
    Endless { head: Vec<u8>, piece: Vec<u8> },
    /// These bytes, and then silence.
    Silence(Vec<u8>),
    /// This much time passes, of a clock that the test has stopped; then these bytes, and the connection ends.
    Slow(Duration, Vec<u8>),
}

/// A server on loopback; stopped when dropped.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

type Script = dyn Fn(&str) -> Reply + Send + Sync;

impl Scripted {
    /// Serves plain HTTP; the script is handed the head of each request.
    pub(crate) async fn http(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    pub(crate) async fn https(
        tls: rustls::ServerConfig,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(tls))), Arc::new(script)).await
    }

    async fn start(tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                accepted.fetch_add(1, Ordering::SeqCst);
                let (tls, script, log) = (tls.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*script, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*script, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, requests, connections, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests so far, in their order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Their paths.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|head| path(head).to_owned()).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The path of a request's head.
pub(crate) fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// An answer with its length; one header a line.
pub(crate) fn http(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::Bytes(whole(status, headers, body))
}

pub(crate) fn whole(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    log: &Mutex<Vec<String>>,
) {
    let Some(head) = head(&mut stream).await else { return };
    log.lock().unwrap().push(head.clone());
    // A client that went away is what some tests are about.
    match script(&head) {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Slow(pause, bytes) => {
            tokio::time::advance(pause).await;
            // Whoever's time is over by now sees that first.
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Endless { head, piece } => {
            let mut outcome = stream.write_all(&head).await;
            while outcome.is_ok() {
                outcome = stream.write_all(&piece).await;
            }
        }
        Reply::Silence(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            // Until the client goes.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    }
}

/// The head of a request, read until its empty line.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Turns of every task, more than it takes to see that one's time is over.
const TURNS: usize = 16;
