//! The exit codes, the same for every command.

use std::process::ExitCode;

use tdattest_verifier::result::{Judgement, Verdict};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: accepted, or done.
    Success,
    /// 1: refused.
    Refused,
    /// 2: misuse, or an input that cannot be read.
    Misuse,
    /// 3: undecided; something needed is missing.
    Undecided,
    /// The exit code of a command that was run, or one that a monitor expects.
    Passed(u8),
    /// 3: what was asked for cannot be had here.
    Unavailable,
}

impl Exit {
    /// The exit code of a judgement.
    pub(crate) fn of(judgement: &Judgement) -> Self {
        match judgement.verdict() {
            Verdict::Accepted => Self::Success,
            Verdict::Undecided => Self::Undecided,
            Verdict::Refused if judgement.is_unreadable() => Self::Misuse,
            Verdict::Refused => Self::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Refused => 1,
            Exit::Misuse => 2,
            Exit::Undecided => 3,
            Exit::Passed(code) => code,
            Exit::Unavailable => 3,
        })
    }
}
