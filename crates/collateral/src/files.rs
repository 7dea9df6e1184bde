//! Collateral in files: a bundle, an archive or a folder of parts answers the requests that it fits.
//!
//! Must stay true: what stands in a file is as untrusted as what comes over the network. Which set a bundle was made
//! from is not written in it: it answers for `standard` and `early` alike, and for a number only if it is that one.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tdattest_wire::certificate::Certificate;
use tdattest_wire::collateral::{Collateral, Part};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::pem;
use tdattest_wire::qe_identity::EnclaveId;
use tdattest_wire::quote::TeeType;

use crate::archive::{ARCHIVE_BYTES, Archive};
use crate::error::FetchError;
use crate::service::last_certificate;

/// A bundle or a folder, read anew with each request: its owner may have put a newer one there.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) path: PathBuf,
}

impl Files {
    /// One document with its chain, untrusted.
    pub(crate) async fn fetch(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        let files = self.clone();
        let reading = tokio::task::spawn_blocking(move || files.answer(request));
        reading.await.map_err(|fault| FetchError::Unreachable {
            url: self.name(),
            cause: fault.to_string(),
        })?
    }

    fn answer(&self, request: PcsRequest) -> Result<Endorsement, FetchError> {
        let found = if self.path.is_dir() {
            endorsement(&self.folder()?, request)
        } else {
            self.file(request)?
        };
        found.ok_or_else(|| FetchError::Lacks { place: self.name(), document: request.document() })
    }

    fn file(&self, request: PcsRequest) -> Result<Option<Endorsement>, FetchError> {
        let text = self.bytes(&self.path)?;
        if Archive::is_archive(&text) {
            let archive = Archive::parse(&text).map_err(|fault| self.malformed(&fault))?;
            return Ok(archive.document(&request).map(|kept| kept.endorsement.clone()));
        }
        let bundle = Collateral::from_bundle(&text).map_err(|fault| self.malformed(&fault))?;
        Ok(endorsement(&bundle, request))
    }

    fn malformed(&self, fault: &dyn fmt::Display) -> FetchError {
        FetchError::Malformed { url: self.name(), cause: fault.to_string() }
    }

    fn folder(&self) -> Result<Collateral, FetchError> {
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
        Collateral::from_parts(&mut part).map_err(|fault| self.malformed(&fault))
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
fn endorsement(collateral: &Collateral, request: PcsRequest) -> Option<Endorsement> {
    let (body, issuer_chain) = match request {
        PcsRequest::PckCrl(ca) => (issuer(&collateral.pck_crl_issuer_chain)? == ca)
            .then(|| (collateral.pck_crl.clone(), collateral.pck_crl_issuer_chain.clone()))?,
        PcsRequest::RootCaCrl => {
            let root = last_certificate(&collateral.pck_crl_issuer_chain)?;
            (collateral.root_ca_crl.clone(), root)
        }
        PcsRequest::TcbInfo(tee, fmspc, set) => {
            let info = collateral.tcb_info.open_untrusted().ok()?;
            let fits = info.tee == tee && info.fmspc == fmspc;
            (fits && is_of(set, info.tcb_evaluation_data_number))
                .then(|| (collateral.tcb_info.write(), collateral.tcb_info_issuer_chain.clone()))?
        }
        PcsRequest::QeIdentity(tee, set) => {
            let identity = collateral.qe_identity.open_untrusted().ok()?;
            let id = match tee {
                TeeType::Sgx => EnclaveId::Qe,
                TeeType::Tdx => EnclaveId::TdQe,
            };
            let fits = identity.id == id;
            (fits && is_of(set, identity.tcb_evaluation_data_number)).then(|| {
                (collateral.qe_identity.write(), collateral.qe_identity_issuer_chain.clone())
            })?
        }
        PcsRequest::QveIdentity(_) | PcsRequest::EvaluationDataNumbers(_) => return None,
    };
    Some(Endorsement { request, body, issuer_chain })
}

fn is_of(set: EvaluationDataSet, number: u32) -> bool {
    match set {
        EvaluationDataSet::Number(asked) => asked == number,
        EvaluationDataSet::Standard | EvaluationDataSet::Early => true,
    }
}

/// The PCK CA at the start of a chain.
fn issuer(chain: &[u8]) -> Option<PckCa> {
    let certificates = pem::certificates(chain).ok()?;
    let leaf = Certificate::parse(certificates.first()?).ok()?;
    PckCa::from_common_name(&leaf.subject.common_name())
}
