//! How a check ends: one line when all is well, one line a problem when not.

use anyhow::{Result, bail};

/// Prints `success` when there are no problems, else every problem, and fails.
pub(crate) fn conclude(check: &str, success: &str, problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        println!("{check}: {success}");
        return Ok(());
    }
    for problem in problems {
        eprintln!("{check}: {problem}");
    }
    bail!("{check}: {} found", count(problems.len(), "problem"))
}

/// `1 crate`, `2 crates`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
