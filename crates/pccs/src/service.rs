//! The service: listeners, certificate, refreshes and health under one roof, from start to drain.
//!
//! Must stay true: whoever was let in is answered, also while the service drains; a refresh that fails or hangs keeps
//! nobody from an answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api::{Clock, Watcher};
use crate::ending::until_ending;
use crate::health::Health;
use crate::metrics::{self, Sources};
use crate::records::Records;
use crate::refresh::{RefreshOutcome, RefreshReport};
use crate::server::{Answers, Hall, Limits, ListenAt, Listener, Server};
use crate::store::Store;
use crate::tls::Tls;

/// What the service is made of.
pub struct Parts {
    /// Who answers.
    pub answers: Arc<dyn Answers>,
    /// What is kept; asked for health and metrics.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// The certificate, where one is needed.
    pub tls: Option<Arc<Tls>>,
    /// Where metrics and health are served over plain HTTP.
    pub metrics: Option<std::net::TcpListener>,
    /// How much of everything.
    pub limits: Limits,
    /// How often each thing is done by itself.
    pub rhythm: Rhythm,
    /// What has been counted.
    pub counters: Counters,
}

/// How often each thing is done by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two looks for documents that are due; none are looked for without it.
    pub refresh: Option<Duration>,
    /// Between two looks at what other replicas have changed.
    pub follow: Duration,
    /// Between two looks at the files of the certificate.
    pub certificate: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            refresh: Some(Duration::from_secs(3600)),
            follow: Duration::from_secs(1),
            certificate: Duration::from_secs(5),
        }
    }
}

/// Counts what the API tells of.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Records>);

impl Counters {
    /// For the settings of the API.
    pub fn watcher(&self) -> Watcher {
        self.0.watcher()
    }
}

/// A service that runs, on the runtime that it was started in.
pub struct Service {
    health: Arc<Health>,
    tls: Option<Arc<Tls>>,
    ending: watch::Sender<bool>,
    /// Accepts connections, and does what is done by itself.
    tasks: JoinSet<()>,
    /// As long as somebody has the other end, somebody is being answered.
    all_gone: mpsc::Receiver<()>,
    /// Tells the metrics, to the end.
    telling: JoinSet<()>,
}

impl Service {
    /// Starts serving. To be called within a runtime.
    ///
    /// # Errors
    /// When a socket cannot be waited for, or there is no certificate for one that needs it.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let Parts { answers, store, clock, listeners, tls, metrics, limits, rhythm, counters } =
            parts;
        let uncertified =
            |open: &&Listener| matches!(open.at(), ListenAt::Https(_)) && tls.is_none();
        if let Some(open) = listeners.iter().find(uncertified) {
            let cause = format!("there is no certificate to listen at {} with", open.at());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, cause));
        }
        let health = Health::new(Arc::clone(&store));
        let (ending, ends) = watch::channel(false);
        let (alive, all_gone) = mpsc::channel(1);
        let mut telling = JoinSet::new();
        if let Some(listener) = metrics {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let (records, health) = (Arc::clone(&counters.0), Arc::clone(&health));
            let sources = Sources { records, health, store, clock: Arc::clone(&clock) };
            telling.spawn(metrics::serve(listener, Arc::new(sources)));
        }
        let server = Server::new(Hall {
            answers: Arc::clone(&answers),
            health: Arc::clone(&health),
            records: Arc::clone(&counters.0),
            limits,
            acceptor: tls.as_ref().map(|tls| tls.acceptor()),
            ending: ends.clone(),
            alive,
        });
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let (server, at) = (Arc::clone(&server), listener.at().to_string());
            tasks.spawn(async move {
                if let Err(fault) = server.accept(listener).await {
                    tracing::error!(%at, cause = %fault, "nobody is let in any more");
                }
            });
        }
        let mut by_itself = |work: Work| {
            let ends = ends.clone();
            tasks.spawn(async move {
                until_ending(work, ends).await;
            });
        };
        by_itself(Box::pin(follow(Arc::clone(&answers), rhythm.follow)));
        if let Some(pause) = rhythm.refresh {
            by_itself(Box::pin(refresh(answers, Arc::clone(&counters.0), pause)));
        }
        if let Some(tls) = &tls {
            by_itself(Box::pin(renew(Arc::clone(tls), rhythm.certificate)));
        }
        Ok(Self { health, tls, ending, tasks, all_gone, telling })
    }

    /// Takes the files of the certificate as they are now. What cannot be used changes nothing, and is in the log.
    pub async fn reload_certificate(&self) {
        if let Some(tls) = &self.tls {
            look_at(tls, true).await;
        }
    }

    /// Waits until something ends that is to go on to the end: nobody is let in any more at one of the addresses, or the
    /// changes, the documents or the certificate are not looked after. Why is in the log.
    pub async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Err(fault)) => {
                tracing::error!(cause = %fault, "a part of the service broke: this is a mistake in tdattest");
            }
            Some(Ok(())) => tracing::error!("a part of the service has ended by itself"),
            // Nothing is left that could.
            None => std::future::pending().await,
        }
    }

    /// Lets nobody in any more, and ends when all are answered, or after this time. Whether all were.
    pub async fn drain(mut self, patience: Duration) -> bool {
        self.health.drain();
        // There is always somebody who watches: the health, the tasks.
        let _ = self.ending.send(true);
        let all = timeout(patience, async {
            while self.tasks.join_next().await.is_some() {}
            let _ = self.all_gone.recv().await;
        });
        let answered = all.await.is_ok();
        self.telling.shutdown().await;
        answered
    }
}

/// What is done by itself.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn follow(answers: Arc<dyn Answers>, pause: Duration) {
    loop {
        answers.follow_changes().await;
        sleep(pause).await;
    }
}

async fn refresh(answers: Arc<dyn Answers>, records: Arc<Records>, pause: Duration) {
    loop {
        // Not all replicas at once, and what fell due while the service was down comes soon after its start.
        let report = answers.refresh().await;
        records.refreshed(&report);
        tell(&report);
        sleep(varied(pause)).await;
    }
}

/// A pause that is up to a tenth shorter or longer.
fn varied(pause: Duration) -> Duration {
    let tenth = pause.checked_div(10).unwrap_or_default();
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    pause.saturating_sub(tenth).saturating_add(tenth.mul_f64(2.0 * share))
}

fn tell(report: &RefreshReport) {
    for item in &report.items {
        match &item.outcome {
            RefreshOutcome::Failed(cause) => {
                tracing::warn!(item = item.name, cause, "not refreshed: what is kept stays");
            }
            RefreshOutcome::Refreshed => tracing::info!(item = item.name, "refreshed"),
            RefreshOutcome::Unchanged => tracing::debug!(item = item.name, "nothing newer"),
        }
    }
}

async fn renew(tls: Arc<Tls>, pause: Duration) {
    loop {
        sleep(pause).await;
        look_at(&tls, false).await;
    }
}

/// Reads the files of the certificate if they have changed, away from those who answer.
async fn look_at(tls: &Arc<Tls>, in_any_case: bool) {
    let tls = Arc::clone(tls);
    let looked = tokio::task::spawn_blocking(move || tls.renew(in_any_case)).await;
    match looked {
        Ok(Ok(true)) => tracing::info!("a new certificate is in use"),
        Ok(Ok(false)) => {}
        Ok(Err(fault)) => {
            tracing::error!(cause = %fault, "the certificate stays as it was");
        }
        Err(fault) => tracing::error!(cause = %fault, "could not look at the certificate"),
    }
}
