//! Are files still the ones that were read?
//!
//! Must stay true: where that is not known they are taken for others, and read again.

use std::fs::{self, Metadata};
use std::path::PathBuf;
use std::time::SystemTime;

/// How files stand: which they are, how long, and when they were changed last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(PathBuf, File)>>);

#[derive(Debug, PartialEq, Eq)]
struct File {
    length: u64,
    modified: SystemTime,
    identity: Identity,
}

impl Stamp {
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let file = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            let (length, modified) = (metadata.len(), metadata.modified().ok()?);
            Some((path, File { length, modified, identity: identity(&metadata) }))
        };
        Self(paths.into_iter().map(file).collect())
    }

    /// Whether nothing has changed since the other was taken.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        self.0.iter().all(Option::is_some) && self == other
    }
}

/// The file itself, and when anything of it changed, which nobody sets.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}
