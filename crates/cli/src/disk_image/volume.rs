//! The file that a path leads to on one partition, if it is one that is copied.

use std::rc::Rc;

use super::ext4::{FileSystem, Inode, Kind};
use super::guest_path;
use super::partitions::{Partition, Place};
use super::{DiskImage, ImageError};

/// An open file system.
pub(super) struct Volume(FileSystem);

/// A file that was found.
pub(super) struct Found {
    pub(super) real_path: String,
    inode: Inode,
}

impl Volume {
    pub(super) fn open(disk: &Rc<DiskImage>, partition: &Partition) -> Result<Self, ImageError> {
        FileSystem::open(disk, partition).map(Self)
    }

    pub(super) fn partition(&self) -> &Partition {
        self.0.partition()
    }

    pub(super) fn place(&self) -> &Place {
        &self.partition().place
    }

    /// Whether the guest was stopped before it could unmount.
    pub(super) fn is_unclean(&self) -> bool {
        self.0.is_unclean()
    }

    pub(super) fn uuid(&self) -> &str {
        self.0.uuid()
    }

    pub(super) fn label(&self) -> &str {
        self.0.label()
    }

    /// Where a path leads to once its links are followed, if that is a file of at most so many bytes.
    pub(super) fn find(&self, path: &str, most: u64) -> Result<Found, ImageError> {
        let arrived = guest_path::walk(&self.0, path)?;
        let (inode, path) = (arrived.inode, path.to_owned());
        match inode.kind {
            Kind::Folder => return Err(ImageError::Folder { path }),
            Kind::Device => return Err(ImageError::Special { path, kind: "a device" }),
            Kind::Pipe => return Err(ImageError::Special { path, kind: "a pipe" }),
            Kind::Socket => return Err(ImageError::Special { path, kind: "a socket" }),
            Kind::File | Kind::Link => {}
        }
        if inode.is_encrypted {
            return Err(ImageError::Encrypted { path });
        }
        match inode.size {
            size if size > most => Err(ImageError::TooLarge { path, size, most }),
            _ => Ok(Found { real_path: arrived.real_path, inode }),
        }
    }

    /// The bytes of a file that was found.
    pub(super) fn read(&self, found: &Found) -> Result<Vec<u8>, ImageError> {
        self.0.read(&found.inode)
    }
}
