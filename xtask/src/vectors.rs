//! Runs a folder of production quotes with known verdicts: `cargo xtask vectors DIR`.
//!
//! `DIR/manifest.json` names the quotes, the collateral, the time and what is expected. A line for each failure, then
//! `N passed, M failed`.

mod case;
mod manifest;
mod negative;
mod variant;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use manifest::Manifest;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with a `manifest.json`
    #[arg(default_value = "../shared/vectors")]
    folder: PathBuf,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<String>,
    sections: Vec<String>,
}

impl Report {
    /// Adds the outcome of one check; `what` names it in a failure.
    fn add(&mut self, what: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(problem) => self.failures.push(format!("{what}: {problem:#}")),
        }
    }

    /// Notes how many of a section's entries passed.
    fn section(&mut self, name: &str, entries: usize, failed_before: usize) {
        if entries > 0 {
            let failed = self.failures.len() - failed_before;
            self.sections.push(format!("{name}: {} of {entries}", entries - failed));
        }
    }
}

/// Runs the folder and prints the report.
pub(crate) fn run(args: &Args) -> Result<()> {
    let report = run_folder(&args.folder)?;
    for failure in &report.failures {
        println!("FAILED {failure}");
    }
    for section in &report.sections {
        println!("{section}");
    }
    let (passed, failed) = (report.passed, report.failures.len());
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} of {} vectors failed", passed + failed);
    }
    Ok(())
}

/// Runs every entry of the folder's manifest.
fn run_folder(folder: &Path) -> Result<Report> {
    let manifest = Manifest::read(folder)?;
    let mut report = Report::default();

    let failed_before = report.failures.len();
    for case in &manifest.cases {
        report.add(&format!("case {}", case.id), case::check(folder, case));
    }
    report.section("cases", manifest.cases.len(), failed_before);

    let failed_before = report.failures.len();
    let mut variants = 0;
    for group in &manifest.derived_negatives {
        for variant in &group.variants {
            variants += 1;
            let name = format!("variant {} of {}", variant.mutation.name, group.base_case);
            report.add(&name, variant::check(folder, &manifest, group, variant));
        }
    }
    report.section("variants", variants, failed_before);

    let failed_before = report.failures.len();
    for negative in &manifest.negatives {
        report.add(&negative.file, negative::check(folder, &manifest, negative));
    }
    report.section("negatives", manifest.negatives.len(), failed_before);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write as _};

    /// The corpus beside the project. Absent, the test says so: the samples of the `dcap-qvl` crate run all the same.
    #[test]
    fn the_production_corpus_gets_intels_verdicts() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors"));
        if !folder.join("manifest.json").exists() {
            // Not `println!`, which the test runner keeps to itself.
            let _ = writeln!(io::stdout(), "skipped: ../shared/vectors is absent");
            return;
        }
        let report = run_folder(folder).unwrap();
        let _ = writeln!(
            io::stdout(),
            "{} real cases ran: {}",
            report.passed,
            report.sections.join(", ")
        );
        assert_eq!(report.failures, Vec::<String>::new());
        assert!(report.passed > 250, "only {} entries", report.passed);
    }
}
