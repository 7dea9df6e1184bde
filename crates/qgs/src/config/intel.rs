//! The `qgs.conf` of Intel's daemon: `port` and `number_threads`.
//!
//! Source: Intel DCAP, the daemon as observed: blanks are taken out of every line, `#` at its start makes a comment, a
//! port chooses vsock, its absence the Unix socket. Without `number_threads` that daemon takes connections and answers
//! none; here there are as many workers as without a file.

use super::{Config, ConfigError, Listen, Place};
use crate::listen::UnixSettings;

/// What the file says.
#[derive(Default)]
struct Found {
    port: Option<u32>,
    workers: Option<usize>,
}

pub(super) fn read(text: &str) -> Result<Config, ConfigError> {
    let mut found = Found::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim().starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let at_name = Place { line: number, column: first_column(name) };
        let column = name.chars().count().saturating_add(1).saturating_add(first_column(value));
        let at_value = Place { line: number, column };
        let wrong = |place, cause| ConfigError { place: Some(place), cause };
        if !line.contains('=') {
            let found = line.trim().escape_debug();
            return Err(wrong(at_name, format!("expected `name = value`, found `{found}`")));
        }
        let key = Key::named(name.trim()).map_err(|cause| wrong(at_name, cause))?;
        let value = key.number(value.trim()).map_err(|cause| wrong(at_value, cause))?;
        found.take(key, value).map_err(|cause| wrong(at_name, cause))?;
    }
    let listen = match found.port {
        Some(port) => Listen { unix: None, vsock: Some(port), asked_for: true },
        None => Listen { unix: Some(UnixSettings::default()), vsock: None, asked_for: true },
    };
    let mut config = Config { listen, ..Config::default() };
    if let Some(workers) = found.workers {
        config.settings.pool.workers = workers;
    }
    Ok(config)
}

/// The column of the first character that is no blank.
fn first_column(text: &str) -> usize {
    text.chars().take_while(|char| char.is_whitespace()).count().saturating_add(1)
}

/// What the file may say.
#[derive(Clone, Copy)]
enum Key {
    Port,
    NumberThreads,
}

impl Key {
    fn named(name: &str) -> Result<Self, String> {
        [Self::Port, Self::NumberThreads].into_iter().find(|key| key.name() == name).ok_or_else(
            || {
                let found = name.escape_debug();
                format!("unknown key `{found}`, expected `port` or `number_threads`")
            },
        )
    }

    fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::NumberThreads => "number_threads",
        }
    }

    fn number(self, value: &str) -> Result<u32, String> {
        let most = match self {
            Self::Port => 65_535,
            Self::NumberThreads => 255,
        };
        let parsed = value.parse().ok().filter(|number| (1..=most).contains(number));
        parsed.ok_or_else(|| {
            let (name, value) = (self.name(), value.escape_debug());
            format!("`{name}` is `{value}`, expected a number from 1 to {most}")
        })
    }
}

impl Found {
    fn take(&mut self, key: Key, number: u32) -> Result<(), String> {
        let earlier = match key {
            Key::Port => self.port.replace(number).is_some(),
            Key::NumberThreads => {
                let workers = usize::try_from(number).unwrap_or(usize::MAX);
                self.workers.replace(workers).is_some()
            }
        };
        match earlier {
            true => Err(format!("`{}` stands here a second time", key.name())),
            false => Ok(()),
        }
    }
}
