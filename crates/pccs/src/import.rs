//! Takes over what Intel's PCCS has kept, its database `pckcache.db`; or what an archive brings.
//!
//! Source: Intel's PCCS as observed, versions 3 to 5 of its database in SQLite.
//! Must stay true: the file is only read; what it says is verified as if it came over the network, and what cannot be
//! verified is told and left out; nothing newer that is kept already is replaced.

mod archive;
mod budget;
mod documents;
mod file;
mod others;
mod platforms;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tdattest_collateral::Authenticate;
use tdattest_wire::bytes::Fmspc;
use tdattest_wire::time::UnixTime;
use tokio::sync::mpsc;

use crate::store::{
    AppraisalPolicy, Document, Platform, PlatformCertificate, PlatformKey, Put, Registration,
    RegistrationState, Selection, Store, StoreError,
};
pub use archive::archive;
use file::Source;

/// Most refusals that a report tells in words. More are counted.
const REFUSALS_TOLD: usize = 1_000;

/// Most characters of what a refusal names, and of its reason.
const TOLD_CHARACTERS: usize = 200;

/// Things that are read ahead of what was kept: a platform may take 100 KiB.
const READ_AHEAD: usize = 16;

/// Why a database could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error("the database of Intel's PCCS cannot be read: {0}")]
    Unreadable(String),
    /// Reading it takes more work than its size explains.
    #[error("reading the database takes more work than one of its size can need")]
    TooMuchWork,
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
    /// It has columns that compute what they hold, or a long default value for rows that have none: reading them could
    /// take any time and room.
    #[error(
        "table `{table}` computes what it holds, or has a long default value, as no database of Intel's PCCS does"
    )]
    Computed {
        /// Its table.
        table: &'static str,
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

impl Refused {
    /// Names of any length stand in it: each is cut, with an ellipsis.
    fn new(what: &str, why: &str) -> Self {
        let [what, why] = [what, why].map(|text| match text.char_indices().nth(TOLD_CHARACTERS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        });
        Self { what, why }
    }
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
    /// Documents, platforms, default policies and registrations in whose place something newer was kept already.
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
    let mut keeping = Keeping::into(store);
    while let Some(item) = read.recv().await {
        keeping.keep(item).await?;
    }
    reading.await.map_err(|fault| ImportError::Unreadable(fault.to_string()))??;
    Ok(keeping.report)
}

/// What is kept, and what was there before.
struct Keeping<'a> {
    store: &'a dyn Store,
    report: Report,
    /// The platforms that are kept as they stand here.
    platforms: BTreeSet<PlatformKey>,
    /// The families that had no default policy before.
    families: BTreeSet<Fmspc>,
}

impl<'a> Keeping<'a> {
    fn into(store: &'a dyn Store) -> Self {
        let (platforms, families) = (BTreeSet::new(), BTreeSet::new());
        Self { store, report: Report::default(), platforms, families }
    }

    async fn keep(&mut self, item: Item) -> Result<(), StoreError> {
        match item {
            Item::Document(document) => match self.store.put_document(&document, false).await? {
                Put::Stored => count(&mut self.report.documents, 1),
                Put::OlderThanKept { .. } => count(&mut self.report.kept_newer, 1),
            },
            Item::Platform(item) => self.platform(item).await?,
            Item::Registration(registration, state) => {
                self.registration(registration, state).await?;
            }
            Item::Policy(policy) => self.policy(policy).await?,
            Item::Refused(refused) => self.report.refuse(refused),
        }
        Ok(())
    }

    async fn platform(&mut self, item: PlatformItem) -> Result<(), StoreError> {
        let PlatformItem { platform, certificates, selections } = item;
        let kept = self.store.platform(&platform.key).await?;
        if kept.is_some_and(|kept| kept.fetched_at > platform.fetched_at) {
            count(&mut self.report.kept_newer, 1);
            return Ok(());
        }
        self.store.put_platform(&platform, &certificates).await?;
        count(&mut self.report.platforms, 1);
        count(&mut self.report.certificates, certificates.len());
        for selection in &selections {
            self.store.select(&platform.key, *selection).await?;
        }
        count(&mut self.report.selections, selections.len());
        self.platforms.insert(platform.key);
        Ok(())
    }

    /// Queues a registration, unless its platform was fetched since.
    async fn registration(
        &mut self,
        registration: Registration,
        state: RegistrationState,
    ) -> Result<(), StoreError> {
        let waits = self.platforms.contains(&registration.key)
            || self.store.platform(&registration.key).await?.is_none();
        if waits {
            self.store.put_back(&[registration], state).await?;
            count(&mut self.report.registrations, 1);
        } else {
            count(&mut self.report.kept_newer, 1);
        }
        Ok(())
    }

    /// Keeps a policy, unless another default of its family, or it as the default, was there before.
    async fn policy(&mut self, policy: AppraisalPolicy) -> Result<(), StoreError> {
        let family = policy.fmspc;
        if !self.families.contains(&family) {
            let defaults = self.store.default_policies(family).await?;
            let was_there = defaults.iter().any(|default| default.id == policy.id);
            // Whoever chose since keeps the choice.
            let is_newer =
                if policy.is_default { !defaults.is_empty() && !was_there } else { was_there };
            if is_newer {
                count(&mut self.report.kept_newer, 1);
                return Ok(());
            }
            if defaults.is_empty() {
                self.families.insert(family);
            }
        }
        self.store.put_policy(&policy).await?;
        count(&mut self.report.policies, 1);
        Ok(())
    }
}

fn count(counter: &mut u64, more: usize) {
    *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}
