//! Which files of this machine may an image lead to?
//!
//! Must stay true: a name that an image brings is opened only if it is relative, goes nowhere up, and ends below a
//! folder that the user named, after all links of this machine have been followed.

use std::path::{Component, Path, PathBuf};

use super::ImageError;
use super::error::Refusal;

/// QEMU has no such bound. Snapshots of months are merged long before.
const CHAIN: usize = 16;

/// The folders that are allowed, and the files that have been opened.
pub(crate) struct Gate {
    folders: Vec<PathBuf>,
    chain: Vec<PathBuf>,
}

impl Gate {
    /// Allows what is below these folders.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(crate) fn new(folders: &[PathBuf]) -> Result<Self, ImageError> {
        let real = |folder: &PathBuf| {
            let failed = |error| ImageError::Unreadable { file: folder.clone(), error };
            folder.canonicalize().map_err(failed)
        };
        let folders = folders.iter().map(real).collect::<Result<_, _>>()?;
        Ok(Self { folders, chain: Vec::new() })
    }

    /// Notes that a file becomes part of the chain.
    pub(super) fn enter(&mut self, path: &Path) -> Result<(), ImageError> {
        let failed = |error| ImageError::Unreadable { file: path.into(), error };
        let real = path.canonicalize().map_err(failed)?;
        let refused = |why| ImageError::Refused { name: path.display().to_string(), why };
        if self.chain.contains(&real) {
            return Err(refused(Refusal::Cycle));
        }
        if self.chain.len() >= CHAIN {
            return Err(refused(Refusal::Long));
        }
        self.chain.push(real);
        Ok(())
    }

    /// Whether this is one of the files of the chain, under whatever name.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let Some(file) = Identity::of(path) else { return false };
        self.chain.iter().any(|part| Identity::of(part).as_ref() == Some(&file))
    }

    /// The file that a name in an image stands for.
    pub(super) fn admit(&self, image: &Path, name: &str) -> Result<PathBuf, ImageError> {
        let refused = |why| ImageError::Refused { name: name.to_owned(), why };
        if let Some(why) = self.refusal(name) {
            return Err(refused(why));
        }
        // As QEMU has it: beside the image that names it.
        let path = image.parent().unwrap_or(Path::new("")).join(name);
        let failed = |error| ImageError::Unreadable { file: path.clone(), error };
        let real = path.canonicalize().map_err(failed)?;
        let inside = self.folders.iter().any(|folder| real.starts_with(folder));
        if inside { Ok(real) } else { Err(refused(Refusal::Outside)) }
    }

    fn refusal(&self, name: &str) -> Option<Refusal> {
        let path = Path::new(name);
        let is_up = |component: Component<'_>| component == Component::ParentDir;
        if path.has_root() {
            return Some(Refusal::Absolute);
        }
        // QEMU takes `nbd://…`, `json:{…}` and `file:…` for something else than a file of that name.
        if name.split('/').next().unwrap_or(name).contains(':') {
            return Some(Refusal::Protocol);
        }
        if path.components().any(is_up) {
            return Some(Refusal::Parent);
        }
        self.folders.is_empty().then_some(Refusal::NoFolder)
    }
}

/// Which file this is, whatever links lead to it.
#[derive(PartialEq, Eq)]
#[cfg(unix)]
enum Identity {
    File {
        device: u64,
        inode: u64,
    },
    /// Any node for it stands for the same disk.
    BlockDevice(u64),
}

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
        let file = std::fs::metadata(path).ok()?;
        Some(match file.file_type().is_block_device() {
            true => Self::BlockDevice(file.rdev()),
            false => Self::File { device: file.dev(), inode: file.ino() },
        })
    }
}

/// Which file this is, whatever symbolic links lead to it.
#[derive(PartialEq, Eq)]
#[cfg(not(unix))]
struct Identity(PathBuf);

#[cfg(not(unix))]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        path.canonicalize().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(gate: &Gate, name: &str) -> Option<Refusal> {
        match gate.admit(Path::new("image.qcow2"), name) {
            Err(ImageError::Refused { why, .. }) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn refuses_names_that_lead_elsewhere_even_with_every_folder_allowed() {
        let gate = Gate::new(&["/".into()]).unwrap();
        assert_eq!(refusal(&gate, "/etc/passwd"), Some(Refusal::Absolute));
        assert_eq!(refusal(&gate, "../base.img"), Some(Refusal::Parent));
        assert_eq!(refusal(&gate, "a/../../base.img"), Some(Refusal::Parent));
        assert_eq!(refusal(&gate, "nbd://host/export"), Some(Refusal::Protocol));
        assert_eq!(refusal(&gate, "json:{\"file\":1}"), Some(Refusal::Protocol));
        assert_eq!(refusal(&gate, "file:/etc/passwd"), Some(Refusal::Protocol));
    }

    #[test]
    fn opens_nothing_that_an_image_names_unless_a_folder_is_allowed() {
        let gate = Gate::new(&[]).unwrap();
        assert_eq!(refusal(&gate, "Cargo.toml"), Some(Refusal::NoFolder));
    }

    #[test]
    fn admits_a_file_below_an_allowed_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let gate = Gate::new(&[folder.into()]).unwrap();
        let file = folder.join("src/main.rs").canonicalize().unwrap();
        assert_eq!(gate.admit(&folder.join("image"), "src/./main.rs").unwrap(), file);
        assert_eq!(refusal(&Gate::new(&[folder.join("src")]).unwrap(), "src/main.rs"), None);
    }
}
