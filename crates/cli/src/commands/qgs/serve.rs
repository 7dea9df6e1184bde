//! `tdattest qgs serve`: takes requests until it is told to end.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tdattest_qgs::backend::Backend;
use tdattest_qgs::backend::intel::Intel;
use tdattest_qgs::config::{BackendConfig, Config};
use tdattest_qgs::listen::{ListenError, Listener, inherited};
use tdattest_qgs::{Failure, Service};

use super::configuration::ConfigArgs;
use super::simulated::Simulated;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::service::log::{self, Form, Level};
use crate::service::privileges;
use crate::simulation;

/// Make quotes for the TDs of this host, over vsock and a Unix socket
///
/// Speaks the protocol of Intel's QGS to every client that knows it: QEMU, libtdx_attest, and programs that send a bare
/// TDREPORT. SIGTERM and Ctrl-C end it when all who were let in have their answers; SIGHUP reads the configuration
/// again, except for its sockets and the user. Takes the sockets that systemd has opened, if it has.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// The form of the log [default: journal if systemd started this, else text]
    #[arg(long, value_enum)]
    log: Option<Form>,

    /// How much is logged: every answer at debug
    #[arg(long, value_enum, default_value = "info")]
    log_level: Level,
}

const EXAMPLES: &str = "\
Examples:
  As Intel's daemon, with its configuration file if it is there:
    tdattest qgs serve

  On a machine without TDX, for the TD of a simulated platform:
    tdattest qgs serve --platform my-platform --listen unix:qgs.socket --status status.socket
    tdattest sim td --platform my-platform --qgs unix:qgs.socket -- tdattest quote -o quote.dat

  With metrics for Prometheus, and as another user once the sockets are open:
    tdattest qgs serve --metrics 127.0.0.1:9464 --user qgsd

Exit codes:
  0  ended by a signal, everybody answered
  1  ended by a signal, and somebody was left without an answer
  2  misuse, or a configuration or a socket that cannot be used
  3  Intel's libraries, or what they need, are not here";

/// How long the workers of a reload may take to load their enclaves.
const RELOAD: Duration = Duration::from_secs(60);

/// Descriptors that are for something else than connections.
const OTHER_DESCRIPTORS: usize = 128;

pub(super) fn run(args: &Args) -> Result<Exit> {
    let (mut config, source) = args.config.read()?;
    log::start(args.log, args.log_level, "tdattest-qgs")?;
    // While there is one thread, and before there is a socket file to leave behind.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    let backend = match backend(&config)? {
        Ok(backend) => backend,
        Err(failure) => return Ok(impossible(&failure)),
    };
    let sockets = Sockets::open(&config)?;
    if let Some(user) = &config.user {
        privileges::become_user(user, "packaging/qgs/tdattest-qgs.sysusers")?;
    }
    bound_connections(&mut config);
    let metrics = sockets.metrics.as_ref().and_then(|listener| listener.local_addr().ok());
    let service = start(sockets, backend, &config)?;
    let listeners = service.status().listeners.join(", ");
    let metrics = metrics.map(tracing::field::display);
    tracing::info!(%listeners, metrics, configuration = %source, "serving");
    // Nobody may listen: started by hand.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        reload(args, &service, &mut config);
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("ending; whoever was let in is answered; a second signal ends it at once");
    thread::spawn(move || {
        if signals.forever().any(|signal| signal != SIGHUP) {
            std::process::exit(1);
        }
    });
    let patience = service.longest_exchange().saturating_add(Duration::from_secs(1));
    Ok(if service.drain(patience) { Exit::Success } else { Exit::Refused })
}

/// Lets this process have as many descriptors as it may, and takes no more connections than that.
fn bound_connections(config: &mut Config) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(fault) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(cause = %fault, "cannot raise the limit of open files");
    }
    let most = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let most = most.unwrap_or(usize::MAX).saturating_sub(OTHER_DESCRIPTORS).max(1);
    let limits = &mut config.settings.limits;
    if limits.connections > most {
        tracing::warn!(most, "fewer connections than configured: there are not more open files");
        limits.connections = most;
    }
}

/// Everything that is listened at.
struct Sockets {
    listeners: Vec<Listener>,
    status: Option<Listener>,
    metrics: Option<TcpListener>,
}

impl Sockets {
    fn open(config: &Config) -> Result<Self> {
        let mut listeners = inherited().map_err(unusable)?;
        if listeners.is_empty() {
            listeners = listen(config)?;
        } else if config.listen.asked_for {
            tracing::warn!("systemd has opened the sockets: those of the configuration are not");
        }
        let status = config.status.as_ref().map(Listener::unix).transpose();
        let status = match status {
            Err(fault) if !config.listen.asked_for => {
                tracing::warn!(cause = %fault, "no status socket: `tdattest qgs status` will not work");
                None
            }
            status => status.map_err(unusable)?,
        };
        let metrics = config.metrics.map(TcpListener::bind).transpose();
        let metrics = metrics.context("cannot serve metrics")?;
        Ok(Self { listeners, status, metrics })
    }
}

/// Opens what the configuration names. What nobody asked for may be missing, but not all of it.
fn listen(config: &Config) -> Result<Vec<Listener>> {
    let unix = config.listen.unix.as_ref().map(Listener::unix);
    let vsock = config.listen.vsock.map(Listener::vsock);
    let mut listeners = Vec::new();
    let mut last = None;
    for opened in [unix, vsock].into_iter().flatten() {
        match opened {
            Ok(listener) => listeners.push(listener),
            Err(fault) if config.listen.asked_for => return Err(unusable(fault)),
            Err(fault) => {
                tracing::warn!(cause = %fault, "one way in less");
                last = Some(fault);
            }
        }
    }
    match last {
        Some(fault) if listeners.is_empty() => Err(unusable(fault)),
        _ => Ok(listeners),
    }
}

fn start(sockets: Sockets, backend: Arc<dyn Backend>, config: &Config) -> Result<Service> {
    let Sockets { listeners, status, metrics } = sockets;
    let mut service =
        Service::start(listeners, backend, config.settings).context("cannot start the service")?;
    if let Some(listener) = status {
        service.serve_status(listener).context("cannot serve the status")?;
    }
    if let Some(listener) = metrics {
        service.serve_http(listener).context("cannot serve metrics")?;
    }
    Ok(service)
}

/// The backend of a configuration, or why it cannot be here.
pub(super) fn backend(config: &Config) -> Result<Result<Arc<dyn Backend>, Failure>> {
    match &config.backend {
        BackendConfig::Simulated { platform } => {
            let platform = simulation::open(platform, &[])?;
            Ok(Ok(Arc::new(Simulated(platform))))
        }
        BackendConfig::Intel(settings) => {
            Ok(Intel::load(settings.clone()).map(|intel| Arc::new(intel) as Arc<dyn Backend>))
        }
    }
}

/// Goes on with the configuration as it is now; as it was, if that cannot be.
fn reload(args: &Args, service: &Service, config: &mut Config) {
    let kept = "not reloaded: the service goes on as it was";
    let (mut renewed, source) = match args.config.read() {
        Ok(renewed) => renewed,
        Err(fault) => return tracing::error!(cause = format!("{fault:#}"), "{kept}"),
    };
    bound_connections(&mut renewed);
    let changed =
        renewed.backend != config.backend || renewed.settings.pool != config.settings.pool;
    // The folder of a simulated platform may have changed under the same name.
    let simulated = matches!(renewed.backend, BackendConfig::Simulated { .. });
    let backend = match (changed || simulated).then(|| backend(&renewed)).transpose() {
        Ok(backend) => backend.transpose(),
        Err(fault) => return tracing::error!(cause = format!("{fault:#}"), "{kept}"),
    };
    let reloaded = backend.and_then(|backend| service.reload(backend, renewed.settings, RELOAD));
    match reloaded {
        Ok(()) => {
            *config = renewed;
            tracing::info!(configuration = %source, "reloaded");
        }
        Err(failure) => tracing::error!(code = failure.code, cause = %failure, "{kept}"),
    }
}

/// Says why quotes cannot be made here.
fn impossible(failure: &Failure) -> Exit {
    output::error(&match failure.remedy {
        Some(remedy) => Hinted::error(failure, remedy),
        None => anyhow::anyhow!("{failure}"),
    });
    Exit::Unavailable
}

fn unusable(fault: ListenError) -> anyhow::Error {
    let hint = match &fault {
        ListenError::InUse(_) | ListenError::Starting(_) => {
            "end the service that listens there, or listen elsewhere with --listen"
        }
        ListenError::NoSocket(_) => "move the file away, or listen elsewhere with --listen",
        ListenError::NoGroup { .. } => {
            "make the group with packaging/qgs/tdattest-qgs.sysusers, or name another one"
        }
        ListenError::Inherited(_) => {
            "in the .socket unit, ListenStream= takes a path or vsock::PORT"
        }
        _ => {
            "see `tdattest qgs check`; without root, listen at a path of your own with --listen unix:PATH"
        }
    };
    Hinted::error(fault, hint)
}
