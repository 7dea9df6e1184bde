//! The folder of a demo: a new one, or on request that of an earlier demo.
//!
//! Must stay true: nothing is removed but what a demo made.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tdattest_simulator::folder;

use crate::input::{reason, shown};
use crate::output::Hinted;

/// The platform's folder in the folder of the demo.
pub(super) const PLATFORM: &str = "platform";

/// A folder that is there.
pub(super) struct Folder {
    path: PathBuf,
    is_new: bool,
}

impl Folder {
    /// Makes the folder; `force` takes one that is there, and makes room for another platform in it.
    pub(super) fn make(path: &Path, force: bool) -> Result<Self> {
        // Or it would be read as an option in the commands of the demo.
        let path = match path.to_string_lossy().starts_with('-') {
            true => Path::new(".").join(path),
            false => path.to_owned(),
        };
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path, is_new: true }),
            Err(fault) if fault.kind() == ErrorKind::AlreadyExists && force && path.is_dir() => {
                remove_platform(&path.join(PLATFORM))?;
                Ok(Self { path, is_new: false })
            }
            Err(_) if force && path.exists() => {
                bail!("{} is there already, and is no folder", shown(&path))
            }
            Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Err(Hinted::error(
                format!("{} is there already; nothing was written", shown(&path)),
                "--folder DIR puts the files elsewhere; --force replaces those of an earlier demo",
            )),
            Err(fault) => Err(Hinted::error(
                format!("cannot make the folder {}: {}", shown(&path), reason(&fault)),
                "--folder DIR puts the files elsewhere",
            )),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder of a demo that failed, if this demo made it.
    pub(super) fn undo(&self) {
        if self.is_new {
            // What cannot be removed is left for its owner to see.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes a platform's own two files, and its folder if nothing else is in it.
fn remove_platform(path: &Path) -> Result<()> {
    let files = [folder::PLATFORM, folder::ROOT].map(|file| fs::remove_file(path.join(file)));
    let removed = files.into_iter().chain([fs::remove_dir(path)]);
    let failed = removed.filter_map(Result::err).find(|fault| fault.kind() != ErrorKind::NotFound);
    match failed {
        Some(fault) => bail!("cannot replace {}: {}", shown(path), reason(&fault)),
        None => Ok(()),
    }
}
