//! The form of old: lines of `KEY=VALUE`. Blanks are taken out of every line; what is not known is passed over.
//!
//! Intel's library takes every text for this form that is not JSON, and so finds nothing at all in a JSON text with a
//! mistake: it goes on with what is compiled into it.

use super::QcnlConfig;
use super::finding::Findings;
use super::json::{KEYS, NotJson};

/// The settings of lines; `fault` is why the text is no JSON.
pub(super) fn read(text: &str, fault: NotJson, findings: &mut Findings<'_>) -> QcnlConfig {
    if fault.is_meant {
        let end = match text.starts_with('{') {
            true => "Intel's library starts with error 0xB035",
            false => {
                "Intel's library then overlooks the whole file, and asks https://localhost:8081"
            }
        };
        findings.error(fault.offset, format!("not valid JSON: {}; {end}", fault.problem));
        return QcnlConfig::default();
    }
    let mut config = QcnlConfig::default();
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n') {
        let at = offset.saturating_add(line.len().saturating_sub(line.trim_start().len()));
        offset = offset.saturating_add(line.len());
        let bare: String = line.chars().filter(|character| !character.is_whitespace()).collect();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        match bare.split_once('=') {
            Some((key, value)) => take(&mut config, findings, at, key, value),
            None => {
                let shown: String = bare.chars().take(40).collect();
                let says = format!("expected JSON or KEY=VALUE, found `{}`", shown.escape_debug());
                findings.error(at, says);
            }
        }
    }
    config
}

fn take(config: &mut QcnlConfig, findings: &mut Findings<'_>, at: usize, key: &str, value: &str) {
    match key {
        "PCCS_URL" => {
            findings.check_address(at, key, value);
            config.pccs_url = value.into();
        }
        "COLLATERAL_SERVICE" => {
            findings.check_address(at, key, value);
            config.collateral_service = Some(value.into());
        }
        "LOCAL_PCK_URL" => {
            findings.check_address(at, key, value);
            config.local_pck_url = Some(value.into());
        }
        "PCCS_API_VERSION" => {
            findings.check_api_version(at, key, value);
            config.pccs_api_version = value.into();
        }
        "USE_SECURE_CERT" => {
            config.use_secure_cert = switch(findings, at, key, value, true);
            if !config.use_secure_cert {
                findings.check_insecure(at, key);
            }
        }
        "LOCAL_CACHE_ONLY" => config.local_cache_only = switch(findings, at, key, value, false),
        "RETRY_TIMES" => config.retry_times = number(findings, at, key, value),
        "RETRY_DELAY" => config.retry_delay = number(findings, at, key, value),
        "PCK_CACHE_EXPIRE_HOURS" => {
            let hours = number(findings, at, key, value);
            config.pck_cache_expire_hours = findings.hours(at, key, hours.into());
        }
        "VERIFY_COLLATERAL_CACHE_EXPIRE_HOURS" => {
            let hours = number(findings, at, key, value);
            config.verify_collateral_cache_expire_hours = findings.hours(at, key, hours.into());
        }
        _ => {
            let shown = key.escape_debug();
            let is_newer = KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
            let says = match is_newer {
                true => format!("`{shown}` is no key of this form, which has capitals; write JSON"),
                false => format!("unknown key `{shown}`; Intel's library overlooks it"),
            };
            match is_newer {
                true => findings.error(at, says),
                false => findings.warning(at, says),
            }
        }
    }
}

/// `TRUE`, `true`, `FALSE` or `false`; anything else is what it is without the line.
fn switch(findings: &mut Findings<'_>, at: usize, key: &str, value: &str, without: bool) -> bool {
    match value {
        "TRUE" | "true" => true,
        "FALSE" | "false" => false,
        _ => {
            let value = value.escape_debug();
            let says = format!("`{key}` is `{value}`, expected TRUE or FALSE; taken for {without}");
            findings.error(at, says);
            without
        }
    }
}

fn number(findings: &mut Findings<'_>, at: usize, key: &str, value: &str) -> u32 {
    let number = value.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok());
    number.unwrap_or_else(|| {
        let value = value.escape_debug();
        findings.error(at, format!("`{key}` is `{value}`, expected a whole number"));
        0
    })
}
