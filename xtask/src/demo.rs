//! A production TDX quote, verified before the reader's eyes.
//!
//! Quote and collateral are the samples that the `dcap-qvl` crate ships; it is a dev-dependency
//! anyway, so the demo fetches no sample of its own and its second run needs no network.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8PathBuf;

use crate::workspace;

/// A moment inside the windows of the sample collateral.
const AT: &str = "2025-06-25T00:00:00Z";

/// Builds `tdattest`, verifies the sample with it, and ends with its exit code.
pub(crate) fn run() -> Result<ExitCode> {
    let metadata = workspace::packages()?;
    let samples = samples(&metadata)?;
    build()?;

    let arguments = |folder: &str| {
        let quote = format!("{folder}/tdx_quote");
        let collateral = format!("{folder}/tdx_quote_collateral.json");
        ["verify", &quote, "--collateral", &collateral, "--at", AT].map(str::to_owned)
    };
    eprintln!("$ tdattest {}\n", arguments("…/dcap-qvl/sample").join(" "));
    let status = Command::new(metadata.target_directory.join("release/tdattest"))
        .args(arguments(samples.as_str()))
        .status()
        .context("starting tdattest")?;
    let code = status.code().context("tdattest was ended by a signal")?;
    Ok(ExitCode::from(u8::try_from(code).context("reading the exit code of tdattest")?))
}

fn samples(metadata: &Metadata) -> Result<Utf8PathBuf> {
    let peer = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "dcap-qvl")
        .context("no dependency brings the dcap-qvl crate and its samples")?;
    let folder = peer.manifest_path.parent().context("dcap-qvl lies in no folder")?;
    Ok(folder.join("sample"))
}

fn build() -> Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "tdattest-cli"])
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build --release --package tdattest-cli failed");
    Ok(())
}
