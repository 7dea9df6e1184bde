//! Why a file could not be read out of an image.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::partitions::Place;
use crate::input::reason;

/// What is wrong, in the order in which it is looked for.
#[derive(Debug, Error)]
pub(crate) enum ImageError {
    #[error("cannot read {}: {}", shown(.file), reason(.error))]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{} is neither a file nor a block device", shown(.file))]
    NoFile { file: PathBuf },
    #[error("{} is in the format {format}, expected raw or qcow2", shown(.file))]
    Format { file: PathBuf, format: &'static str },
    #[error("{} ends at byte {end}; {length} bytes at byte {offset} are needed", shown(.file))]
    EndsEarly { file: PathBuf, end: u64, offset: u64, length: u64 },
    #[error("reading the image takes more work than an image of honest make would")]
    TooMuchWork,

    #[error("{} is no sound qcow2 image: {fault}", shown(.file))]
    Qcow2 { file: PathBuf, fault: Qcow2Fault },
    #[error("{} uses {feature}, which is not read here", shown(.file))]
    Qcow2Feature { file: PathBuf, feature: &'static str, may_name_files: bool },

    #[error("the image stands on `{name}`, and {why}")]
    Refused { name: String, why: Refusal },

    #[error("{} is the image itself, or a file that it stands on", shown(.file))]
    Overwritten { file: PathBuf },

    #[error("the partition table is damaged: {fault}")]
    PartitionTable { fault: &'static str },
    #[error("there is no partition {number}; there are: {}", list(.there))]
    NoPartition { number: u32, there: Vec<Place> },
    #[error("{place} has {what}, which is not read here")]
    Content { place: Place, what: &'static str },
    #[error("{place} has no file system that is known here")]
    UnknownContent { place: Place },
    #[error("no partition has a file system that is known here; there are: {}", list(.there))]
    NoFileSystem { there: Vec<Place> },
    #[error("the ext4 file system on {place} has features that are not read here: {features}")]
    Ext4Feature { place: Place, features: String },
    #[error("the ext4 file system on {place} is damaged: {fault}")]
    Ext4 { place: Place, fault: String },

    #[error("`{path}` is no absolute path in the guest, such as /home/tdx/quote.dat")]
    NotAbsolute { path: String },
    #[error("there is no `{path}` on {}", list(.searched))]
    NotFound { path: String, searched: Vec<Place> },
    #[error("`{path}` is on {}", list(.found))]
    Ambiguous { path: String, found: Vec<Place> },
    #[error("`{path}` leads through more than {most} symbolic links, or in a circle")]
    TooManyLinks { path: String, most: usize },
    #[error("`{path}` is a folder, and only files are copied")]
    Folder { path: String },
    #[error("`{path}` is {kind}, and only files are copied")]
    Special { path: String, kind: &'static str },
    #[error("`{path}` is encrypted")]
    Encrypted { path: String },
    #[error("`{path}` has {size} bytes, more than the {most} that are read")]
    TooLarge { path: String, size: u64, most: u64 },
}

impl ImageError {
    /// Whether the image may be sound, and is only of a kind that is not read here.
    pub(crate) fn is_unsupported(&self) -> bool {
        let format = matches!(self, Self::Format { .. } | Self::Qcow2Feature { .. });
        let refused = matches!(self, Self::Refused { why: Refusal::Format, .. });
        let content = matches!(
            self,
            Self::Content { .. } | Self::UnknownContent { .. } | Self::NoFileSystem { .. }
        );
        let within = matches!(self, Self::Ext4Feature { .. } | Self::Encrypted { .. });
        format || refused || content || within
    }

    /// Whether the image may name files that nobody has looked at: other programs would open them all the same.
    pub(crate) fn may_leave_names(&self) -> bool {
        let Self::Qcow2Feature { may_name_files, .. } = self else {
            return matches!(self, Self::Format { .. } | Self::Refused { .. });
        };
        *may_name_files
    }

    /// Whether a whole partition could not be read, and not only the file.
    pub(super) fn is_about_place(&self) -> bool {
        !matches!(
            self,
            Self::TooManyLinks { .. }
                | Self::Folder { .. }
                | Self::Special { .. }
                | Self::Encrypted { .. }
                | Self::TooLarge { .. }
        )
    }
}

/// What a qcow2 image says that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Qcow2Fault {
    #[error("it does not begin with a qcow2 header")]
    Header,
    #[error("it is of version {0}, expected 2 or 3")]
    Version(u32),
    #[error("its clusters have 2^{0} bytes, expected 2^9 to 2^21")]
    ClusterBits(u32),
    #[error("its header claims {0} bytes, expected 104 to one cluster")]
    HeaderLength(u32),
    #[error("its header extensions do not fit into one cluster")]
    Extensions,
    #[error("the name of its backing file does not fit into one cluster")]
    BackingName,
    #[error("it has a data file of its own, but does not name it")]
    DataFileName,
    #[error("it claims a disk of {0} bytes, more than its first table can describe")]
    Size(u64),
    #[error("a table or cluster does not start at a multiple of the cluster size, but at byte {0}")]
    Alignment(u64),
    #[error("a compressed cluster cannot be decompressed")]
    Compressed,
    #[error("it is marked as corrupt")]
    MarkedCorrupt,
}

/// Why a file that an image names is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("no folder is allowed for such files")]
    NoFolder,
    #[error("that is no plain file name, but a protocol")]
    Protocol,
    #[error("absolute names are not followed")]
    Absolute,
    #[error("names with `..` are not followed")]
    Parent,
    #[error("that is outside of the allowed folders")]
    Outside,
    #[error("that is part of the chain already")]
    Cycle,
    #[error("the chain has more than 16 files")]
    Long,
    #[error("that is in a format other than raw and qcow2")]
    Format,
}

impl Refusal {
    /// Whether naming a folder could change it.
    pub(crate) fn is_for_want_of_a_folder(self) -> bool {
        matches!(self, Self::NoFolder | Self::Outside)
    }
}

fn shown(path: &Path) -> String {
    crate::input::shown(path)
}

pub(super) fn list(places: &[Place]) -> String {
    let names: Vec<String> = places.iter().map(ToString::to_string).collect();
    names.join(", ")
}
