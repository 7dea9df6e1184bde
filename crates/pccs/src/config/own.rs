//! Our own form: TOML. Every section and every key may be left out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use tdattest_collateral::{Pin, Proxy, Source, Trust};

use super::{CertificateAt, Config, ConfigError, DATABASE, Place, SourceAt, StoreAt, UrlAt};
use crate::api::Settings;
use crate::fill_mode::FillMode;
use crate::server::{Limits, ListenAt};
use crate::service::Rhythm;
use crate::tls::ServerName;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Vec<Read<ListenAt>>>,
    #[serde(default)]
    dangerous_plain_http: bool,
    state: Option<PathBuf>,
    user: Option<String>,
    #[serde(default)]
    tls: TlsSection,
    #[serde(default)]
    store: StoreSection,
    source: Option<Vec<SourceSection>>,
    #[serde(default)]
    cache: CacheSection,
    #[serde(default)]
    refresh: RefreshSection,
    #[serde(default)]
    access: AccessSection,
    #[serde(default)]
    trust: TrustSection,
    #[serde(default)]
    limits: LimitsSection,
    #[serde(default)]
    deadlines: DeadlinesSection,
    metrics: Option<MetricsSection>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct TlsSection {
    names: Option<Vec<Read<ServerName>>>,
    files: Option<TlsFiles>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{ certificate = …, private_key = … }`")]
struct TlsFiles {
    certificate: PathBuf,
    private_key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct StoreSection {
    at: Option<Read<Where>>,
    database_url_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

/// What `at` of the store says.
enum Where {
    Memory,
    Sqlite(PathBuf),
    Postgres(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in double brackets")]
struct SourceSection {
    at: Read<Source>,
    api_key_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    pin_sha256: Option<Vec<Read<Pin>>>,
    #[serde(default)]
    dangerous_insecure: bool,
    #[serde(default)]
    dangerous_plain_http: bool,
    proxy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct CacheSection {
    mode: Option<Mode>,
    #[serde(default)]
    allow_stale: bool,
    memory_mib: Option<Bounded<1, 4_096>>,
    upstream_at_once: Option<Bounded<1, 1_000>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Lazy,
    Req,
    Offline,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct RefreshSection {
    lead_hours: Option<Bounded<1, 720>>,
    jitter_hours: Option<Bounded<0, 168>>,
    look_every_minutes: Option<Bounded<0, 1_440>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct AccessSection {
    user_token_sha512: Option<String>,
    admin_token_sha512: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct TrustSection {
    root_certificate: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct LimitsSection {
    connections: Option<Bounded<1, 1_000_000>>,
    connections_per_address: Option<Bounded<1, 1_000_000>>,
    body_kib: Option<Bounded<1, 65_536>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct DeadlinesSection {
    handshake_seconds: Option<Bounded<1, 600>>,
    head_seconds: Option<Bounded<1, 600>>,
    request_seconds: Option<Bounded<1, 600>>,
    client_seconds: Option<Bounded<1, 600>>,
    send_seconds: Option<Bounded<1, 600>>,
    keep_alive_seconds: Option<Bounded<1, 3_600>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section in brackets")]
struct MetricsSection {
    address: SocketAddr,
}

/// A text that says a value, so that the error has a place.
#[derive(Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr, T::Err: std::fmt::Display")]
struct Read<T>(T);

impl<T: FromStr<Err: std::fmt::Display>> TryFrom<String> for Read<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|fault: T::Err| fault.to_string())
    }
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_url =
            |text: &str| text.starts_with("postgres://") || text.starts_with("postgresql://");
        match text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Some(path) => Ok(Self::Sqlite(path.into())),
            None if text == "memory" => Ok(Self::Memory),
            None if is_url(text) => Ok(Self::Postgres(text.into())),
            // Not what was found: it may hold a password.
            None => Err("expected sqlite:PATH, postgres://… or memory".into()),
        }
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
    fn size(self, unit: usize) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX).saturating_mul(unit)
    }

    fn times(self, seconds: u64) -> Duration {
        Duration::from_secs(u64::from(self.0).saturating_mul(seconds))
    }

    fn seconds(self) -> Duration {
        self.times(1)
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

pub(super) fn read(text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|fault| ConfigError {
        place: fault.span().map(|span| Place::of(text, span.start)),
        cause: fault.message().into(),
    })?;
    let default = Config::default();
    let state = file.state.unwrap_or(default.state);
    let sources = match file.source {
        Some(sections) => sections.into_iter().map(source).collect::<Result<_, _>>()?,
        None => default.sources,
    };
    let api = api(&file.cache, &file.refresh, file.access, &file.deadlines);
    let config = Config {
        listen: match file.listen {
            Some(listen) => listen.into_iter().map(|at| at.0).collect(),
            None => default.listen,
        },
        dangerous_plain_http: file.dangerous_plain_http,
        certificate: certificate(file.tls)?,
        store: store(file.store, &state)?,
        state,
        sources,
        retry: default.retry,
        limits: limits(&file.limits, &file.deadlines, api.client_deadline),
        api,
        root_certificate: file.trust.root_certificate,
        metrics: file.metrics.map(|metrics| metrics.address),
        rhythm: rhythm(&file.refresh),
        user: file.user,
    };
    config.check()?;
    Ok(config)
}

fn together(cause: &str) -> ConfigError {
    ConfigError { place: None, cause: cause.into() }
}

fn certificate(section: TlsSection) -> Result<CertificateAt, ConfigError> {
    match (section.files, section.names) {
        (Some(_), Some(_)) => Err(together(
            "[tls] has `files` and `names`: names are for a certificate that is made here, expected one of both",
        )),
        (Some(TlsFiles { certificate, private_key }), None) => {
            Ok(CertificateAt::Files { certificate, private_key })
        }
        (None, names) => {
            let names = names.unwrap_or_default().into_iter().map(|name| name.0).collect();
            Ok(CertificateAt::Generated(names))
        }
    }
}

fn store(section: StoreSection, state: &std::path::Path) -> Result<StoreAt, ConfigError> {
    let StoreSection { at, database_url_file, ca_file } = section;
    match (at.map(|at| at.0), database_url_file) {
        (Some(_), Some(_)) => {
            Err(together("[store] has `at` and `database_url_file`, expected one of both"))
        }
        (None, Some(path)) => Ok(StoreAt::Postgres { url: UrlAt::File(path), ca_file }),
        (Some(Where::Postgres(url)), None) => {
            Ok(StoreAt::Postgres { url: UrlAt::Given(url), ca_file })
        }
        _ if ca_file.is_some() => Err(together("[store] has `ca_file`, which is for PostgreSQL")),
        (Some(Where::Memory), None) => Ok(StoreAt::Memory),
        (Some(Where::Sqlite(path)), None) => Ok(StoreAt::Sqlite(path)),
        (None, None) => Ok(StoreAt::Sqlite(state.join(DATABASE))),
    }
}

fn source(section: SourceSection) -> Result<SourceAt, ConfigError> {
    let SourceSection {
        at,
        api_key_file,
        ca_file,
        pin_sha256,
        dangerous_insecure,
        dangerous_plain_http,
        proxy,
    } = section;
    let trust = match (ca_file, pin_sha256, dangerous_insecure) {
        (None, None, false) => Trust::System,
        (Some(path), None, false) => Trust::CaFile(path),
        (None, Some(pins), false) => Trust::Pins(pins.into_iter().map(|pin| pin.0).collect()),
        (None, None, true) => Trust::DangerousInsecure,
        _ => {
            return Err(together(
                "a [[source]] has more than one of `ca_file`, `pin_sha256` and `dangerous_insecure`",
            ));
        }
    };
    let proxy = match proxy.as_deref() {
        None => Proxy::Environment,
        Some("none") => Proxy::None,
        Some(at) => Proxy::At(at.into()),
    };
    let mut source = at.0.with_trust(trust).with_proxy(proxy);
    if dangerous_plain_http {
        source = source.dangerous_allow_http();
    }
    Ok(SourceAt { source, api_key_file })
}

fn api(
    cache: &CacheSection,
    refresh: &RefreshSection,
    access: AccessSection,
    deadlines: &DeadlinesSection,
) -> Settings {
    let default = Settings::default();
    Settings {
        mode: match cache.mode {
            None => default.mode,
            Some(Mode::Lazy) => FillMode::Lazy,
            Some(Mode::Req) => FillMode::Req,
            Some(Mode::Offline) => FillMode::Offline,
        },
        client_deadline: deadlines.client_seconds.map_or(default.client_deadline, Bounded::seconds),
        upstream_at_once: cache
            .upstream_at_once
            .map_or(default.upstream_at_once, |number| number.size(1)),
        hot_bytes: cache.memory_mib.map_or(default.hot_bytes, |number| number.size(1024 * 1024)),
        allow_stale: cache.allow_stale,
        refresh_lead: refresh.lead_hours.map_or(default.refresh_lead, |hours| hours.times(HOUR)),
        refresh_jitter: refresh
            .jitter_hours
            .map_or(default.refresh_jitter, |hours| hours.times(HOUR)),
        user_token_hash: access.user_token_sha512,
        admin_token_hash: access.admin_token_sha512,
        watcher: None,
    }
}

/// Into how many shares the connections go, where no number was given for one address.
const SHARES: usize = 4;

fn limits(limits: &LimitsSection, deadlines: &DeadlinesSection, client: Duration) -> Limits {
    let default = Limits::default();
    let seconds = |given: Option<Bounded<1, 600>>, default| given.map_or(default, Bounded::seconds);
    let connections = limits.connections.map_or(default.connections, |number| number.size(1));
    Limits {
        connections,
        connections_per_address: limits
            .connections_per_address
            .map_or_else(|| connections.div_ceil(SHARES), |number| number.size(1)),
        body_bytes: limits.body_kib.map_or(default.body_bytes, |number| number.size(1024)),
        handshake: seconds(deadlines.handshake_seconds, default.handshake),
        head: seconds(deadlines.head_seconds, default.head),
        request: seconds(deadlines.request_seconds, default.request),
        send: seconds(deadlines.send_seconds, default.send),
        keep_alive: deadlines.keep_alive_seconds.map_or(default.keep_alive, Bounded::seconds),
        // The API keeps to the client's deadline by itself; this is for when it does not.
        answer: client.saturating_mul(2).max(default.answer),
        header_bytes: default.header_bytes,
    }
}

fn rhythm(section: &RefreshSection) -> Rhythm {
    let default = Rhythm::default();
    let refresh = match section.look_every_minutes {
        Some(minutes) => Some(minutes.times(MINUTE)).filter(|pause| !pause.is_zero()),
        None => default.refresh,
    };
    Rhythm { refresh, ..default }
}
