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
        let Some(path) = self.out.as_deref().filter(|path| *path != Path::new("-")) else {
            return to_standard_output(bytes, form, what, "give -o FILE");
        };
        if write(path, bytes)? {
            output::data(
                format!("wrote {}: {what}, {} bytes\n", shown(path), bytes.len()).as_bytes(),
            )?;
        }
        Ok(())
    }
}

/// Writes to standard output, unless that is a terminal which the bytes would only garble: then it says what to do
/// instead.
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

/// Who may read a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Whoever the user's file mode mask lets.
    Usual,
    /// The user alone.
    Owner,
}

/// Writes a file under a temporary name beside it, then renames it. What is no file, such as a pipe or a device, is
/// written to as it is. Says whether a file is there now.
///
/// # Errors
/// When it cannot be written; what was there before is still there, whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<bool> {
    write_for(path, bytes, Readers::Usual)
}

/// Writes a file as [`write`] does, which nobody but the user can read.
///
/// # Errors
/// When it cannot be written; what was there before is still there, whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<bool> {
    write_for(path, bytes, Readers::Owner)
}

fn write_for(path: &Path, bytes: &[u8], readers: Readers) -> Result<bool> {
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
                .and_then(|path| replace(&path, bytes, readers))
                .map_err(failed)?;
            Ok(true)
        }
        // A link to where nothing is: what it leads to is meant, and cannot be written beside.
        Err(_) if path.is_symlink() => {
            Err(failed(io::Error::other("it is a link to where nothing is")))
        }
        Err(_) => {
            replace(path, bytes, readers).map_err(failed)?;
            Ok(true)
        }
    }
}

fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut draft = name.to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(draft);
    // Not one that is there already, which could be a link to anywhere.
    let mut file = create(&draft, readers)?;
    // What replaces a file is as open to others as that was, unless nobody else may read it.
    let as_before = match fs::metadata(path) {
        Ok(found) if readers == Readers::Usual => file.set_permissions(found.permissions()),
        _ => Ok(()),
    };
    let written = as_before
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, path));
    written.inspect_err(|_| {
        // There is nothing more to say if even this fails.
        let _ = fs::remove_file(&draft);
    })
}

fn create(draft: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(draft)
}
