//! A file of this machine that is part of an image: read at any place, never waited for.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{ImageError, Work};

/// An open file, whose bytes are charged.
pub(crate) struct HostFile {
    path: PathBuf,
    file: File,
    length: u64,
    work: Rc<Work>,
}

impl HostFile {
    /// Opens a file or a block device.
    ///
    /// # Errors
    /// On anything else: a pipe would keep the program waiting.
    pub(super) fn open(path: &Path, work: Rc<Work>) -> Result<Self, ImageError> {
        let failed = |error| ImageError::Unreadable { file: path.into(), error };
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_file() && !is_block_device(kind) {
            return Err(ImageError::NoFile { file: path.into() });
        }
        let mut file = File::open(path).map_err(failed)?;
        // A block device has no length of its own, but an end.
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.into(), file, length, work })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn charge(&self, bytes: usize) -> Result<(), ImageError> {
        self.work.charge(bytes)
    }

    /// Fills the buffer from this place of the file.
    ///
    /// # Errors
    /// When the file ends before; nothing is padded.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        self.work.charge(buffer.len())?;
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        if end.is_none() {
            let (file, end) = (self.path.clone(), self.length);
            return Err(ImageError::EndsEarly { file, end, offset, length });
        }
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(buffer));
        read.map_err(|error| ImageError::Unreadable { file: self.path.clone(), error })
    }

    /// As much of the file at this place as there is, up to so many bytes.
    pub(super) fn peek(&self, offset: u64, most: usize) -> Result<Vec<u8>, ImageError> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; most.min(left)];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(unix)]
fn is_block_device(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_block_device()
}

#[cfg(not(unix))]
fn is_block_device(_kind: fs::FileType) -> bool {
    false
}
