//! The steps of `cargo xtask ci`: what each runs, and what it needs to run.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{MetadataCommand, TargetKind};
use clap::ValueEnum;

use super::heard::{self, Heard};
use crate::{dependencies, documents, layers, soak, toolchain, vectors};

const FUZZ_MANIFEST: &str = "fuzz/Cargo.toml";

/// In the order in which they run.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Step {
    /// Every file is as rustfmt lays it out
    Fmt,
    /// Clippy, and the lock file being current
    Clippy,
    /// Every test
    Test,
    /// The documentation builds, and its links lead somewhere
    Doc,
    /// Crates and sources keep to the architecture
    Layers,
    /// Licences and duplicate versions
    Dependencies,
    /// What the documents cite exists
    Documents,
    /// The vectors of the tree are as minted, and come out as they say
    Vectors,
    /// The verifier builds for a browser
    Wasm,
    /// The verifier builds without `std`
    NoStd,
    /// The Quote Generation Service under load for 30 seconds
    Soak,
    /// Ten seconds of every fuzz target
    Fuzz,
    /// The parsers' unit tests under Miri
    Miri,
}

pub(super) enum Outcome {
    Passed,
    /// Why it could not run.
    Skipped(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name under which the command line selects it.
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

impl Step {
    pub(super) fn run(self) -> Result<Outcome> {
        match self {
            Self::Fmt => cargo("fmt --all --check"),
            Self::Clippy => cargo("clippy --workspace --all-targets --locked -- -D warnings"),
            // To the letter what the README tells its readers to run.
            Self::Test => cargo("test --workspace"),
            Self::Doc => {
                cargo_with("doc --workspace --no-deps", &[("RUSTDOCFLAGS", "-D warnings")])
            }
            Self::Layers => layers::run().map(|()| Outcome::Passed),
            Self::Dependencies => dependencies::run().map(|()| Outcome::Passed),
            Self::Documents => documents::run().map(|()| Outcome::Passed),
            Self::Vectors => vectors::check_minted().map(|()| Outcome::Passed),
            Self::Wasm => build_verifier_for("wasm32-unknown-unknown"),
            Self::NoStd => build_verifier_for("x86_64-unknown-none"),
            Self::Soak => soak::run(&soak::Args::SHORT).map(|()| Outcome::Passed),
            Self::Fuzz => fuzz(),
            Self::Miri => miri(),
        }
    }
}

fn build_verifier_for(target: &str) -> Result<Outcome> {
    if let Err(why) = toolchain::provide_target(target) {
        return Ok(Outcome::Skipped(why));
    }
    cargo(&format!("build --package tdattest-verifier --no-default-features --target {target}"))
}

fn fuzz() -> Result<Outcome> {
    if !Path::new(FUZZ_MANIFEST).exists() {
        return Ok(Outcome::Skipped(format!("there is no {FUZZ_MANIFEST}")));
    }
    if let Err(why) = toolchain::find_nightly("fuzz", "cargo install cargo-fuzz --locked") {
        return Ok(Outcome::Skipped(why));
    }
    for target in fuzz_targets()? {
        cargo(&format!("+nightly fuzz run {target} -- -max_total_time=10"))?;
    }
    Ok(Outcome::Passed)
}

fn fuzz_targets() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(FUZZ_MANIFEST)
        .no_deps()
        .exec()
        .with_context(|| format!("reading {FUZZ_MANIFEST}"))?;
    let targets: Vec<String> = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_kind(TargetKind::Bin))
        .map(|target| target.name.clone())
        .collect();
    ensure!(!targets.is_empty(), "{FUZZ_MANIFEST} has no [[bin]]");
    Ok(targets)
}

fn miri() -> Result<Outcome> {
    let hint = "rustup component add miri rust-src --toolchain nightly";
    if let Err(why) = toolchain::find_nightly("miri", hint) {
        return Ok(Outcome::Skipped(why));
    }
    // Miri is some hundred times slower than the machine, and proptest asks for the current
    // folder (where it keeps failures), which Miri's isolation refuses.
    let environment = [("MIRIFLAGS", "-Zmiri-disable-isolation"), ("PROPTEST_CASES", "4")];
    cargo_with("+nightly miri test --package tdattest-wire --lib", &environment)
}

fn cargo(arguments: &str) -> Result<Outcome> {
    cargo_with(arguments, &[])
}

/// Runs Cargo on `arguments`, none of which contains a space.
///
/// By its name, not by `$CARGO`: only rustup's proxy understands `+nightly`.
fn cargo_with(arguments: &str, environment: &[(&str, &str)]) -> Result<Outcome> {
    let settings: String =
        environment.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    println!("$ {settings}cargo {arguments}");
    let mut command = Command::new("cargo");
    command.args(arguments.split(' ')).envs(environment.iter().copied());
    let Heard { status, why } = heard::run(command, std::io::stdout()).context("running cargo")?;
    ensure!(status.success(), "cargo {arguments}: {status}\n{why}");
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_selected_by_the_names_they_print() {
        let names: Vec<String> = Step::value_variants().iter().map(Step::to_string).collect();
        let all =
            "fmt clippy test doc layers dependencies documents vectors wasm no-std soak fuzz miri";
        assert_eq!(names.join(" "), all);
    }
}
