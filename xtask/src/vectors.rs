//! Runs a folder of quotes with known verdicts: `cargo xtask vectors DIR`.
//!
//! Production quotes: `DIR/manifest.json` names the quotes, the collateral, the time and what is expected. Minted ones:
//! each folder of a case says so in its `case.toml`. A line for each failure, then `N passed, M failed`.

mod case;
mod catalogue;
mod manifest;
mod mint;
mod minted;
mod negative;
mod variant;
mod vector;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use manifest::Manifest;

/// The cases of the tree, minted by the simulator.
const MINTED: &str = "vectors";

/// The production corpus beside the project.
const PRODUCTION: &str = "../shared/vectors";

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder to run, with a `manifest.json` or with minted cases [default: ../shared/vectors]
    #[arg(conflicts_with = "mint")]
    folder: Option<PathBuf>,
    /// Mint `vectors/` anew, byte for byte, instead of running a folder
    #[arg(long)]
    mint: bool,
    /// With --mint: change nothing, and fail if anything would change
    #[arg(long, requires = "mint")]
    check: bool,
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

/// Mints, or runs a folder and prints the report.
pub(crate) fn run(args: &Args) -> Result<()> {
    match (args.mint, args.check) {
        (true, true) => mint::check(Path::new(MINTED)),
        (true, false) => mint::write(Path::new(MINTED)),
        (false, _) => report_on(args.folder.as_deref().unwrap_or(Path::new(PRODUCTION))),
    }
}

/// Fails unless the vectors of the tree are as minted and come out as they say.
pub(crate) fn check_minted() -> Result<()> {
    mint::check(Path::new(MINTED))?;
    report_on(Path::new(MINTED))
}

/// Runs a folder and prints the report.
fn report_on(folder: &Path) -> Result<()> {
    let report = run_folder(folder)?;
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

fn run_folder(folder: &Path) -> Result<Report> {
    if minted::is_here(folder) { run_minted(folder) } else { run_manifest(folder) }
}

/// Runs every minted case.
fn run_minted(folder: &Path) -> Result<Report> {
    let mut report = Report::default();
    for group in minted::GROUPS {
        let failed_before = report.failures.len();
        let cases = minted::cases(folder, group)?;
        for case in &cases {
            report.add(&format!("case {}", case.display()), minted::check(case));
        }
        report.section(group, cases.len(), failed_before);
    }
    Ok(report)
}

/// Runs every entry of the folder's manifest.
fn run_manifest(folder: &Path) -> Result<Report> {
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

    #[test]
    fn the_minted_vectors_come_out_as_they_say() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors"));
        let report = run_folder(folder).unwrap();
        assert_eq!(report.failures, Vec::<String>::new());
        assert_eq!(report.sections.len(), minted::GROUPS.len());
    }

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
