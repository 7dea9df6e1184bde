//! How the service stands, for people and scripts: one JSON value, written by the service and read by the command.
//!
//! Must stay true: `schema/qgs-status.json` describes it. Members are added, never renamed.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::pool::WorkerState;
use crate::records::{Class, Record};

/// The name of the form.
pub const SCHEMA: &str = "tdattest.qgs-status/1";

/// How the service stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: String,
    /// Of the service.
    pub version: String,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub now: String,
    /// Whether a quote can be asked for: it is not draining, and a worker has a context.
    pub ready: bool,
    /// Whether it ends, and takes nothing more.
    pub draining: bool,
    /// What makes the quotes.
    pub backend: String,
    /// Where it listens.
    pub listeners: Vec<String>,
    /// How each worker stands.
    pub workers: Vec<Worker>,
    /// Requests that wait for a worker.
    pub waiting: usize,
    /// Connections that are open.
    pub connections: usize,
    /// The last health check, if there was one.
    pub health: Option<HealthCheck>,
    /// All requests since it started.
    pub requests: Vec<Count>,
    /// The last of those that got no answer, the newest last.
    pub failures: Vec<Refusal>,
}

/// How a worker stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// `opening`, `ready`, `busy`, `failing` or `hanging`.
    pub state: String,
    /// Why it fails.
    pub reason: Option<Reason>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// Where on the way to a quote.
    pub hop: String,
    /// Stable.
    pub code: String,
    /// In words.
    pub cause: String,
    /// What can be done.
    pub remedy: Option<String>,
}

/// The last health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// RFC 3339.
    pub at: String,
    /// Whether a quote was made, and not only as much of it as can be done without a TDREPORT.
    pub quoted: bool,
    /// What is wrong; null if nothing.
    pub reason: Option<Reason>,
}

/// How many requests ended in a way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// What was asked for.
    pub asked: String,
    /// `answered`, or the code of a failure.
    pub outcome: String,
    /// How many.
    pub count: u64,
}

/// A request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its number; the log has the same.
    pub request: u64,
    /// RFC 3339.
    pub at: String,
    /// Who asked.
    pub peer: String,
    /// For what; null if that was not understood.
    pub asked: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
    /// Why.
    pub reason: Reason,
    /// What the peer was told; null if it was only left.
    pub told: Option<String>,
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        Self {
            hop: failure.hop.name().into(),
            code: failure.code.into(),
            cause: failure.cause.clone(),
            remedy: failure.remedy.map(Into::into),
        }
    }
}

impl From<&WorkerState> for Worker {
    fn from(state: &WorkerState) -> Self {
        let reason = match state {
            WorkerState::Failing(failure) => Some(failure.into()),
            _ => None,
        };
        Self { state: state.name().into(), reason }
    }
}

impl From<&Record> for Refusal {
    fn from(record: &Record) -> Self {
        Self {
            request: record.request,
            at: record.at.to_string(),
            peer: record.peer.to_string(),
            asked: record.asked.map(Into::into),
            milliseconds: u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
            reason: (&record.failure).into(),
            told: record.told.map(|answer| answer.to_string()),
        }
    }
}

impl From<&crate::health::Health> for HealthCheck {
    fn from(health: &crate::health::Health) -> Self {
        Self {
            at: health.at.to_string(),
            quoted: health.quoted,
            reason: health.failure.as_ref().map(Into::into),
        }
    }
}

impl From<(&Class, &u64)> for Count {
    fn from((class, count): (&Class, &u64)) -> Self {
        Self { asked: class.asked.into(), outcome: class.outcome.into(), count: *count }
    }
}
