//! Nothing older than what was seen: the newest edition of each document that was ever accepted is remembered.
//!
//! A source that is lied to, or lies, can serve documents that are genuine and not yet ended but from before a TCB
//! recovery. What is remembered outlives the document itself.
//! Must stay true: what cannot be read is not taken for "nothing seen".

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tdattest_wire::endorsement::Validity;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::time::UnixTime;

use crate::cache::Failure;
use crate::cache::folder::{Folder, FolderError, Shelf};

/// The newest edition of a document that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Edition {
    /// Its TCB evaluation data number, the highest; none for a document that has none.
    pub evaluation_data_number: Option<u32>,
    /// When it was made, the latest.
    pub issued: UnixTime,
}

/// A document older than one that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rollback {
    /// Its TCB evaluation data number is lower.
    #[error(
        "the {document} has TCB evaluation data number {found}, but {seen} has been seen before",
        document = .request.document()
    )]
    Number {
        /// Which document.
        request: PcsRequest,
        /// What came.
        found: u32,
        /// The highest that was seen.
        seen: u32,
    },
    /// It was made earlier.
    #[error(
        "the {document} was issued {found}, but one of {seen} has been seen before",
        document = .request.document()
    )]
    Issued {
        /// Which document.
        request: PcsRequest,
        /// What came.
        found: UnixTime,
        /// The latest that was seen.
        seen: UnixTime,
    },
    /// The early set's number is lower than the standard one's: one of the two is the other. Which set a document is of
    /// stands under no signature, its number does.
    #[error(
        "the {document} of the early set has TCB evaluation data number {early}, and that of the standard set {standard}: one of them is not of the set that it was given for",
        document = .request.document()
    )]
    EarlyBehindStandard {
        /// The document of the early set.
        request: PcsRequest,
        /// Its number.
        early: u32,
        /// The number of the standard set.
        standard: u32,
    },
}

/// Lets through documents of which no early one is behind the standard one.
///
/// # Errors
/// The first that is.
pub fn require_sets<'a>(
    documents: impl IntoIterator<Item = (&'a PcsRequest, &'a Validity)>,
) -> Result<(), Rollback> {
    let numbers: BTreeMap<PcsRequest, u32> = documents
        .into_iter()
        .filter_map(|(request, validity)| Some((*request, validity.evaluation_data_number?)))
        .collect();
    for (request, early) in &numbers {
        let standard = standard_of(request).and_then(|standard| numbers.get(&standard));
        if let Some(standard) = standard {
            require_not_behind(*request, *early, *standard)?;
        }
    }
    Ok(())
}

/// The standard set's document that an early one is to replace.
pub(crate) fn standard_of(request: &PcsRequest) -> Option<PcsRequest> {
    const STANDARD: EvaluationDataSet = EvaluationDataSet::Standard;
    match request {
        PcsRequest::TcbInfo(tee, fmspc, EvaluationDataSet::Early) => {
            Some(PcsRequest::TcbInfo(*tee, *fmspc, STANDARD))
        }
        PcsRequest::QeIdentity(tee, EvaluationDataSet::Early) => {
            Some(PcsRequest::QeIdentity(*tee, STANDARD))
        }
        PcsRequest::QveIdentity(EvaluationDataSet::Early) => {
            Some(PcsRequest::QveIdentity(STANDARD))
        }
        _ => None,
    }
}

pub(crate) fn require_not_behind(
    request: PcsRequest,
    early: u32,
    standard: u32,
) -> Result<(), Rollback> {
    if early < standard {
        return Err(Rollback::EarlyBehindStandard { request, early, standard });
    }
    Ok(())
}

impl Edition {
    /// The edition that a document is.
    pub fn of(validity: &Validity) -> Self {
        Self { evaluation_data_number: validity.evaluation_data_number, issued: validity.issued }
    }

    /// Lets through what is not older than this.
    ///
    /// # Errors
    /// When it has a lower number, or was issued earlier.
    pub fn admit(&self, request: PcsRequest, found: &Self) -> Result<(), Rollback> {
        // A document that lost its number is not parsed at all: there is no number to fall back from.
        if let (Some(seen), Some(found)) =
            (self.evaluation_data_number, found.evaluation_data_number)
            && found < seen
        {
            return Err(Rollback::Number { request, found, seen });
        }
        if found.issued < self.issued {
            return Err(Rollback::Issued { request, found: found.issued, seen: self.issued });
        }
        Ok(())
    }

    /// The newer of the two, each fact on its own.
    pub(crate) fn newest(self, other: Self) -> Self {
        Self {
            evaluation_data_number: self.evaluation_data_number.max(other.evaluation_data_number),
            issued: self.issued.max(other.issued),
        }
    }
}

/// Lets through a verified document that is not older than what was seen by the cache in a folder.
///
/// # Errors
/// When it is older, or what was seen cannot be read.
pub fn admit_in(folder: &Path, request: PcsRequest, found: &Validity) -> Result<(), Failure> {
    Guard::new(Folder::new(folder)).admit(request, found)
}

/// What has been seen, on disk.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    folder: Folder,
}

impl Guard {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Lets through what is not older than what was seen.
    pub(crate) fn admit(&self, request: PcsRequest, found: &Validity) -> Result<(), Failure> {
        let found = Edition::of(found);
        if let Some(seen) = self.seen(&request).map_err(Failure::Seen)? {
            seen.admit(request, &found).map_err(Failure::Rollback)?;
        }
        let Some(standard) = standard_of(&request) else { return Ok(()) };
        let seen = self.seen(&standard).map_err(Failure::Seen)?;
        let standard = seen.and_then(|seen| seen.evaluation_data_number);
        match (found.evaluation_data_number, standard) {
            (Some(early), Some(standard)) => {
                require_not_behind(request, early, standard).map_err(Failure::Rollback)
            }
            _ => Ok(()),
        }
    }

    /// The newest edition that was seen of a document.
    pub(crate) fn seen(&self, request: &PcsRequest) -> Result<Option<Edition>, FolderError> {
        let Some(text) = self.folder.read(Shelf::Seen, request, EDITION_BYTES)? else {
            return Ok(None);
        };
        let edition = serde_json::from_slice(&text).map_err(|fault| FolderError::Malformed {
            path: self.folder.path(Shelf::Seen, request),
            fault: fault.to_string(),
        })?;
        Ok(Some(edition))
    }

    /// Remembers an edition; what was seen of a newer one stays.
    pub(crate) fn remember(
        &self,
        request: &PcsRequest,
        edition: Edition,
    ) -> Result<(), FolderError> {
        let seen = self.seen(request)?;
        let newest = seen.map_or(edition, |seen| seen.newest(edition));
        if seen == Some(newest) {
            return Ok(());
        }
        self.write(request, newest)
    }

    /// Forgets what was seen of newer editions: whoever calls this was told to.
    pub(crate) fn roll_back(
        &self,
        request: &PcsRequest,
        edition: Edition,
    ) -> Result<(), FolderError> {
        self.write(request, edition)
    }

    fn write(&self, request: &PcsRequest, edition: Edition) -> Result<(), FolderError> {
        // Plain members: this cannot fail.
        let mut text = serde_json::to_vec(&edition).unwrap_or_default();
        text.push(b'\n');
        self.folder.write(Shelf::Seen, request, &text)
    }
}

/// Largest record of an edition, in bytes: they have about 70.
const EDITION_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: PcsRequest = PcsRequest::RootCaCrl;

    fn edition(evaluation_data_number: Option<u32>, issued: u64) -> Edition {
        Edition { evaluation_data_number, issued: UnixTime::from_secs(issued).unwrap() }
    }

    #[test]
    fn the_same_and_newer_editions_pass() {
        let seen = edition(Some(17), 100);
        for found in [edition(Some(17), 100), edition(Some(17), 101), edition(Some(18), 100)] {
            assert_eq!(seen.admit(REQUEST, &found), Ok(()));
        }
        assert_eq!(edition(None, 100).admit(REQUEST, &edition(None, 100)), Ok(()));
    }

    #[test]
    fn a_lower_number_is_refused_even_when_it_was_issued_later() {
        let refused = edition(Some(17), 100).admit(REQUEST, &edition(Some(16), 200));
        assert_eq!(refused, Err(Rollback::Number { request: REQUEST, found: 16, seen: 17 }));
    }

    #[test]
    fn an_older_issue_date_is_refused_even_with_a_higher_number() {
        let refused = edition(Some(17), 100).admit(REQUEST, &edition(Some(18), 99));
        let time = |seconds| UnixTime::from_secs(seconds).unwrap();
        let expected = Rollback::Issued { request: REQUEST, found: time(99), seen: time(100) };
        assert_eq!(refused, Err(expected));
        assert!(edition(None, 100).admit(REQUEST, &edition(None, 99)).is_err());
    }

    #[test]
    fn of_two_editions_each_fact_is_the_newest() {
        assert_eq!(edition(Some(17), 200).newest(edition(Some(18), 100)), edition(Some(18), 200));
    }
}
