//! Could the service make a quote now? Found out by making one, again and again.
//!
//! The host cannot make a TDREPORT; but one that a TD has sent stays good until the machine is started anew. So the last
//! that got a quote is quoted once more, and the quote forgotten. Before there is one, the backend does what can be done
//! without.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tdattest_wire::time::UnixTime;

use crate::ask::{Ask, REPORT_BYTES};
use crate::failure::{Failure, Hop};
use crate::pool::{Pool, Task};

/// The last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// When.
    pub at: UnixTime,
    /// Whether a quote was made, and not only as much of it as can be done without a TDREPORT.
    pub quoted: bool,
    /// What is wrong.
    pub failure: Option<Failure>,
}

/// The last look, and what the next can use.
#[derive(Default)]
pub(crate) struct HealthCheck {
    report: Mutex<Option<Box<[u8; REPORT_BYTES]>>>,
    last: Mutex<Option<Health>>,
}

impl HealthCheck {
    /// The TDREPORT of a request for a plain quote.
    pub(crate) fn would_learn(ask: &Ask) -> Option<Box<[u8; REPORT_BYTES]>> {
        match ask {
            Ask::Quote { report, service_td: None } => Some(report.clone()),
            _ => None,
        }
    }

    /// Keeps a TDREPORT that got a quote.
    pub(crate) fn learn(&self, report: Box<[u8; REPORT_BYTES]>) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// Looks.
    pub(crate) async fn look(&self, pool: &Pool, deadline: Duration, at: UnixTime) {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let quoted = report.is_some();
        let task = report
            .map_or(Task::Probe, |report| Task::Answer(Ask::Quote { report, service_td: None }));
        let failure = pool.perform(task, None, deadline).await.err();
        if failure.as_ref().is_some_and(|failure| failure.hop == Hop::Queue) {
            // So many ask that there was no time to look: that says nothing of the backend.
            return;
        }
        if failure.as_ref().is_some_and(|failure| failure.hop == Hop::Report) {
            // It was of another start of the machine, or of another TDX module.
            *self.report.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        if let Some(failure) = &failure {
            tracing::warn!(
                hop = failure.hop.name(),
                code = failure.code,
                cause = %failure.cause,
                remedy = failure.remedy,
                "the health check failed"
            );
        }
        let health = Health { at, quoted, failure };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(health);
    }

    /// The last look.
    pub(crate) fn last(&self) -> Option<Health> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
