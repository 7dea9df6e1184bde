//! Takes over what Intel's PCCS has kept, its database `pckcache.db`; or what an archive brings.
//!
//! Source: Intel's PCCS as observed, versions 3 to 5 of its database in SQLite.
//! Must stay true: the file is only read; what it says is verified as if it came over the network, and what cannot be
//! verified is told and left out; nothing newer that is kept already is replaced.

mod archive;
mod documents;
mod file;
mod others;
mod platforms;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tdattest_collateral::Authenticate;
use tdattest_wire::time::UnixTime;
use tokio::sync::mpsc;

use crate::store::{
    AppraisalPolicy, Document, Platform, PlatformCertificate, Put, Registration, RegistrationState,
    Selection, Store, StoreError,
};
pub use archive::archive;
use file::Source;

/// Most refusals that a report tells in words. More are counted.
const REFUSALS_TOLD: usize = 1_000;

/// Things that are read ahead of what was kept: a platform may take 100 KiB.
const READ_AHEAD: usize = 16;

/// Why a database could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error("the database of Intel's PCCS cannot be read: {0}")]
    Unreadable(String),
    /// It is a database, but not one of Intel's PCCS.
    #[error("this is no database of Intel's PCCS: it has no table `{table}`")]
    NotIntels {
        /// What it lacks.
        table: &'static str,
    },
    /// It is of a version whose tables differ.
    #[error(
        "the database is of version {found}; expected 3 to 5. Intel's PCCS brings it to version 5 when it starts"
    )]
    Version {
        /// The version that it says.
        found: i64,
    },
    /// What was read could not be kept. It can be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it is.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// What became of a database, or an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Signed documents that are kept now: TCB info, identities, CRLs.
    pub documents: u64,
    /// Platforms that are kept now.
    pub platforms: u64,
    /// Their PCK certificates.
    pub certificates: u64,
    /// The raw TCBs for which one of those was chosen.
    pub selections: u64,
    /// Registrations that wait now.
    pub registrations: u64,
    /// Appraisal policies that are kept now.
    pub policies: u64,
    /// Documents and platforms of which a newer edition was kept already.
    pub kept_newer: u64,
    /// What was not taken over, and why: the first thousand.
    pub refused: Vec<Refused>,
    /// How many more there are.
    pub refused_more: u64,
}

impl Report {
    fn refuse(&mut self, refused: Refused) {
        if self.refused.len() < REFUSALS_TOLD {
            self.refused.push(refused);
        } else {
            count(&mut self.refused_more, 1);
        }
    }
}

/// One thing, verified.
enum Item {
    Document(Document),
    Platform(PlatformItem),
    Registration(Registration, RegistrationState),
    Policy(AppraisalPolicy),
    Refused(Refused),
}

struct PlatformItem {
    platform: Platform,
    certificates: Vec<PlatformCertificate>,
    selections: Vec<Selection>,
}

/// Takes over a database of Intel's PCCS, which may go on running meanwhile.
///
/// # Errors
/// When it cannot be read, or what it has cannot be kept. What was kept until then stays, and it can be tried again.
pub async fn pckcache(
    path: &Path,
    store: &dyn Store,
    authenticate: Arc<dyn Authenticate>,
    now: UnixTime,
) -> Result<Report, ImportError> {
    let (items, mut read) = mpsc::channel(READ_AHEAD);
    let path = path.to_owned();
    // Thousands of signatures, perhaps.
    let reading = tokio::task::spawn_blocking(move || {
        Source::open(&path, authenticate, now)?.read(&mut |item| items.blocking_send(item).is_ok())
    });
    let mut report = Report::default();
    while let Some(item) = read.recv().await {
        keep(item, store, &mut report).await?;
    }
    reading.await.map_err(|fault| ImportError::Unreadable(fault.to_string()))??;
    Ok(report)
}

async fn keep(item: Item, store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
    match item {
        Item::Document(document) => match store.put_document(&document, false).await? {
            Put::Stored => count(&mut report.documents, 1),
            Put::OlderThanKept { .. } => count(&mut report.kept_newer, 1),
        },
        Item::Platform(item) => keep_platform(item, store, report).await?,
        Item::Registration(registration, state) => {
            store.register(&registration, state).await?;
            count(&mut report.registrations, 1);
        }
        Item::Policy(policy) => {
            store.put_policy(&policy).await?;
            count(&mut report.policies, 1);
        }
        Item::Refused(refused) => report.refuse(refused),
    }
    Ok(())
}

async fn keep_platform(
    item: PlatformItem,
    store: &dyn Store,
    report: &mut Report,
) -> Result<(), StoreError> {
    let PlatformItem { platform, certificates, selections } = item;
    let kept = store.platform(&platform.key).await?;
    if kept.is_some_and(|kept| kept.fetched_at > platform.fetched_at) {
        count(&mut report.kept_newer, 1);
        return Ok(());
    }
    store.put_platform(&platform, &certificates).await?;
    count(&mut report.platforms, 1);
    count(&mut report.certificates, certificates.len());
    for selection in &selections {
        store.select(&platform.key, *selection).await?;
    }
    count(&mut report.selections, selections.len());
    Ok(())
}

fn count(counter: &mut u64, more: usize) {
    *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}
