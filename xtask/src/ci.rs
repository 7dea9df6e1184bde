//! Every check of `.ci/run`, each under a heading and with its time.
//!
//! Must stay true: a failed step does not hide the ones after it, and a step whose tool cannot be
//! had is reported as skipped, with the reason, never as passed. The summary is enough to see what failed.

mod heard;
mod steps;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use steps::{Outcome, Step};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The steps to run, in this order; all of them when none is named
    #[arg(value_enum)]
    steps: Vec<Step>,
}

struct Report {
    step: Step,
    outcome: Result<Outcome>,
    time: Duration,
}

/// Runs the chosen steps, sums up, and fails if any of them did.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = <Step as clap::ValueEnum>::value_variants();
    let chosen = if args.steps.is_empty() { all } else { &args.steps };
    let reports: Vec<Report> = chosen.iter().map(|step| perform(*step)).collect();

    println!("\n=== summary");
    for report in &reports {
        println!("{}", summary(report));
    }
    match reports.iter().filter(|report| report.outcome.is_err()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} steps failed", reports.len()),
    }
}

fn perform(step: Step) -> Report {
    println!("\n=== {step}");
    let start = Instant::now();
    let report = Report { step, outcome: step.run(), time: start.elapsed() };
    println!("{}", summary(&report));
    report
}

fn summary(Report { step, outcome, time }: &Report) -> String {
    let verdict = match outcome {
        Ok(Outcome::Passed) => "passed".to_owned(),
        Ok(Outcome::Skipped(why)) => format!("skipped: {why}"),
        Err(error) => format!("FAILED: {error:#}"),
    };
    format!("{:>7.1} s  {step:<12}  {verdict}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(outcome: Result<Outcome>) -> String {
        summary(&Report { step: Step::NoStd, outcome, time: Duration::from_millis(1234) })
    }

    #[test]
    fn a_skipped_step_says_why_and_never_reads_as_passed() {
        let skipped = line(Ok(Outcome::Skipped("no network".into())));
        assert_eq!(skipped, "    1.2 s  no-std        skipped: no network");
        assert_eq!(line(Ok(Outcome::Passed)), "    1.2 s  no-std        passed");
    }

    #[test]
    fn a_failed_step_carries_its_cause() {
        let error = anyhow::anyhow!("exit status: 1").context("cargo fmt");
        assert_eq!(line(Err(error)), "    1.2 s  no-std        FAILED: cargo fmt: exit status: 1");
    }
}
