//! The files of a cache: one a document, one for what was seen of it, one to lock it.
//!
//! Must stay true: a file is there whole or not at all, whatever dies in between; no more of a file is read than it may
//! have.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tdattest_wire::pcs::PcsRequest;

/// Why a file of the cache cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {fault}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why, in the system's words.
        fault: String,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`: {fault}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why, in the system's words.
        fault: String,
    },
    /// It is longer than any that is written there.
    #[error("`{path}` is larger than {limit} bytes, the most that is read", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: usize,
    },
    /// It says something else.
    #[error("`{path}` was changed or damaged: {fault}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// What is kept of a document, each in its own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// The document itself.
    Documents,
    /// Which edition of it was seen.
    Seen,
    /// Who fetches it.
    Locks,
}

impl Shelf {
    fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Seen => "seen",
            Self::Locks => "locks",
        }
    }
}

/// The folder of a cache.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.into())
    }

    /// Where the file of a document is.
    pub(crate) fn path(&self, shelf: Shelf, request: &PcsRequest) -> PathBuf {
        self.0.join(shelf.name()).join(file_name(request))
    }

    /// The whole file of a document; `None` if it is not there.
    pub(crate) fn read(
        &self,
        shelf: Shelf,
        request: &PcsRequest,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, FolderError> {
        read(&self.path(shelf, request), limit)
    }

    /// Every file of a shelf, by name; none if there is no such folder.
    pub(crate) fn files(&self, shelf: Shelf) -> Result<Vec<PathBuf>, FolderError> {
        let path = self.0.join(shelf.name());
        let failed = |fault| FolderError::Read { path: path.clone(), fault: reason(&fault) };
        let entries = match fs::read_dir(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Puts the file of a document in place.
    pub(crate) fn write(
        &self,
        shelf: Shelf,
        request: &PcsRequest,
        bytes: &[u8],
    ) -> Result<(), FolderError> {
        let path = self.path(shelf, request);
        let parent = self.0.join(shelf.name());
        replace(&parent, &path, bytes)
            .map_err(|fault| FolderError::Write { path, fault: reason(&fault) })
    }

    /// Removes the file of a document, if there is one.
    pub(crate) fn remove(&self, shelf: Shelf, request: &PcsRequest) -> Result<(), FolderError> {
        let path = self.path(shelf, request);
        match fs::remove_file(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Write { path, fault: reason(&fault) })
            }
            _ => Ok(()),
        }
    }

    /// Takes the lock of a document, unless another process has it.
    pub(crate) fn try_lock(&self, request: &PcsRequest) -> Result<Locked, FolderError> {
        let path = self.path(Shelf::Locks, request);
        let parent = self.0.join(Shelf::Locks.name());
        let failed = |fault| FolderError::Write { path: path.clone(), fault: reason(&fault) };
        fs::create_dir_all(parent).map_err(failed)?;
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        lock(file).map_err(failed)
    }
}

/// What trying to lock came to.
#[derive(Debug)]
pub(crate) enum Locked {
    /// Ours, until it is dropped.
    Ours { _file: File },
    /// Another process has it.
    Theirs,
}

/// The kernel ends the lock with the process, however that ends.
#[cfg(unix)]
fn lock(file: File) -> io::Result<Locked> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Locked::Ours { _file: file }),
        Err(Errno::WOULDBLOCK) => Ok(Locked::Theirs),
        Err(fault) => Err(fault.into()),
    }
}

/// Without locks two processes may fetch the same document; each still writes it whole.
#[cfg(not(unix))]
fn lock(file: File) -> io::Result<Locked> {
    Ok(Locked::Ours { _file: file })
}

/// A readable name that no other document has, safe on every file system.
pub(crate) fn file_name(request: &PcsRequest) -> String {
    let path = request.path().replace("/certification/v4", "");
    let name = path.trim_start_matches('/').chars();
    let name: String = name
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    format!("{name}.json")
}

/// A whole file of at most `limit` bytes; `None` if it is not there.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FolderError> {
    let failed = |fault: io::Error| FolderError::Read { path: path.into(), fault: reason(&fault) };
    let file = match File::open(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from a longer one.
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(FolderError::TooLarge { path: path.into(), limit });
    }
    Ok(Some(bytes))
}

fn replace(parent: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT);
    // What is kept is public; another user's process may read it, and verifies it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut draft = builder.tempfile_in(parent)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    let now = draft.as_file().metadata()?.modified()?;
    draft.persist(path).map_err(|fault| fault.error)?;
    // The name is on disk once the folder is. Not every system can say so of a folder.
    #[cfg(unix)]
    File::open(parent)?.sync_all()?;
    sweep(parent, now);
    Ok(())
}

/// Removes the drafts of processes that died. One that cannot be removed is in nobody's way.
fn sweep(parent: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_string_lossy().starts_with(DRAFT);
        let modified = || entry.metadata().ok()?.modified().ok();
        let age = |modified: SystemTime| now.duration_since(modified).ok();
        if is_draft && modified().and_then(age).is_some_and(|age| age > DRAFT_AGE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// How the names of drafts begin.
const DRAFT: &str = ".new-";

/// Nobody writes one document for a day.
const DRAFT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The reason of an I/O error without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().map(str::to_lowercase).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tdattest_wire::pcs::{EvaluationDataSet, PckCa};
    use tdattest_wire::quote::TeeType;

    use super::*;

    fn requests() -> Vec<PcsRequest> {
        let fmspc = "00806f050000".parse().unwrap();
        let mut requests = vec![
            PcsRequest::PckCrl(PckCa::Processor),
            PcsRequest::PckCrl(PckCa::Platform),
            PcsRequest::RootCaCrl,
        ];
        for set in
            [EvaluationDataSet::Standard, EvaluationDataSet::Early, EvaluationDataSet::Number(7)]
        {
            requests.push(PcsRequest::QveIdentity(set));
            for tee in [TeeType::Sgx, TeeType::Tdx] {
                requests.push(PcsRequest::TcbInfo(tee, fmspc, set));
                requests.push(PcsRequest::QeIdentity(tee, set));
            }
        }
        requests.extend([TeeType::Sgx, TeeType::Tdx].map(PcsRequest::EvaluationDataNumbers));
        requests
    }

    #[test]
    fn every_document_has_a_readable_name_of_its_own() {
        let names: BTreeSet<String> = requests().iter().map(file_name).collect();
        assert_eq!(names.len(), requests().len());
        assert!(names.contains("tdx-tcb-fmspc-00806F050000-update-early.json"), "{names:?}");
        assert!(names.contains("sgx-pckcrl-ca-platform-encoding-der.json"), "{names:?}");
        let safe = |name: &String| {
            let stem = name.strip_suffix(".json").unwrap();
            stem.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
        };
        assert!(names.iter().all(safe));
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_temporary_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(&scratch.path().join("made/on/the/way"));
        let request = PcsRequest::RootCaCrl;
        assert_eq!(folder.read(Shelf::Documents, &request, 10), Ok(None));
        for bytes in [&b"a longer one"[..], b"short"] {
            folder.write(Shelf::Documents, &request, bytes).unwrap();
            let read = folder.read(Shelf::Documents, &request, bytes.len());
            assert_eq!(read, Ok(Some(bytes.to_vec())));
        }
        let parent = folder.path(Shelf::Documents, &request);
        assert_eq!(fs::read_dir(parent.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn no_more_is_read_than_a_file_may_have() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(scratch.path());
        let request = PcsRequest::RootCaCrl;
        folder.write(Shelf::Documents, &request, &[b'x'; 100]).unwrap();
        let path = folder.path(Shelf::Documents, &request);
        let read = folder.read(Shelf::Documents, &request, 99);
        assert_eq!(read, Err(FolderError::TooLarge { path, limit: 99 }));
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_is_anothers_until_it_is_dropped() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(scratch.path());
        let (request, other) = (PcsRequest::RootCaCrl, PcsRequest::PckCrl(PckCa::Platform));
        let ours = folder.try_lock(&request).unwrap();
        assert!(matches!(ours, Locked::Ours { .. }));
        assert!(matches!(folder.try_lock(&request).unwrap(), Locked::Theirs));
        assert!(matches!(folder.try_lock(&other).unwrap(), Locked::Ours { .. }));
        drop(ours);
        assert!(matches!(folder.try_lock(&request).unwrap(), Locked::Ours { .. }));
    }
}
