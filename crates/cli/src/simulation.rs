//! What a simulated artefact is made from: a platform's folder, changes to it, a time, and perhaps a fault.

mod fault_name;

use std::path::{Path, PathBuf};

use anyhow::Result;
use tdattest_simulator::folder::{self, FolderError};
use tdattest_simulator::platform::OverrideError;
use tdattest_simulator::{Broken, Fault, MintError, Platform};
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::{now, parse_time};
use crate::destination::NOTHING_WRITTEN;
use crate::input::{reason, shown};
use crate::output::Hinted;
use fault_name::FaultName;

/// What every command has that mints something of a platform.
#[derive(clap::Args)]
pub(crate) struct SimulationArgs {
    /// The folder of the platform, as `tdattest sim platform new` made it
    #[arg(long, value_name = "DIR")]
    platform: PathBuf,

    /// Make it as of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Another value for a key of platform.toml, this once; may be given many times
    ///
    /// KEY is the path to it, an entry of a list by its number from 0: hardware.pce_svn=12,
    /// standard.tcb_level.0.status=Revoked.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Break it in one way; `tdattest sim faults` lists them
    #[arg(long, value_name = "NAME", value_parser = FaultName, hide_possible_values = true)]
    fault: Option<String>,
}

impl SimulationArgs {
    /// The platform, with the changes made.
    pub(crate) fn platform(&self) -> Result<Platform> {
        open(&self.platform, &self.set)
    }

    /// The time to make it for.
    pub(crate) fn at(&self) -> Result<UnixTime> {
        self.at.map_or_else(now, Ok)
    }

    /// The time that was asked for, if any was.
    pub(crate) fn at_given(&self) -> Option<UnixTime> {
        self.at
    }

    /// The fault, if any is asked for.
    pub(crate) fn fault(&self) -> Result<Option<Fault>> {
        self.fault.as_deref().map(fault_name::fault).transpose()
    }
}

/// The platform of a folder, with the values of `--set`.
pub(crate) fn open(folder: &Path, settings: &[String]) -> Result<Platform> {
    let platform = folder::open(folder).map_err(unusable)?;
    let changed = with(&platform, settings)?;
    if changed.root_ca() != platform.root_ca() {
        let hint = "make another platform with it: tdattest sim platform new DIR --set KEY=VALUE, or --seed HEX";
        let text = "that changes the root certificate, which root.pem of this platform is";
        return Err(Hinted::error(text, hint));
    }
    Ok(changed)
}

/// A platform with the values of `--set`.
pub(crate) fn with(platform: &Platform, settings: &[String]) -> Result<Platform> {
    settings.iter().try_fold(platform.clone(), |platform, setting| {
        platform.with(setting).map_err(|fault| match fault {
            OverrideError::Unknown { .. } => Hinted::error(
                fault,
                "a key is a path through platform.toml, such as hardware.pce_svn or standard.tcb_level.0.status",
            ),
            fault => anyhow::anyhow!("--set {fault}"),
        })
    })
}

/// Why a platform cannot be used, in one line, with the remedy.
fn unusable(fault: FolderError) -> anyhow::Error {
    const NEW: &str = "make one: tdattest sim platform new DIR";
    match &fault {
        FolderError::Incomplete { folder, .. } if !folder.exists() => {
            Hinted::error(format!("there is no folder {}", shown(folder)), NEW)
        }
        FolderError::Incomplete { folder, file } => Hinted::error(
            format!("{} is no simulated platform: it has no {file}", shown(folder)),
            NEW,
        ),
        FolderError::Io { path, fault } => {
            Hinted::error(format!("cannot read {}: {}", shown(path), reason(fault)), NEW)
        }
        FolderError::Platform { path, fault } => Hinted::error(
            format!("{}: {fault}", shown(path)),
            "put it right, or make another: tdattest sim platform new DIR",
        ),
        FolderError::OtherRoot(path) => Hinted::error(
            format!("{} is not the root certificate of platform.toml beside it", shown(path)),
            "the seed, the root's window or its CRL's address was edited, or a file was not written whole: make another platform",
        ),
        _ => fault.into(),
    }
}

/// Why something cannot be minted, with the remedy.
pub(crate) fn unmintable(fault: MintError) -> anyhow::Error {
    match fault {
        MintError::OtherArtefact { fault: broken, .. } => {
            let command = match broken.breaks() {
                Broken::Quote => "quote",
                Broken::Collateral => "collateral",
            };
            Hinted::error(fault, format!("give it to `tdattest sim {command}`"))
        }
        MintError::NeedsOtherQuote { fault: broken, .. } => Hinted::error(fault, instead(broken)),
        fault => fault.into(),
    }
}

/// What makes an artefact that a fault can break.
fn instead(fault: Fault) -> &'static str {
    match fault {
        Fault::CurrentPlatformTcb | Fault::CurrentTdxModuleTcb => "add --format v5 --body 3",
        Fault::TdxModuleStatus => "make it with --tee tdx, which is the default",
        fault if fault.name().starts_with("tdx-module.") || fault == Fault::TdxModuleTcb => {
            "leave out --format and --body, or choose a TDX body"
        }
        _ => "leave out --certification-data",
    }
}

/// Why a platform's folder cannot be made.
pub(crate) fn uncreatable(folder: &Path, fault: FolderError) -> anyhow::Error {
    match fault {
        FolderError::Exists(_) => Hinted::error(
            format!("{} is there already; a platform is not overwritten", shown(folder)),
            "choose another name, or remove it first",
        ),
        FolderError::Io { fault, .. } => Hinted::error(
            format!("cannot make {}: {}", shown(folder), reason(&fault)),
            NOTHING_WRITTEN,
        ),
        fault => fault.into(),
    }
}
