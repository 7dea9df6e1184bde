//! What a cache answers: a document and where it is from, or why there is none, with every fact.

use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use super::folder::FolderError;
use crate::error::FetchError;
use crate::guard::Rollback;

/// A document that the cache serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The document.
    pub endorsement: Endorsement,
    /// What its verification found.
    pub validity: Validity,
    /// When it was fetched.
    pub fetched_at: UnixTime,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a served document is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the source, just now.
    Fresh,
    /// From the source, just now; it could not be kept.
    Unkept(FolderError),
    /// Kept, and current.
    Cache,
    /// Kept and not yet ended; a newer one was due, and could not be had.
    LastGood(Failure),
    /// Kept and ended: served because that was allowed by name.
    Stale(Failure),
}

/// Why a document that a source brought, or was to bring, is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It did not come.
    #[error(transparent)]
    Fetch(FetchError),
    /// It is not Intel's, or not what was asked for.
    #[error("the {document} that came does not hold: {fault}", document = .request.document())]
    Untrusted {
        /// What was asked for.
        request: PcsRequest,
        /// What does not hold.
        fault: String,
    },
    /// It is older than one that was seen.
    #[error(transparent)]
    Rollback(Rollback),
    /// It has ended already.
    #[error("the {document} that came ended at {ended}", document = .request.document())]
    Ended {
        /// What was asked for.
        request: PcsRequest,
        /// When it ended.
        ended: UnixTime,
    },
    /// What was seen of it before cannot be read.
    #[error(transparent)]
    Seen(FolderError),
}

/// Why a document cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// None is kept, and none came.
    #[error("{0}")]
    Nothing(Failure),
    /// The one that is kept is not believed, and none came.
    #[error("{failure}; what is kept is not believed: {kept}")]
    NotBelieved {
        /// Which file, and what is wrong with it.
        kept: Box<FolderError>,
        /// Why none came.
        failure: Failure,
    },
    /// The one that is kept has ended, and no other came.
    #[error(
        "the {document} that is kept ended at {ended}, and no newer one could be had: {failure}",
        document = .request.document()
    )]
    Ended {
        /// Which document.
        request: PcsRequest,
        /// When the kept one ended.
        ended: UnixTime,
        /// Why no newer one could be had.
        failure: Failure,
    },
}

impl CacheError {
    /// Why the source's document was not taken.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Nothing(failure)
            | Self::NotBelieved { failure, .. }
            | Self::Ended { failure, .. } => failure,
        }
    }
}
