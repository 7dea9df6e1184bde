//! The folder of a demo: a new one, or on request that of an earlier demo.
//!
//! Must stay true: nothing is removed but what a demo made.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tdattest_simulator::{Seed, folder};

use crate::input::{reason, shown};
use crate::output::Hinted;

/// The phrase that the keys of a demo's platform come from.
pub(super) const PHRASE: &str = "demo";

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

/// Removes the platform of an earlier demo: a real folder with its two files, made from the demo's phrase.
fn remove_platform(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_dir() && is_of_a_demo(path) => {}
        _ => {
            return Err(Hinted::error(
                format!(
                    "{} is there already, and no demo made it; nothing was changed",
                    shown(path)
                ),
                "--folder DIR puts the files elsewhere",
            ));
        }
    }
    let files = [folder::PLATFORM, folder::ROOT].map(|file| fs::remove_file(path.join(file)));
    let failed = files.into_iter().chain([fs::remove_dir(path)]).find_map(Result::err);
    match failed {
        Some(fault) => bail!("cannot replace {}: {}", shown(path), reason(&fault)),
        None => Ok(()),
    }
}

/// Whether a folder holds a demo's platform and nothing else.
fn is_of_a_demo(path: &Path) -> bool {
    let platform = folder::open(path);
    let entries = fs::read_dir(path).map(Iterator::count);
    platform.is_ok_and(|platform| platform.seed == Seed::of(PHRASE))
        && entries.is_ok_and(|count| count == [folder::PLATFORM, folder::ROOT].len())
}
