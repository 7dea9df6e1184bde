//! An ext4 file system in a partition: what `ext4-view` reads, kept inside bounds.
//!
//! Must stay true: what `ext4-view` would allocate by is checked before (block groups, length of links, size of the
//! file), its reads are charged, and should it panic on an image after all, that is an error like any other.

use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};

use super::bytes_at::le32;
use super::guest_path::{self, Walk};
use super::partitions::{Partition, Place};
use super::{DiskImage, ImageError};

/// Groups of 128 MiB as a rule: enough for 128 TiB.
const BLOCK_GROUPS: u64 = 1 << 20;
const PIECE: usize = 64 * 1024;

/// An open file system.
pub(super) struct Volume {
    place: Place,
    file_system: Ext4,
}

impl Volume {
    /// Reads the superblock, the descriptors of the block groups, and the journal if it has not been replayed.
    pub(super) fn open(disk: &Rc<DiskImage>, partition: &Partition) -> Result<Self, ImageError> {
        let place = partition.place.clone();
        let view = View { disk: Rc::clone(disk), start: partition.start, length: partition.length };
        let mut superblock = [0; 1024];
        view.fill(1024, &mut superblock)?;
        if let Some(fault) = outsized(&superblock, partition.length) {
            return Err(ImageError::Ext4 { place, fault });
        }
        let file_system = contained(|| Ext4::load(Box::new(view)));
        let file_system = file_system.map_err(|fault| fault.into_error(&place, "/"))?;
        Ok(Self { place, file_system })
    }

    /// Where a path leads to once its links are followed, if that is a file of at most so many bytes.
    pub(super) fn find(&self, path: &str, most: u64) -> Result<String, ImageError> {
        let walked = contained(|| guest_path::walk(&self.file_system, path));
        let real = match walked.map_err(|fault| fault.into_error(&self.place, path))? {
            Walk::Arrived(real) => real,
            Walk::TooManyLinks(most) => {
                return Err(ImageError::TooManyLinks { path: path.into(), most });
            }
            Walk::LinkTooLong => {
                let fault = format!("a symbolic link on the way to `{path}` is too long");
                return Err(ImageError::Ext4 { place: self.place.clone(), fault });
            }
        };
        let metadata = contained(|| self.file_system.metadata(real.as_bytes()));
        let metadata = metadata.map_err(|fault| fault.into_error(&self.place, path))?;
        if let Some(kind) = special(metadata.file_type()) {
            return Err(ImageError::Special { path: path.into(), kind });
        }
        if metadata.is_dir() {
            return Err(ImageError::Folder { path: path.into() });
        }
        match metadata.len() {
            size if size > most => Err(ImageError::TooLarge { path: path.into(), size, most }),
            _ => Ok(real),
        }
    }

    /// The bytes of a file that was found.
    pub(super) fn read(&self, real: &str) -> Result<Vec<u8>, ImageError> {
        let read = || {
            let mut file = self.file_system.open(real.as_bytes())?;
            let (mut bytes, mut piece) = (Vec::new(), vec![0; PIECE]);
            loop {
                let count = file.read_bytes(&mut piece)?;
                match piece.get(..count) {
                    Some(read) if !read.is_empty() => bytes.extend_from_slice(read),
                    _ => return Ok(bytes),
                }
            }
        };
        contained(read).map_err(|fault| fault.into_error(&self.place, real))
    }
}

/// What would make `ext4-view` allocate or loop by a number that cannot be.
fn outsized(superblock: &[u8], partition: u64) -> Option<String> {
    let field = |at| le32(superblock, at).map(u64::from);
    // Superblock of ext4: s_blocks_count_lo and _hi, s_log_block_size, s_blocks_per_group.
    let blocks = field(0x150)?.checked_shl(32)?.checked_add(field(0x4)?)?;
    let block_size = 1024_u64.checked_shl(le32(superblock, 0x18)?).unwrap_or(0);
    let size = blocks.saturating_mul(block_size);
    let groups = blocks.checked_div(field(0x20)?).unwrap_or(u64::MAX);
    if size > partition {
        return Some(format!("it claims {size} bytes, and there are {partition}"));
    }
    (groups > BLOCK_GROUPS).then(|| format!("it claims {groups} block groups"))
}

fn special(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::BlockDevice | FileType::CharacterDevice => Some("a device"),
        FileType::Fifo => Some("a pipe"),
        FileType::Socket => Some("a socket"),
        _ => None,
    }
}

/// A partition as `ext4-view` reads it.
struct View {
    disk: Rc<DiskImage>,
    start: u64,
    length: u64,
}

impl View {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let inside = offset.checked_add(length).filter(|end| *end <= self.length);
        match inside.and(self.start.checked_add(offset)) {
            Some(place) => self.disk.read_at(place, buffer),
            None => Err(ImageError::EndsEarly {
                file: "the partition".into(),
                end: self.length,
                offset,
                length,
            }),
        }
    }
}

impl Ext4Read for View {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.fill(start_byte, dst).map_err(Into::into)
    }
}

/// How `ext4-view` failed.
enum Fault {
    Told(Ext4Error),
    Panicked,
}

impl Fault {
    fn into_error(self, place: &Place, path: &str) -> ImageError {
        let (place, path) = (place.clone(), path.to_owned());
        let damaged = |fault| ImageError::Ext4 { place: place.clone(), fault };
        let error = match self {
            Self::Told(error) => error,
            Self::Panicked => return damaged("it says something that cannot be".into()),
        };
        match error {
            Ext4Error::Io(error) => match error.downcast::<ImageError>() {
                Ok(error) => *error,
                Err(error) => damaged(error.to_string()),
            },
            Ext4Error::NotFound
            | Ext4Error::NotADirectory
            | Ext4Error::MalformedPath
            | Ext4Error::PathTooLong => ImageError::NotFound { path, searched: vec![place] },
            Ext4Error::Encrypted => ImageError::Encrypted { path },
            Ext4Error::Incompatible(features) => {
                ImageError::Ext4Feature { place, features: features.to_string() }
            }
            other => damaged(other.to_string()),
        }
    }
}

/// Runs a step of `ext4-view` so that a panic of its own ends the step, silently, and not the program.
fn contained<T>(step: impl FnOnce() -> Result<T, Ext4Error>) -> Result<T, Fault> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(step));
    panic::set_hook(hook);
    match outcome {
        Ok(outcome) => outcome.map_err(Fault::Told),
        Err(_) => Err(Fault::Panicked),
    }
}
