//! Our own form: TOML. Every section and every key may be left out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{BackendConfig, Config, ConfigError, Listen, Place, VSOCK_PORT, status_socket};
use crate::backend::intel::IntelSettings;
use crate::connection::Deadlines;
use crate::listen::UnixSettings;
use crate::peers::Limits;
use crate::pool::PoolSettings;
use crate::service::Settings;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    unix: Option<UnixSection>,
    vsock: Option<VsockSection>,
    #[serde(default)]
    backend: BackendSection,
    #[serde(default)]
    workers: WorkersSection,
    #[serde(default)]
    limits: LimitsSection,
    #[serde(default)]
    deadlines: DeadlinesSection,
    #[serde(default)]
    health: HealthSection,
    metrics: Option<MetricsSection>,
    status: Option<UnixSection>,
    #[serde(default)]
    service: ServiceSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct UnixSection {
    path: Option<PathBuf>,
    mode: Option<Mode>,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct VsockSection {
    port: Option<Port>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum BackendSection {
    Intel {
        library: Option<PathBuf>,
        tdqe: Option<PathBuf>,
        pce: Option<PathBuf>,
        provider: Option<PathBuf>,
        id_enclave: Option<PathBuf>,
    },
    Simulated {
        platform: PathBuf,
    },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct WorkersSection {
    count: Option<Bounded<1, 255>>,
    queue: Option<Bounded<1, 65_536>>,
    first_pause_seconds: Option<Bounded<1, 3_600>>,
    longest_pause_seconds: Option<Bounded<1, 3_600>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct LimitsSection {
    connections: Option<Bounded<1, 1_000_000>>,
    connections_per_user: Option<Bounded<1, 1_000_000>>,
    connections_per_machine: Option<Bounded<1, 1_000_000>>,
    requests_per_user: Option<Bounded<1, 1_000_000>>,
    requests_per_machine: Option<Bounded<1, 1_000_000>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct DeadlinesSection {
    request_seconds: Option<Bounded<1, 600>>,
    answer_seconds: Option<Bounded<1, 600>>,
    send_seconds: Option<Bounded<1, 600>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct HealthSection {
    interval_seconds: Option<Bounded<0, 86_400>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct MetricsSection {
    address: SocketAddr,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct ServiceSection {
    user: Option<String>,
}

impl Default for BackendSection {
    fn default() -> Self {
        Self::Intel { library: None, tdqe: None, pce: None, provider: None, id_enclave: None }
    }
}

/// A number with bounds, so that the error has a place.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Bounded<const LEAST: i64, const MOST: i64>(u32);

impl<const LEAST: i64, const MOST: i64> TryFrom<i64> for Bounded<LEAST, MOST> {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        let fits = (LEAST..=MOST).contains(&value).then(|| u32::try_from(value).ok()).flatten();
        fits.map(Self).ok_or_else(|| format!("{value}, expected a number from {LEAST} to {MOST}"))
    }
}

impl<const LEAST: i64, const MOST: i64> Bounded<LEAST, MOST> {
    fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn seconds(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

/// A port; the largest number stands for any.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Port(u32);

impl TryFrom<i64> for Port {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        let port = u32::try_from(value).ok().filter(|port| (1..u32::MAX).contains(port));
        port.map(Self)
            .ok_or_else(|| format!("{value}, expected a vsock port from 1 to {}", u32::MAX - 1))
    }
}

/// The mode of a file, in octal as everybody writes it.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Mode(u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            format!("`{}`, expected an octal mode such as \"0660\"", text.escape_debug())
        })
    }
}

pub(super) fn read(text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|fault| ConfigError {
        place: fault.span().map(|span| Place::of(text, span.start)),
        cause: fault.message().into(),
    })?;
    let pool = pool(&file.workers);
    if pool.first_pause > pool.longest_pause {
        let (first, longest) = (pool.first_pause.as_secs(), pool.longest_pause.as_secs());
        let cause = format!(
            "[workers] first_pause_seconds is {first}, expected at most longest_pause_seconds, which is {longest}"
        );
        return Err(ConfigError { place: None, cause });
    }
    let interval = file.health.interval_seconds.map(Bounded::seconds);
    Ok(Config {
        listen: listen(file.unix, file.vsock),
        backend: backend(file.backend),
        settings: Settings {
            pool,
            limits: limits(&file.limits),
            deadlines: deadlines(&file.deadlines),
            health_interval: match interval {
                Some(interval) => Some(interval).filter(|interval| !interval.is_zero()),
                None => Settings::default().health_interval,
            },
        },
        metrics: file.metrics.map(|metrics| metrics.address),
        status: Some(match file.status {
            Some(section) => unix(section, status_socket()),
            None => status_socket(),
        }),
        user: file.service.user,
    })
}

fn listen(socket: Option<UnixSection>, vsock: Option<VsockSection>) -> Listen {
    if socket.is_none() && vsock.is_none() {
        return Listen::default();
    }
    Listen {
        unix: socket.map(|section| unix(section, UnixSettings::default())),
        vsock: vsock.map(|section| section.port.map_or(VSOCK_PORT, |port| port.0)),
        asked_for: true,
    }
}

fn unix(section: UnixSection, default: UnixSettings) -> UnixSettings {
    UnixSettings {
        path: section.path.unwrap_or(default.path),
        mode: section.mode.map_or(default.mode, |mode| mode.0),
        group: section.group.or(default.group),
    }
}

fn backend(section: BackendSection) -> BackendConfig {
    match section {
        BackendSection::Intel { library, tdqe, pce, provider, id_enclave } => {
            let library = library.unwrap_or(IntelSettings::default().library);
            BackendConfig::Intel(IntelSettings { library, tdqe, pce, provider, id_enclave })
        }
        BackendSection::Simulated { platform } => BackendConfig::Simulated { platform },
    }
}

fn pool(section: &WorkersSection) -> PoolSettings {
    let default = PoolSettings::default();
    PoolSettings {
        workers: section.count.map_or(default.workers, Bounded::size),
        queue: section.queue.map_or(default.queue, Bounded::size),
        first_pause: section.first_pause_seconds.map_or(default.first_pause, Bounded::seconds),
        longest_pause: section
            .longest_pause_seconds
            .map_or(default.longest_pause, Bounded::seconds),
    }
}

fn limits(section: &LimitsSection) -> Limits {
    let default = Limits::default();
    Limits {
        connections: section.connections.map_or(default.connections, Bounded::size),
        connections_per_user: section
            .connections_per_user
            .map_or(default.connections_per_user, Bounded::size),
        connections_per_machine: section
            .connections_per_machine
            .map_or(default.connections_per_machine, Bounded::size),
        requests_per_user: section
            .requests_per_user
            .map_or(default.requests_per_user, Bounded::size),
        requests_per_machine: section
            .requests_per_machine
            .map_or(default.requests_per_machine, Bounded::size),
    }
}

fn deadlines(section: &DeadlinesSection) -> Deadlines {
    let default = Deadlines::default();
    Deadlines {
        request: section.request_seconds.map_or(default.request, Bounded::seconds),
        answer: section.answer_seconds.map_or(default.answer, Bounded::seconds),
        send: section.send_seconds.map_or(default.send, Bounded::seconds),
    }
}
