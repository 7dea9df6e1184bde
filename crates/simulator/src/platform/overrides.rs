//! Other values for single keys of a platform: `hardware.pce_svn=12`, `standard.tcb_level.0.status=Revoked`.

use toml::{Table, Value};

use super::{Platform, PlatformError};

/// Why a key could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideError {
    /// Not `KEY=VALUE`.
    #[error("`{0}` is not KEY=VALUE, such as hardware.pce_svn=12")]
    Form(String),
    /// No such key.
    #[error("a platform has no key `{key}`: {hint}")]
    Unknown {
        /// The key, up to where it leads nowhere.
        key: String,
        /// What there is instead.
        hint: String,
    },
    /// The value is of another kind, or cannot be.
    #[error("`{setting}`: {fault}")]
    Value {
        /// The setting.
        setting: String,
        /// What is wrong with it.
        fault: PlatformError,
    },
}

impl Platform {
    /// This platform with another value for one key, as `KEY=VALUE`. A key is a path through `platform.toml`, an entry
    /// of a list by its index from 0. A value is written as in TOML; the quotes of a text may be left out.
    ///
    /// # Errors
    /// When there is no such key, or the value does not fit it.
    pub fn with(&self, setting: &str) -> Result<Self, OverrideError> {
        let form = || OverrideError::Form(setting.into());
        let (key, value) = setting.split_once('=').ok_or_else(form)?;
        let bad_value = |fault| OverrideError::Value { setting: setting.into(), fault };
        let toml_fault =
            |fault: toml::ser::Error| bad_value(PlatformError::Toml(fault.to_string()));
        let mut root = Value::try_from(self).map_err(toml_fault)?;
        let target = find(&mut root, key.trim())?;
        *target = parse_value(value.trim(), target);
        let platform = root
            .try_into::<Self>()
            .map_err(|fault| bad_value(PlatformError::Toml(fault.message().to_owned())))?;
        platform.checked().map_err(bad_value)
    }
}

fn find<'v>(root: &'v mut Value, key: &str) -> Result<&'v mut Value, OverrideError> {
    let mut target = root;
    let mut walked: Vec<&str> = Vec::new();
    for step in key.split('.') {
        walked.push(step);
        let hint = choices(target);
        let next = match target {
            Value::Table(table) => table.get_mut(step),
            Value::Array(list) => step.parse().ok().and_then(|index: usize| list.get_mut(index)),
            _ => None,
        };
        target = next.ok_or_else(|| OverrideError::Unknown { key: walked.join("."), hint })?;
    }
    Ok(target)
}

fn choices(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let keys: Vec<&str> = table.keys().map(String::as_str).collect();
            format!("there are {}", keys.join(", "))
        }
        Value::Array(list) => format!("the list has {} entries, counted from 0", list.len()),
        _ => "nothing lies below a value".into(),
    }
}

/// As TOML, unless the key holds a text and this is none, or it is no TOML at all: then as a text.
fn parse_value(text: &str, old: &Value) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    match parsed {
        Some(parsed) if parsed.is_str() || !old.is_str() => parsed,
        _ => Value::String(text.into()),
    }
}
