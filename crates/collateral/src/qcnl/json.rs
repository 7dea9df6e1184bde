//! The form of today: one JSON object, with comments.
//!
//! Comments are overwritten with blanks first, so that every other byte keeps its place.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tdattest_wire::pcs::EvaluationDataSet;

use super::QcnlConfig;
use super::finding::Findings;

/// The keys that Intel's library knows.
pub(super) const KEYS: [&str; 12] = [
    "pccs_url",
    "use_secure_cert",
    "collateral_service",
    "tcb_update_type",
    "pccs_api_version",
    "retry_times",
    "retry_delay",
    "local_pck_url",
    "pck_cache_expire_hours",
    "verify_collateral_cache_expire_hours",
    "local_cache_only",
    "custom_request_options",
];

/// Why a text is not of this form.
pub(super) struct NotJson {
    pub(super) offset: usize,
    pub(super) problem: String,
    /// Whether it was meant to be: its first character that says anything is a brace.
    pub(super) is_meant: bool,
}

/// The settings of a JSON text; what is wrong in it goes into the findings.
pub(super) fn read(text: &str, findings: &mut Findings<'_>) -> Result<QcnlConfig, NotJson> {
    let (blanked, unclosed) = without_comments(text);
    let is_meant = blanked.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    if let Some(offset) = unclosed {
        let problem = "the comment that begins here never ends".into();
        return Err(NotJson { offset, problem, is_meant });
    }
    let Members(members) = serde_json::from_str(&blanked).map_err(|fault| {
        let shown = fault.to_string();
        let problem = shown.split(" at line ").next().unwrap_or(&shown).to_owned();
        let offset = offset(&blanked, fault.line(), fault.column());
        NotJson { offset, problem, is_meant }
    })?;
    let mut reader = Reader {
        text: &blanked,
        config: QcnlConfig::default(),
        is_overlooked: false,
        findings,
        seen: Vec::new(),
    };
    for (key, value) in &members {
        reader.member(key, value);
    }
    let Reader { config, is_overlooked, .. } = reader;
    Ok(if is_overlooked { QcnlConfig::default() } else { config })
}

/// The text with blanks in place of comments; each line and each other byte stays where it is. Where a comment begins that
/// never ends.
fn without_comments(text: &str) -> (String, Option<usize>) {
    let mut out = String::with_capacity(text.len());
    let mut unclosed = None;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (kept, skipped) = match next {
            '"' => (string(rest), 0),
            '/' if rest.starts_with("//") => (0, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                let body = rest.get(2..).unwrap_or_default();
                let end = body.find("*/").map(|end| end.saturating_add(4));
                if end.is_none() {
                    unclosed = Some(out.len());
                }
                (0, end.unwrap_or(rest.len()))
            }
            other => (other.len_utf8(), 0),
        };
        let (head, tail) = rest.split_at_checked(kept.max(skipped)).unwrap_or((rest, ""));
        if skipped == 0 {
            out.push_str(head);
        } else {
            let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
            out.extend(head.bytes().map(blank));
        }
        rest = tail;
    }
    (out, unclosed)
}

/// The length of the string that a text starts with, its quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// The byte that a line and column of `serde_json` name.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len);
    before.fold(0, usize::saturating_add).saturating_add(column.saturating_sub(1))
}

/// The members of an object in their order, doubled ones too; their text stays where it is.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A name, borrowed unless it is written with escapes: a `Cow` alone would always be a copy.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Reader<'r, 't> {
    text: &'r str,
    config: QcnlConfig,
    /// Whether Intel's library goes on as if there were no file.
    is_overlooked: bool,
    findings: &'r mut Findings<'t>,
    seen: Vec<String>,
}

impl Reader<'_, '_> {
    /// Where a part of the text stands in it.
    fn offset_of(&self, part: &str) -> Option<usize> {
        let offset = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        (offset < self.text.len()).then_some(offset)
    }

    fn member(&mut self, key: &str, raw: &RawValue) {
        let at_value = self.offset_of(raw.get()).unwrap_or_default();
        // A name with escapes is a copy: its value is near.
        let at_key = self.offset_of(key).map_or(at_value, |at| at.saturating_sub(1));
        if self.seen.iter().any(|seen| seen == key) {
            let says =
                format!("`{key}` stands here a second time; Intel's library takes the first");
            return self.findings.error(at_key, says);
        }
        self.seen.push(key.into());
        let Ok(value) = serde_json::from_str::<Value>(raw.get()) else { return };
        if !KEYS.contains(&key) {
            return self.unknown(at_key, key);
        }
        if let Err(expected) = self.known(key, &value, at_value) {
            let found = kind(&value);
            let says =
                format!("`{key}` is {found}, expected {expected}; Intel's library overlooks it");
            self.findings.error(at_value, says);
        }
    }

    fn unknown(&mut self, at: usize, key: &str) {
        let shown = key.escape_debug();
        let meant = KEYS.iter().find(|known| known.eq_ignore_ascii_case(key));
        let says = match meant {
            Some(known) => {
                format!("unknown key `{shown}`; it is `{known}`, and its case matters")
            }
            None => format!("unknown key `{shown}`; Intel's library overlooks it"),
        };
        match meant {
            Some(_) => self.findings.error(at, says),
            None => self.findings.warning(at, says),
        }
    }

    /// Takes a value; the error is what was expected instead of its type.
    fn known(&mut self, key: &str, value: &Value, at: usize) -> Result<(), &'static str> {
        const TEXT: &str = "a string";
        const SWITCH: &str = "true or false";
        const NUMBER: &str = "a number";
        let text = || value.as_str().map(str::to_owned).ok_or(TEXT);
        match key {
            "pccs_url" => {
                self.config.pccs_url = text()?;
                self.findings.check_address(at, key, &self.config.pccs_url);
            }
            "collateral_service" => {
                let address = text()?;
                self.findings.check_address(at, key, &address);
                self.config.collateral_service = Some(address);
            }
            "local_pck_url" => {
                let address = Some(text()?).filter(|address| !address.is_empty());
                if let Some(address) = &address {
                    self.findings.check_address(at, key, address);
                }
                self.config.local_pck_url = address;
            }
            "use_secure_cert" => {
                self.config.use_secure_cert = value.as_bool().ok_or(SWITCH)?;
                if !self.config.use_secure_cert {
                    self.findings.check_insecure(at, key);
                }
            }
            "local_cache_only" => {
                self.config.local_cache_only = value.as_bool().ok_or(SWITCH)?;
            }
            "tcb_update_type" => self.update_type(at, &text()?),
            "pccs_api_version" => {
                self.config.pccs_api_version = text()?;
                self.findings.check_api_version(at, key, &self.config.pccs_api_version);
            }
            "retry_times" => self.config.retry_times = self.count(at, key, value)?,
            "retry_delay" => self.config.retry_delay = self.count(at, key, value)?,
            "pck_cache_expire_hours" => {
                let hours = value.as_f64().ok_or(NUMBER)?;
                self.config.pck_cache_expire_hours = self.findings.hours(at, key, hours);
            }
            "verify_collateral_cache_expire_hours" => {
                let hours = value.as_f64().ok_or(NUMBER)?;
                self.config.verify_collateral_cache_expire_hours =
                    self.findings.hours(at, key, hours);
            }
            _ => self.options(at, value)?,
        }
        Ok(())
    }

    fn update_type(&mut self, at: usize, text: &str) {
        match text.to_ascii_lowercase().as_str() {
            "standard" => self.config.tcb_update_type = EvaluationDataSet::Standard,
            "early" => self.config.tcb_update_type = EvaluationDataSet::Early,
            _ => {
                self.is_overlooked = true;
                let says = format!(
                    "`tcb_update_type` is `{}`, expected early or standard; Intel's library then overlooks the whole file",
                    text.escape_debug()
                );
                self.findings.error(at, says);
            }
        }
    }

    fn count(&mut self, at: usize, key: &str, value: &Value) -> Result<u32, &'static str> {
        const WHOLE: &str = "a whole number";
        let number = value.as_i64().filter(|number| i32::try_from(*number).is_ok()).ok_or(WHOLE)?;
        Ok(u32::try_from(number).unwrap_or_else(|_| {
            // Taken for a number without sign, it is one of four billion.
            self.findings.error(at, format!("`{key}` is {number}, expected 0 or more"));
            0
        }))
    }

    /// `custom_request_options.get_cert.{headers,params}`: objects of strings.
    fn options(&mut self, at: usize, value: &Value) -> Result<(), &'static str> {
        let options = value.as_object().ok_or("an object with `get_cert`")?;
        for (name, value) in options {
            match (name.as_str(), value.as_object()) {
                ("get_cert", Some(parts)) => self.get_cert(at, parts),
                _ => {
                    let says =
                        format!("Intel's library overlooks the option `{}`", name.escape_debug());
                    self.findings.warning(at, says);
                }
            }
        }
        Ok(())
    }

    fn get_cert(&mut self, at: usize, parts: &Map<String, Value>) {
        for (name, value) in parts {
            let pairs = value.as_object().map(|pairs| self.pairs(at, pairs));
            match (name.as_str(), pairs) {
                ("headers", Some(pairs)) => self.config.get_cert_headers = pairs,
                ("params", Some(pairs)) => self.config.get_cert_params = pairs,
                _ => {
                    let says = format!(
                        "the option `get_cert.{}` is none, expected the objects `headers` and `params`",
                        name.escape_debug()
                    );
                    self.findings.warning(at, says);
                }
            }
        }
    }

    /// Names and their texts; what is no text is told and left out.
    fn pairs(&mut self, at: usize, pairs: &Map<String, Value>) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        for (name, value) in pairs {
            match value.as_str() {
                Some(value) => taken.push((name.clone(), value.into())),
                None => {
                    let (name, found) = (name.escape_debug(), kind(value));
                    let says = format!("the option `{name}` is {found}, expected a string");
                    self.findings.error(at, says);
                }
            }
        }
        taken
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
