//! A virtual machine's disk, as the guest sees it: raw or qcow2, with the files that the image stands on.
//!
//! Source: QEMU, "docs/interop/qcow2.txt".
//! Must stay true: an image is hostile. It is only read, no table is taken into memory whole, every read is charged
//! against a bound, and no file is opened that the image names unless the user allowed its folder.

#[cfg(test)]
mod any_bytes;
mod bytes_at;
pub(crate) mod copy;
mod error;
mod ext4;
mod gate;
mod guest_path;
mod host_file;
mod partitions;
mod qcow2;
mod recognise;
mod remark;
mod root;
mod volume;
mod work;

use std::path::Path;
use std::rc::Rc;

pub(crate) use error::ImageError;
pub(crate) use gate::Gate;
use host_file::HostFile;
use qcow2::Qcow2;
use recognise::Container;
pub(crate) use remark::Remark;
pub(crate) use work::Work;

/// How the bytes of an image file stand for those of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Byte for byte
    Raw,
    /// QEMU's, with only those clusters that were written
    Qcow2,
}

/// An open disk.
pub(crate) enum DiskImage {
    /// The file is the disk.
    Raw(HostFile),
    /// The file says where each cluster of the disk is.
    Qcow2(Box<Qcow2>),
}

impl DiskImage {
    /// Opens an image, and what it stands on as far as the gate lets it. Without a format, the file's first bytes
    /// decide.
    ///
    /// # Errors
    /// When the file cannot be read, is in another format, or is no sound image.
    pub(crate) fn open(
        path: &Path,
        format: Option<Format>,
        gate: &mut Gate,
        work: &Rc<Work>,
    ) -> Result<Self, ImageError> {
        gate.enter(path)?;
        let file = HostFile::open(path, Rc::clone(work))?;
        let format = match format {
            Some(format) => format,
            None => probe(&file)?,
        };
        match format {
            Format::Raw => Ok(Self::Raw(file)),
            Format::Qcow2 => {
                Qcow2::open(file, gate, work).map(|image| Self::Qcow2(Box::new(image)))
            }
        }
    }

    /// The format of an image, as its first bytes have it.
    ///
    /// # Errors
    /// When the file cannot be read, or is in another format.
    pub(crate) fn probe(path: &Path, work: &Rc<Work>) -> Result<Format, ImageError> {
        probe(&HostFile::open(path, Rc::clone(work))?)
    }

    /// The size of the disk in bytes, which costs nothing to claim.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Raw(file) => file.length(),
            Self::Qcow2(image) => image.length(),
        }
    }

    /// Fills the buffer with what stands at this place of the disk.
    ///
    /// # Errors
    /// When that goes past the end, or the image says something impossible.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        match self {
            Self::Raw(file) => file.read_at(offset, buffer),
            Self::Qcow2(image) => image.read_at(offset, buffer),
        }
    }

    /// As much of the disk at this place as there is, up to so many bytes: for looking at what may be short.
    fn peek(&self, offset: u64, most: usize) -> Result<Vec<u8>, ImageError> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; most.min(left)];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

fn probe(file: &HostFile) -> Result<Format, ImageError> {
    match recognise::container(&file.peek(0, recognise::CONTAINER_BYTES)?) {
        None => Ok(Format::Raw),
        Some(Container::Qcow2) => Ok(Format::Qcow2),
        Some(Container::Other(format)) => {
            Err(ImageError::Format { file: file.path().into(), format })
        }
    }
}
