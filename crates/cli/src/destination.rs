//! Where something that was made goes: standard output, or a file that is written whole or not at all.
//!
//! Must stay true: nobody ever finds half a file under its own name, and nothing temporary is left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::input::{reason, shown};
use crate::output::{self, Hinted};

/// What is written, and how it looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// To be read by people too.
    Text,
    /// Bytes that a terminal can only garble.
    Binary,
}

/// Who may read and write a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever might before; for a new file, whoever the system lets.
    Kept,
    /// Its owner alone, where the system knows such a thing.
    Private,
}

/// What to do where something cannot be written.
pub(crate) const NOTHING_WRITTEN: &str =
    "nothing was written; choose a place that is there, can be written to, and has room";

/// `-o`: where the artefact goes.
#[derive(clap::Args)]
pub(crate) struct DestinationArgs {
    /// Write it to this file, which is replaced if it is there [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl DestinationArgs {
    /// Writes the artefact. Says, once it is in a file, which artefact that is.
    pub(crate) fn write(&self, bytes: &[u8], form: Form, what: &str) -> Result<()> {
        if let Some(path) = self.place(bytes, form, what, Access::Kept)? {
            let text = format!("wrote {}: {what}, {} bytes\n", shown(path), bytes.len());
            output::data(text.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the artefact and says nothing. Returns the file that it is in now, if it is in one.
    pub(crate) fn place(
        &self,
        bytes: &[u8],
        form: Form,
        what: &str,
        access: Access,
    ) -> Result<Option<&Path>> {
        let Some(path) = self.out.as_deref().filter(|path| *path != Path::new("-")) else {
            to_standard_output(bytes, form, what, "give -o FILE")?;
            return Ok(None);
        };
        Ok(write(path, bytes, access)?.then_some(path))
    }
}

/// Writes to standard output, unless it would garble a terminal; `instead` says what to do then.
///
/// # Errors
/// When standard output is a terminal and this is binary, or cannot be written to.
pub(crate) fn to_standard_output(
    bytes: &[u8],
    form: Form,
    what: &str,
    instead: &str,
) -> Result<()> {
    if form == Form::Binary && io::stdout().is_terminal() {
        let problem = format!("standard output is a terminal, and this is binary: {what}");
        return Err(Hinted::error(problem, format!("{instead}, or send it through a pipe")));
    }
    output::bytes(bytes)
}

/// Writes a file under a temporary name beside it, then renames it. What is no file, such as a pipe or a device, is
/// written to as it is. Says whether a file is there now.
///
/// # Errors
/// When it cannot be written; what was there before is still there, whole.
pub(crate) fn write(path: &Path, bytes: &[u8], access: Access) -> Result<bool> {
    let failed = |fault: io::Error| {
        let problem = format!("cannot write {}: {}", shown(path), reason(&fault));
        Hinted::error(problem, NOTHING_WRITTEN)
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
        Ok(found) if !found.is_file() => {
            let device = OpenOptions::new().write(true).open(path);
            device.and_then(|mut device| device.write_all(bytes)).map_err(failed)?;
            Ok(false)
        }
        // A link is followed: the file that it leads to is the one that is meant.
        Ok(_) => {
            fs::canonicalize(path)
                .and_then(|path| replace(&path, bytes, access))
                .map_err(failed)?;
            Ok(true)
        }
        // A link to where nothing is: what it leads to is meant, and cannot be written beside.
        Err(_) if path.is_symlink() => {
            Err(failed(io::Error::other("it is a link to where nothing is")))
        }
        Err(_) => {
            replace(path, bytes, access).map_err(failed)?;
            Ok(true)
        }
    }
}

fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut draft = name.to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(draft);
    // Not one that is there already, which could be a link to anywhere.
    let mut file = create(&draft, access)?;
    let written = keep_permissions(&file, path, access)
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, path));
    written.inspect_err(|_| {
        // There is nothing more to say if even this fails.
        let _ = fs::remove_file(&draft);
    })
}

fn create(draft: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    options.open(draft)
}

/// Gives the new file the permissions of the one that it takes the place of.
fn keep_permissions(file: &File, path: &Path, access: Access) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(known) if access == Access::Kept => file.set_permissions(known.permissions()),
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn permissions_are_kept_or_its_owners_alone() {
        let folder =
            std::env::temp_dir().join(format!("tdattest-destination-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        fs::write(&path, "before").unwrap();
        for kept in [0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            assert!(write(&path, b"after", Access::Kept).unwrap());
            assert_eq!((mode(&path), fs::read(&path).unwrap()), (kept, b"after".to_vec()));
        }
        for _ in 0..2 {
            assert!(write(&path, b"private", Access::Private).unwrap());
            assert_eq!(mode(&path), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing temporary is left");
        fs::remove_dir_all(&folder).unwrap();
    }
}
