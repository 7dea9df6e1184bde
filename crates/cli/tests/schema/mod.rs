//! Does a value fit a JSON Schema, and is everything in it described there?
//!
//! A checker of the keywords that our schemas use; any other is an error. It is stricter than JSON Schema in one
//! way: a property that the schema does not name is refused, so that a new one cannot stay undocumented. (The crate
//! `jsonschema` would bring fifty more crates; both schemas were checked with Python's once, draft 2020-12.)
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::Path;

use serde_json::{Map, Value};

/// Keywords that demand nothing.
const ANNOTATIONS: [&str; 6] = ["$schema", "$id", "title", "description", "required", "$defs"];

pub(crate) struct Schema(Value);

impl Schema {
    /// Reads a schema of the project.
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(name);
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// Everything wrong with a value.
    pub(crate) fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.0, value, "$", &mut faults);
        faults
    }

    /// The places of properties and definitions that have no description.
    pub(crate) fn undescribed(&self) -> Vec<String> {
        let mut found = Vec::new();
        undescribed(&self.0, "#", &mut found);
        found
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (keyword, argument) in schema.as_object().unwrap() {
            if let Some(fault) = self.check_keyword(keyword, argument, value, at, faults) {
                faults.push(format!("{at}: {fault}"));
            }
        }
        if let Some(Value::Array(names)) = schema.get("required") {
            let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
            faults.extend(
                names.iter().filter(missing).map(|name| format!("{at}: {name} is missing")),
            );
        }
    }

    fn check_keyword(
        &self,
        keyword: &str,
        argument: &Value,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) -> Option<String> {
        let holds = match keyword {
            _ if ANNOTATIONS.contains(&keyword) => true,
            "$ref" => {
                let pointer = argument.as_str().unwrap().strip_prefix('#').unwrap();
                self.check(self.0.pointer(pointer).unwrap(), value, at, faults);
                true
            }
            "type" => one_or_many(argument).any(|name| is_of_type(value, name.as_str().unwrap())),
            "const" => value == argument,
            "enum" => argument.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= argument.as_f64().unwrap()),
            "pattern" => {
                value.as_str().is_none_or(|text| matches(argument.as_str().unwrap(), text))
            }
            "format" => value.as_str().is_none_or(is_date_time),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= length(argument)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= length(argument)),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(argument, item, &format!("{at}[{index}]"), faults);
                }
                true
            }
            "properties" => {
                self.check_properties(argument.as_object().unwrap(), value, at, faults);
                true
            }
            "anyOf" => return self.check_any(argument.as_array().unwrap(), value, at),
            other => panic!("this checker does not know the keyword {other}"),
        };
        (!holds).then(|| format!("{value} does not fit {keyword} {argument}"))
    }

    fn check_properties(
        &self,
        described: &Map<String, Value>,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match described.get(name) {
                Some(schema) => self.check(schema, value, &at, faults),
                None => faults.push(format!("{at}: the schema does not describe it")),
            }
        }
    }

    fn check_any(&self, branches: &[Value], value: &Value, at: &str) -> Option<String> {
        let mut closest: Option<Vec<String>> = None;
        for branch in branches {
            let mut faults = Vec::new();
            self.check(branch, value, at, &mut faults);
            if faults.is_empty() {
                return None;
            }
            if closest.as_ref().is_none_or(|least| faults.len() < least.len()) {
                closest = Some(faults);
            }
        }
        Some(format!("fits none of anyOf; closest: {}", closest.unwrap_or_default().join("; ")))
    }
}

fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for group in ["properties", "$defs"] {
                for (name, schema) in
                    schema.get(group).and_then(Value::as_object).into_iter().flatten()
                {
                    if schema.get("description").is_none() && schema.get("$ref").is_none() {
                        found.push(format!("{at}/{group}/{name}"));
                    }
                }
            }
            members
                .iter()
                .for_each(|(name, member)| undescribed(member, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|item| undescribed(item, at, found)),
        _ => {}
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(value)).iter()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("this checker does not know the type {other}"),
    }
}

fn length(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// RFC 3339 in UTC to the second, the only form that is printed.
fn is_date_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok_and(|time| time.to_string() == text)
}

/// Patterns of the form `^[set]*$`, `^[set]+$` and `^[set]{count}$`, of which the schemas have no others.
fn matches(pattern: &str, text: &str) -> bool {
    let inner = pattern.strip_prefix("^[").and_then(|rest| rest.strip_suffix('$'));
    let (set, times) = inner.and_then(|inner| inner.split_once(']')).unwrap();
    let fits = match times {
        "*" => true,
        "+" => !text.is_empty(),
        braced => {
            let count = braced.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap();
            text.len() == count.parse::<usize>().unwrap()
        }
    };
    fits && text.chars().all(|c| in_set(set, c))
}

/// Whether a set such as `0-9a-f.-` has a character.
fn in_set(set: &str, c: char) -> bool {
    let set: Vec<char> = set.chars().collect();
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else if set[at] == c {
            return true;
        } else {
            at += 1;
        }
    }
    false
}

#[test]
fn the_checker_knows_right_from_wrong() {
    let schema = Schema(serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": { "type": ["string", "null"], "pattern": "^[0-9a-f]{4}$" },
            "b": { "anyOf": [{ "$ref": "#/$defs/n" }, { "type": "null" }] },
            "c": { "type": "array", "items": { "enum": ["x", "y"] }, "maxItems": 2 },
            "d": { "type": "string", "format": "date-time" },
        },
        "$defs": { "n": { "type": "integer", "minimum": 0, "maximum": 9 } },
    }));
    for (text, faults) in [
        (r#"{"a":"00ff","b":9,"c":["x","y"],"d":"2026-01-31T00:00:00Z"}"#, 0),
        (r#"{"a":null,"b":null}"#, 0),
        (r#"{"b":1}"#, 1),
        (r#"{"a":"00fg"}"#, 1),
        (r#"{"a":"00ff0"}"#, 1),
        (r#"{"a":1}"#, 1),
        (r#"{"a":"00ff","b":10}"#, 1),
        (r#"{"a":"00ff","b":"1"}"#, 1),
        (r#"{"a":"00ff","c":["x","z"]}"#, 1),
        (r#"{"a":"00ff","c":["x","y","x"]}"#, 1),
        (r#"{"a":"00ff","d":"2026-01-31"}"#, 1),
        (r#"{"a":"00ff","e":0}"#, 1),
        ("[]", 2),
    ] {
        let found = schema.faults(&serde_json::from_str(text).unwrap());
        assert_eq!(found.len(), faults, "{text}: {found:?}");
    }
}
