//! What is in the folder of a cache, for who looks at it and fetches nothing.
//!
//! Must stay true: what is read here is not verified.

use std::path::{Path, PathBuf};

use super::folder::{self, Folder, FolderError, Shelf};
use crate::archive::{Archive, ArchiveError, Kept};

/// Every document that is kept in the folder of a cache, not verified; an error for each file that is none.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept_in(folder: &Path) -> Result<Vec<Result<Kept, FolderError>>, FolderError> {
    let files = Folder::new(folder).files(Shelf::Documents)?;
    let document = |path: PathBuf| match folder::read(&path, ENTRY_BYTES)? {
        None => Err(FolderError::Read { path, fault: "it is gone".into() }),
        Some(text) => {
            named_document(&text, &path).map_err(|fault| FolderError::Malformed { path, fault })
        }
    };
    Ok(files.into_iter().map(document).collect())
}

/// An entry under another name than its own is a copy that nobody serves.
fn named_document(text: &[u8], path: &Path) -> Result<Kept, String> {
    let kept = sole_document(text).map_err(|fault| fault.to_string())?;
    let name = folder::file_name(&kept.endorsement.request);
    if path.file_name().is_none_or(|found| found != name.as_str()) {
        return Err(format!("it is another document's: expected the name `{name}`"));
    }
    Ok(kept)
}

/// An entry is an archive of one document.
pub(super) fn sole_document(text: &[u8]) -> Result<Kept, ArchiveError> {
    let archive = Archive::parse(text)?;
    let mut documents = archive.documents();
    match (documents.next(), documents.next()) {
        (Some(kept), None) => Ok(kept.clone()),
        _ => Err(ArchiveError::Malformed("expected one document".into())),
    }
}

/// Largest file of a document, in bytes: a CRL at its bound in hexadecimal, with its chain.
pub(super) const ENTRY_BYTES: usize = 8 * 1024 * 1024;
