//! The configuration of Intel's service, `config/default.json`: JSON with comments.
//!
//! Source: Intel's PCCS 1.27, `config/default.json`. Its upstream is asked for more than it is there, so that `uri` names the
//! host alone; it keeps its cache in a file of another form, which `tdattest pccs import` reads.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tdattest_collateral::{Proxy, Source, SourceError};

use super::comments::blanked;
use super::{Config, ConfigError, PORT, Place, SourceAt};
use crate::api::Settings;
use crate::fill_mode::FillMode;
use crate::server::{Limits, ListenAt};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
#[allow(clippy::struct_field_names)]
struct File {
    #[serde(rename = "HTTPS_PORT")]
    https_port: Option<Number>,
    #[serde(rename = "hosts")]
    hosts: Option<String>,
    #[serde(rename = "uri")]
    uri: Option<String>,
    api_key: Option<String>,
    #[serde(rename = "proxy")]
    proxy: Option<String>,
    refresh_schedule: Option<IgnoredAny>,
    user_token_hash: Option<String>,
    admin_token_hash: Option<String>,
    max_request_body_size: Option<Size>,
    headers_timeout_seconds: Option<Number>,
    request_timeout_seconds: Option<Number>,
    keep_alive_timeout_seconds: Option<Number>,
    caching_fill_mode: Option<Mode>,
    #[serde(rename = "OPENSSL_FIPS_MODE")]
    openssl_fips_mode: Option<bool>,
    log_level: Option<IgnoredAny>,
    #[serde(rename = "DB_CONFIG")]
    db_config: Option<String>,
    #[serde(rename = "sqlite")]
    sqlite: Option<IgnoredAny>,
    #[serde(rename = "mysql")]
    mysql: Option<IgnoredAny>,
    #[serde(rename = "init_db")]
    init_db: Option<IgnoredAny>,
}

/// How large the largest body may be.
const BODY_BYTES: std::ops::RangeInclusive<usize> = 1024..=64 * 1024 * 1024;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    Lazy,
    Req,
    Offline,
}

/// A number, or the text of one.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "NumberOrText")]
struct Number(u32);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number")]
enum NumberOrText {
    Number(u32),
    Text(String),
}

impl TryFrom<NumberOrText> for Number {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, String> {
        match value {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => text
                .trim()
                .parse()
                .map(Self)
                .map_err(|_| format!("`{}`, expected a number", text.escape_debug())),
        }
    }
}

/// Bytes: a number, or one with `KB` or `MB`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "SizeOrText")]
struct Size(usize);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a size such as \"2MB\"")]
enum SizeOrText {
    Number(usize),
    Text(String),
}

impl TryFrom<SizeOrText> for Size {
    type Error = String;

    fn try_from(value: SizeOrText) -> Result<Self, String> {
        let text = match value {
            SizeOrText::Number(number) => return Ok(Self(number)),
            SizeOrText::Text(text) => text.trim().to_ascii_lowercase(),
        };
        let units = [("kb", 1024), ("mb", 1024 * 1024), ("gb", 1024 * 1024 * 1024), ("b", 1)];
        let (digits, unit) = units
            .into_iter()
            .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|digits| (digits, bytes)))
            .unwrap_or((&text, 1));
        let bytes = digits.trim().parse::<usize>().ok().and_then(|size| size.checked_mul(unit));
        bytes
            .map(Self)
            .ok_or_else(|| format!("`{}`, expected a size such as \"2MB\"", text.escape_debug()))
    }
}

pub(super) fn read(text: &str) -> Result<(Config, Vec<String>), ConfigError> {
    let file: File = serde_json::from_str(&blanked(text)).map_err(|fault| {
        let place = Place { line: fault.line(), column: fault.column() };
        let whole = fault.to_string();
        let cause = whole.split(" at line ").next().unwrap_or_default().to_owned();
        ConfigError { place: Some(place), cause }
    })?;
    let notes = without_effect(&file);
    if file.db_config.as_deref().is_some_and(|kind| kind != "sqlite") {
        return Err(wrong(
            "DB_CONFIG names a database that is not spoken to here: SQLite and PostgreSQL are, by [store] in a TOML configuration",
        ));
    }
    let config = Config {
        listen: vec![ListenAt::Https(address(&file)?)],
        sources: vec![source(&file)?],
        limits: limits(&file)?,
        api: api(file),
        ..Config::default()
    };
    config.check()?;
    Ok((config, notes))
}

fn wrong(cause: impl Into<String>) -> ConfigError {
    ConfigError { place: None, cause: cause.into() }
}

fn address(file: &File) -> Result<SocketAddr, ConfigError> {
    let port = file.https_port.map_or(PORT.into(), |port| port.0);
    let port = u16::try_from(port)
        .map_err(|_| wrong(format!("HTTPS_PORT is {port}, expected a port up to 65535")))?;
    let host: IpAddr = match file.hosts.as_deref().map(str::trim) {
        None | Some("") => IpAddr::from([127, 0, 0, 1]),
        Some("localhost") => IpAddr::from([127, 0, 0, 1]),
        Some(host) => host.parse().map_err(|_| {
            let found = host.escape_debug();
            wrong(format!("hosts is `{found}`, expected an address such as 127.0.0.1 or 0.0.0.0"))
        })?,
    };
    Ok(SocketAddr::new(host, port))
}

fn source(file: &File) -> Result<SourceAt, ConfigError> {
    let told = |fault: SourceError| wrong(fault.to_string());
    let mut source = match &file.uri {
        Some(uri) if uri.contains("/v3/") => {
            return Err(wrong("uri asks for version 3 of the PCS API, which Intel has ended"));
        }
        Some(uri) => uri.parse::<Source>().map_err(told)?,
        None => Source::intel(),
    };
    if let Some(proxy) = file.proxy.as_deref().map(str::trim).filter(|proxy| !proxy.is_empty()) {
        source = source.with_proxy(Proxy::At(proxy.into()));
    }
    // An empty key is none, and is never sent.
    let source = source.with_api_key(file.api_key.as_deref().unwrap_or_default()).map_err(told)?;
    Ok(SourceAt { source, api_key_file: None })
}

/// The bounds are those of our own form. To Intel's service a time of 0 is no limit, which there is not here.
fn limits(file: &File) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let body_bytes = match file.max_request_body_size {
        Some(Size(size)) if !BODY_BYTES.contains(&size) => {
            return Err(wrong(format!(
                "MaxRequestBodySize is {size} bytes, expected from 1KB to 64MB"
            )));
        }
        size => size.map_or(default.body_bytes, |size| size.0),
    };
    Ok(Limits {
        body_bytes,
        head: seconds("HeadersTimeoutSeconds", file.headers_timeout_seconds, 600, default.head)?,
        request: seconds(
            "RequestTimeoutSeconds",
            file.request_timeout_seconds,
            600,
            default.request,
        )?,
        keep_alive: seconds(
            "KeepAliveTimeoutSeconds",
            file.keep_alive_timeout_seconds,
            3_600,
            default.keep_alive,
        )?,
        ..default
    })
}

fn seconds(
    key: &str,
    number: Option<Number>,
    most: u32,
    default: Duration,
) -> Result<Duration, ConfigError> {
    match number {
        None => Ok(default),
        Some(Number(number)) if (1..=most).contains(&number) => {
            Ok(Duration::from_secs(number.into()))
        }
        Some(Number(number)) => {
            Err(wrong(format!("{key} is {number}, expected a number from 1 to {most}")))
        }
    }
}

fn api(file: File) -> Settings {
    let given = |hash: Option<String>| hash.filter(|hash| !hash.is_empty());
    Settings {
        mode: match file.caching_fill_mode {
            None | Some(Mode::Lazy) => FillMode::Lazy,
            Some(Mode::Req) => FillMode::Req,
            Some(Mode::Offline) => FillMode::Offline,
        },
        user_token_hash: given(file.user_token_hash),
        admin_token_hash: given(file.admin_token_hash),
        ..Settings::default()
    }
}

/// The keys that are there and have no effect.
fn without_effect(file: &File) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |is_there: bool, text: &str| {
        if is_there {
            notes.push(text.to_owned());
        }
    };
    note(
        file.refresh_schedule.is_some(),
        "RefreshSchedule has no effect: each document is fetched anew ahead of its end",
    );
    note(
        file.openssl_fips_mode == Some(true),
        "OPENSSL_FIPS_MODE has no effect: OpenSSL is not used",
    );
    note(file.log_level.is_some(), "LogLevel has no effect: give --log-level");
    note(
        file.sqlite.is_some() || file.db_config.is_some(),
        "sqlite and DB_CONFIG have no effect: the cache is kept in the folder of the service; `tdattest pccs import pckcache.db` brings over what is in Intel's",
    );
    note(file.mysql.is_some(), "mysql has no effect: MySQL is not spoken to");
    note(file.init_db.is_some(), "init_db has no effect: the database is always checked");
    notes
}
