//! Collateral in files: a bundle, an archive or a folder of parts answers the requests that it fits.
//!
//! Must stay true: what stands in a file is as untrusted as what comes over the network. Which set a bundle was made
//! from is not written in it: it answers for `standard`, for a number if it is that one, and never for `early`.

mod stamp;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tdattest_wire::collateral::{Collateral, Part};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::qe_identity::EnclaveId;
use tdattest_wire::quote::TeeType;

use crate::archive::{ARCHIVE_BYTES, Archive};
use crate::chain;
use crate::deadline::Deadline;
use crate::error::FetchError;
use stamp::Stamp;

/// A bundle, an archive or a folder. Read once, and again when it is another: its owner may have put a newer one there.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    path: PathBuf,
    /// What was read last. Whoever reads has it, so that those who ask meanwhile do not read the same.
    read: Arc<Mutex<Option<Read>>>,
}

/// What was read, and how the files stood then.
#[derive(Debug)]
struct Read {
    stamp: Stamp,
    content: Arc<Content>,
}

/// What files hold.
#[derive(Debug)]
enum Content {
    Archive(Archive),
    /// A bundle, or a folder of parts.
    Parts(Box<Collateral>),
}

impl Files {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: Arc::default() }
    }

    /// One document with its chain, untrusted.
    ///
    /// A file system that hangs keeps a thread until it answers, but nobody waits for it past the deadline.
    pub(crate) async fn fetch(
        &self,
        request: PcsRequest,
        deadline: Deadline,
    ) -> Result<Endorsement, FetchError> {
        let files = self.clone();
        let reading = tokio::task::spawn_blocking(move || files.answer(request));
        let failed = |fault: tokio::task::JoinError| FetchError::Unreachable {
            url: self.name(),
            cause: fault.to_string(),
        };
        let reading = async { reading.await.map_err(failed)? };
        deadline.bound(|| self.name(), reading).await
    }

    fn answer(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        let found = match &*self.content()? {
            Content::Archive(archive) => {
                archive.document(&request).map(|kept| kept.endorsement.clone())
            }
            Content::Parts(collateral) => self.part_of(collateral, request)?,
        };
        found.ok_or_else(|| FetchError::Lacks { place: self.name(), document: request.document() })
    }

    /// What the files hold: as it was read before, if they are still the same.
    fn content(&self) -> Result<Arc<Content>, FetchError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // Before they are read: what changes meanwhile is seen the next time.
        let stamp = Stamp::of(self.paths());
        if let Some(read) = read.as_ref().filter(|read| stamp.is_of_the_same(&read.stamp)) {
            return Ok(Arc::clone(&read.content));
        }
        let content = Arc::new(if self.path.is_dir() { self.folder()? } else { self.file()? });
        *read = Some(Read { stamp, content: Arc::clone(&content) });
        Ok(content)
    }

    /// Every file that is read.
    fn paths(&self) -> Vec<PathBuf> {
        if !self.path.is_dir() {
            return vec![self.path.clone()];
        }
        Part::ALL.into_iter().filter_map(|part| part_file(&self.path, part)).collect()
    }

    fn file(&self) -> Result<Content, FetchError> {
        let text = self.bytes(&self.path)?;
        if Archive::is_archive(&text) {
            let archive = Archive::parse(&text).map_err(|fault| self.malformed(&fault))?;
            return Ok(Content::Archive(archive));
        }
        let bundle = Collateral::from_bundle(&text).map_err(|fault| self.malformed(&fault))?;
        Ok(Content::Parts(Box::new(bundle)))
    }

    fn part_of(
        &self,
        collateral: &Collateral,
        request: PcsRequest,
    ) -> Result<Option<Endorsement>, FetchError> {
        endorsement(collateral, request).map_err(|fault| self.malformed(&fault))
    }

    fn malformed(&self, fault: &dyn fmt::Display) -> FetchError {
        FetchError::Malformed { url: self.name(), cause: fault.to_string() }
    }

    fn folder(&self) -> Result<Content, FetchError> {
        let mut parts: Vec<(Part, Vec<u8>)> = Vec::new();
        for part in Part::ALL {
            if let Some(file) = part_file(&self.path, part) {
                parts.push((part, self.bytes(&file)?));
            }
        }
        let mut part = |which: Part| {
            let index = parts.iter().position(|(part, _)| *part == which)?;
            Some(parts.swap_remove(index).1)
        };
        let collateral =
            Collateral::from_parts(&mut part).map_err(|fault| self.malformed(&fault))?;
        Ok(Content::Parts(Box::new(collateral)))
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, FetchError> {
        let url = format!("file:{}", path.display());
        let bytes = bounded(path).map_err(|fault| {
            let text = fault.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            FetchError::Unreachable { url: url.clone(), cause: text.to_lowercase() }
        })?;
        bytes.ok_or_else(|| {
            let cause = format!("the file is larger than {ARCHIVE_BYTES} bytes");
            FetchError::Malformed { url, cause }
        })
    }

    pub(crate) fn name(&self) -> String {
        format!("file:{}", self.path.display())
    }
}

/// A file; `None` when it is larger than an archive can be, which is larger than a bundle.
fn bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // To open a pipe that nobody writes to takes for ever.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let limit = u64::try_from(ARCHIVE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file at the limit from a longer one.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= ARCHIVE_BYTES).then_some(bytes))
}

/// The file of a part in a folder; the first that exists of those it may have.
fn part_file(folder: &Path, part: Part) -> Option<PathBuf> {
    let endings = part.file_endings().iter();
    endings
        .map(|ending| folder.join(part.name()).with_extension(ending))
        .find(|file| file.symlink_metadata().is_ok())
}

/// The part of collateral that answers a request, if there is one.
///
/// # Errors
/// When the part that would answer cannot be read.
fn endorsement(
    collateral: &Collateral,
    request: PcsRequest,
) -> Result<Option<Endorsement>, String> {
    let parts = match request {
        PcsRequest::PckCrl(ca) => {
            let chain = &collateral.pck_crl_issuer_chain;
            (chain::pck_ca(chain)? == ca).then(|| (collateral.pck_crl.clone(), chain.clone()))
        }
        PcsRequest::RootCaCrl => {
            let root = chain::root(&collateral.pck_crl_issuer_chain)?;
            Some((collateral.root_ca_crl.clone(), root))
        }
        PcsRequest::TcbInfo(tee, fmspc, set) => {
            let info = collateral.tcb_info.open_untrusted().map_err(|fault| fault.to_string())?;
            let fits = info.tee == tee && info.fmspc == fmspc;
            (fits && is_of(set, info.tcb_evaluation_data_number))
                .then(|| (collateral.tcb_info.write(), collateral.tcb_info_issuer_chain.clone()))
        }
        PcsRequest::QeIdentity(tee, set) => {
            let identity =
                collateral.qe_identity.open_untrusted().map_err(|fault| fault.to_string())?;
            let id = match tee {
                TeeType::Sgx => EnclaveId::Qe,
                TeeType::Tdx => EnclaveId::TdQe,
            };
            let fits = identity.id == id && is_of(set, identity.tcb_evaluation_data_number);
            fits.then(|| {
                (collateral.qe_identity.write(), collateral.qe_identity_issuer_chain.clone())
            })
        }
        PcsRequest::QveIdentity(_) | PcsRequest::EvaluationDataNumbers(_) => None,
    };
    Ok(parts.map(|(body, issuer_chain)| Endorsement { request, body, issuer_chain }))
}

fn is_of(set: EvaluationDataSet, number: u32) -> bool {
    match set {
        EvaluationDataSet::Number(asked) => asked == number,
        EvaluationDataSet::Standard => true,
        // It may be the standard set, and nothing in it says so.
        EvaluationDataSet::Early => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{ "schema": "tdattest.collateral-archive/1", "documents": [] }"#;

    #[test]
    fn a_file_is_read_once_and_again_when_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.json");
        std::fs::write(&path, EMPTY).unwrap();
        let files = Files::new(path.clone());
        let first = files.content().unwrap();
        assert!(Arc::ptr_eq(&first, &files.clone().content().unwrap()));

        let newer = folder.path().join("newer.json");
        std::fs::write(&newer, EMPTY).unwrap();
        std::fs::rename(&newer, &path).unwrap();
        assert!(!Arc::ptr_eq(&first, &files.content().unwrap()));
        std::fs::remove_file(&path).unwrap();
        assert!(files.content().is_err());
    }
}
