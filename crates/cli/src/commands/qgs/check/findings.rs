//! What was found: a line each, with what to do about it.

use crate::output::{self, BAD, GOOD, WARNING};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Good,
    Doubtful,
    Failure,
}

/// One line.
pub(super) struct Finding {
    pub(super) subject: &'static str,
    pub(super) state: State,
    pub(super) says: String,
    pub(super) remedy: Option<String>,
}

impl State {
    /// Its name in JSON and tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Doubtful => "warning",
            Self::Failure => "failure",
        }
    }
}

impl Finding {
    /// As it should be.
    pub(super) fn good(subject: &'static str, says: String) -> Self {
        Self { subject, state: State::Good, says, remedy: None }
    }

    /// It may do.
    pub(super) fn doubtful(subject: &'static str, says: String, remedy: impl Into<String>) -> Self {
        Self { subject, state: State::Doubtful, says, remedy: Some(remedy.into()) }
    }

    /// It keeps a service from starting that was asked for this; another goes without.
    pub(super) fn in_the_way(
        asked_for: bool,
        subject: &'static str,
        says: String,
        remedy: impl Into<String>,
    ) -> Self {
        match asked_for {
            true => Self::bad(subject, says, remedy),
            false => Self::doubtful(subject, says, remedy),
        }
    }

    /// Nothing will work.
    pub(super) fn bad(subject: &'static str, says: String, remedy: impl Into<String>) -> Self {
        Self { subject, state: State::Failure, says, remedy: Some(remedy.into()) }
    }
}

/// All of them for people.
pub(super) fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.subject.len()).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let style = match finding.state {
            State::Good => GOOD,
            State::Doubtful => WARNING,
            State::Failure => BAD,
        };
        let Finding { subject, state, says, remedy } = finding;
        let state = state.name();
        let mut text =
            format!("{style}{state:<7}{style:#}  {subject:<width$}  {}\n", output::printable(says));
        if let Some(remedy) = remedy {
            text += &format!("{:<9}{}\n", "", output::hint(remedy));
        }
        text
    };
    findings.iter().map(line).collect()
}
