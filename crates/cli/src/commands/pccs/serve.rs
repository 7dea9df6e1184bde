//! `tdattest pccs serve`: answers until it is told to end.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tdattest_pccs::config::{CertificateAt, Config};
use tdattest_pccs::tls::{ServerName, Tls, TlsError, seed_random};
use tdattest_pccs::{Answers, Counters, ListenAt, Parts, Service};

use super::configuration::{ConfigArgs, Origin, Read, take_intels_certificate};
use super::open::{self, IfAbsent, Opened};
use super::sockets::Sockets;
use super::told::Told;
use crate::exit::Exit;
use crate::output::Hinted;
use crate::service::log::{self, Form, Level};
use crate::service::privileges;

/// Keep and serve Intel's collateral, with the API of Intel's PCCS
///
/// HTTPS on port 8081 with a certificate of its own, unless told otherwise; clients trust the CA in tls/ca.pem of the
/// folder of the service. Every document is verified up to Intel's root before it is kept, and fetched anew ahead of its
/// end. SIGTERM and Ctrl-C end it when all who were let in have their answers; SIGHUP reads the certificate again. Takes
/// the sockets that systemd has opened, if it has.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// Listen here and nowhere else: HOST:PORT for HTTPS, http://HOST:PORT, or unix:PATH; may be given several times [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", value_parser = str::parse::<ListenAt>)]
    listen: Vec<ListenAt>,

    /// A name or an address of this service that its certificate is made for; may be given several times
    #[arg(long, value_name = "NAME", value_parser = str::parse::<ServerName>)]
    name: Vec<ServerName>,

    /// Serve metrics and health over HTTP here, such as 127.0.0.1:9465
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,

    /// The user to become once the sockets are open
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The form of the log [default: journal if systemd started this, else text]
    #[arg(long, value_enum)]
    log: Option<Form>,

    /// How much is logged: every request at debug
    #[arg(long, value_enum, default_value = "info")]
    log_level: Level,
}

const EXAMPLES: &str = "\
Examples:
  On this machine, with everything in one folder, and a question to it:
    tdattest pccs serve --state pccs
    curl --cacert pccs/tls/ca.pem 'https://localhost:8081/sgx/certification/v4/qe/identity'

  For other machines, which know it by this name:
    tdattest pccs serve --listen 0.0.0.0:8081 --name pccs.example.org

  With the configuration of Intel's service:
    tdattest pccs serve --config /opt/intel/sgx-dcap-pccs/config/default.json

  Without Intel, for a platform that you simulate:
    tdattest sim pcs --platform my-platform --listen 127.0.0.1:8080
    tdattest pccs serve --state pccs --source http://127.0.0.1:8080 --root my-platform/root.pem

Exit codes:
  0  ended by a signal, everybody answered
  1  ended by a signal, and somebody was left without an answer; or a part of the service ended by itself
  2  misuse, or a configuration, a socket or a certificate that cannot be used
  3  the database is not there, or refuses its user";

/// How long a drain may take: as long as an answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &Args) -> Result<Exit> {
    let Read { mut config, origin, notes, intels } = args.config.read()?;
    args.lay_over(&mut config);
    config.check()?;
    log::start(args.log, args.log_level, "tdattest-pccs")?;
    notes.iter().for_each(|note| tracing::warn!("{note}"));
    // While there is one thread, and before there is a socket file to leave behind.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    let sockets = Sockets::open(&config)?;
    if let Some(user) = &config.user {
        privileges::become_user(user, "packaging/pccs/tdattest-pccs.sysusers")?;
    }
    if let (Some(folder), true) = (&intels, args.name.is_empty() && sockets.has_https()) {
        let note = take_intels_certificate(&mut config, folder)?;
        note.iter().for_each(|note| tracing::warn!("{note}"));
    }
    let runtime = open::runtime()?;
    runtime.spawn_blocking(seed_random);
    let drained = runtime.block_on(serve(&config, &origin, sockets, signals));
    runtime.shutdown_background();
    drained
}

impl Args {
    /// What the command line says goes before the file.
    fn lay_over(&self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        if !self.name.is_empty() {
            config.certificate = CertificateAt::Generated(self.name.clone());
        }
        config.metrics = self.metrics.or(config.metrics);
        config.user = self.user.clone().or(config.user.take());
    }
}

async fn serve(
    config: &Config,
    origin: &Origin,
    sockets: Sockets,
    signals: Signals,
) -> Result<Exit> {
    let Sockets { listeners, metrics } = sockets;
    let (clock, counters) = (open::clock()?, Counters::default());
    let tls = config.tls(&listeners).map(|settings| Tls::start(settings, Arc::clone(&clock)));
    let tls = tls.transpose().map_err(uncertified)?.map(Arc::new);
    let opened = open::everything(config, IfAbsent::Make, &counters, &clock).await?;
    let Opened { pccs, store } = match opened {
        Ok(opened) => opened,
        Err(fault) => return Ok(open::unavailable(&fault, config)),
    };
    let at: Vec<String> = listeners.iter().map(|listener| listener.at().to_string()).collect();
    let ca = tls.as_ref().and_then(|tls| tls.ca_file());
    let metrics_at = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
    let mut service = Service::start(Parts {
        answers: pccs as Arc<dyn Answers>,
        store: Arc::clone(&store),
        clock,
        listeners,
        tls,
        metrics,
        limits: config.limits,
        rhythm: config.rhythm,
        counters,
    })
    .context("cannot start the service")?;
    tracing::info!(
        listeners = at.join(", "),
        ca = ca.map(|path| path.display().to_string()),
        metrics = metrics_at.map(tracing::field::display),
        store = store.kind(),
        configuration = %origin,
        "serving"
    );
    // Nobody may listen: started by hand.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let mut told = Told::by(signals);
    let broken = loop {
        match next(&mut told, &mut service).await {
            Some(Some(SIGHUP)) => service.reload_certificate().await,
            Some(_) => break false,
            None => break true,
        }
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("ending; whoever was let in is answered; a second signal ends it at once");
    let answered = service.drain(PATIENCE).await;
    Ok(if answered && !broken { Exit::Success } else { Exit::Refused })
}

/// The next signal; nothing when a part of the service has ended by itself.
async fn next(told: &mut Told, service: &mut Service) -> Option<Option<i32>> {
    let (mut signal, mut ended) = (pin!(told.next()), pin!(service.ended()));
    poll_fn(|context| match signal.as_mut().poll(context) {
        Poll::Ready(signal) => Poll::Ready(Some(signal)),
        Poll::Pending => ended.as_mut().poll(context).map(|()| None),
    })
    .await
}

fn uncertified(fault: TlsError) -> anyhow::Error {
    let hint = match &fault {
        TlsError::NotForName { .. } => {
            "leave the name out; or remove the folder, so that a new CA is made, and give that to all clients"
        }
        TlsError::File { .. } => {
            "choose a folder that this user may write with --state, or see to the files of [tls]"
        }
        _ => "see to the files of [tls]: PEM, the certificate first, and its own key",
    };
    Hinted::error(fault, hint)
}
