//! A platform's folder: `platform.toml`, and beside it the root certificate that it follows.
//!
//! Must stay true: a folder is written whole or not at all; one that was half written, or edited so that its root is
//! another, is refused.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::MintError;
use crate::pki::pem;
use crate::platform::{Platform, PlatformError};

/// The description.
pub const PLATFORM: &str = "platform.toml";
/// The trust anchor, PEM: what `tdattest verify --root` takes.
pub const ROOT: &str = "root.pem";

/// Largest `platform.toml`, in bytes. The default one has 5,000.
const LARGEST: u64 = 1024 * 1024;

/// Why a folder is none of a platform, or cannot become one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is something already.
    #[error("{0}: already there; a platform is not overwritten")]
    Exists(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("{path}: {fault}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        fault: io::Error,
    },
    /// No platform is here, or only a part of one.
    #[error("{path}: {file} is missing: no platform of `tdattest sim platform new` is here", path = folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// The description cannot be used.
    #[error("{path}: {fault}", path = path.display())]
    Platform {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: PlatformError,
    },
    /// The root certificate is not that of the description.
    #[error(
        "{0}: is not the root certificate of {PLATFORM} beside it: its seed, root_ca window or root_ca_crl_url was edited, or the file was not written whole"
    )]
    OtherRoot(PathBuf),
    /// Its root certificate cannot be minted.
    #[error("{path}: its root certificate {fault}", path = path.display())]
    Root {
        /// The description.
        path: PathBuf,
        /// What is wrong.
        fault: MintError,
    },
}

/// Writes a platform into a new folder: first under a temporary name beside it, then renamed.
///
/// # Errors
/// When the folder is already there or cannot be written; then nothing is left behind.
pub fn create(folder: &Path, platform: &Platform) -> Result<(), FolderError> {
    if folder.symlink_metadata().is_ok() {
        return Err(FolderError::Exists(folder.into()));
    }
    let text = platform.to_toml().map_err(|fault| at(&folder.join(PLATFORM), fault))?;
    let root = root_of(folder, platform)?;
    let draft = beside(folder);
    let io = |fault| FolderError::Io { path: folder.into(), fault };
    // Fails on a folder that is there already, which is then somebody else's and stays.
    fs::create_dir(&draft).map_err(io)?;
    let written = fs::write(draft.join(PLATFORM), text)
        .and_then(|()| fs::write(draft.join(ROOT), root))
        .and_then(|()| fs::rename(&draft, folder));
    written.map_err(|fault| {
        // What came of it; there is nothing more to say if that fails too.
        let _ = fs::remove_dir_all(&draft);
        io(fault)
    })
}

/// Reads a platform's folder.
///
/// # Errors
/// When a file is missing, cannot be read, or is not what it should be.
pub fn open(folder: &Path) -> Result<Platform, FolderError> {
    let path = folder.join(PLATFORM);
    let text = read(folder, PLATFORM)?;
    let platform = Platform::from_toml(&text).map_err(|fault| at(&path, fault))?;
    if read(folder, ROOT)? != root_of(folder, &platform)? {
        return Err(FolderError::OtherRoot(folder.join(ROOT)));
    }
    Ok(platform)
}

/// The platform's root certificate, PEM.
///
/// # Errors
/// When it cannot be encoded.
pub fn root_pem(platform: &Platform) -> Result<String, MintError> {
    Ok(pem("CERTIFICATE", &platform.root_ca().der()?))
}

fn root_of(folder: &Path, platform: &Platform) -> Result<String, FolderError> {
    root_pem(platform).map_err(|fault| FolderError::Root { path: folder.join(PLATFORM), fault })
}

fn at(path: &Path, fault: PlatformError) -> FolderError {
    FolderError::Platform { path: path.into(), fault }
}

fn read(folder: &Path, file: &'static str) -> Result<String, FolderError> {
    let path = folder.join(file);
    let io = |fault| FolderError::Io { path: path.clone(), fault };
    match fs::metadata(&path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            Err(FolderError::Incomplete { folder: folder.into(), file })
        }
        Err(fault) => Err(io(fault)),
        Ok(found) if found.len() > LARGEST => Err(io(io::Error::other(format!(
            "has {} bytes, expected {LARGEST} at most",
            found.len()
        )))),
        Ok(_) => fs::read_to_string(&path).map_err(io),
    }
}

/// A name beside the folder that nobody else uses.
fn beside(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    folder.with_file_name(name)
}
