//! Where the service keeps what it has: one trait, three stores, one test suite for all of them.
//!
//! Must stay true: a call is one transaction, whole or not at all; what it acknowledged outlives the process (save for
//! the memory store); keys are compared as stored, so callers bring them in one spelling.

mod database;
pub(crate) mod edition;
pub mod memory;
mod operations;
pub mod postgres;
mod process_leases;
mod schema;
mod session;
mod spelling;
pub mod sqlite;
mod statements;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tdattest_wire::bytes::{CpuSvn, Fmspc};
use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::{PckCa, PcsRequest};
use tdattest_wire::time::UnixTime;

/// How many changes a store remembers. A replica asks every second; nobody changes this much in a minute.
const CHANGES_KEPT: usize = 10_000;

/// Most raw TCBs of one platform for which the choice of a certificate is remembered: each update of its firmware
/// brings one. Anybody may ask for any TCB; what is not remembered is chosen anew each time.
pub const MOST_SELECTIONS: usize = 256;

/// What a call of a store comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is away, or too busy: another try can help.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// There is none at the place that was named.
    #[error("there is no database yet: {0} is not there")]
    Absent(String),
    /// The disk is full, or the file cannot be written.
    #[error("the database cannot be written: {0}")]
    Unwritable(String),
    /// Its address, or the file of its CA, cannot be used: another try cannot help.
    #[error("the database cannot be used: {0}")]
    Misconfigured(String),
    /// The server refuses the role, its password, the name of the database, or a right. Whoever runs it can mend that,
    /// and then another try helps.
    #[error("the database cannot be used: {0}")]
    Refused(String),
    /// The database has another shape than this version writes.
    #[error("the database has schema version {found}; this version of tdattest needs {expected}")]
    Schema {
        /// What is there.
        found: i64,
        /// What would have to be there.
        expected: i64,
    },
    /// The database was brought to this shape by other steps than this version knows.
    #[error(
        "schema version {version} of the database was not made by this version of tdattest, nor by an earlier one"
    )]
    Migration {
        /// The first version whose step differs.
        version: i64,
    },
    /// What is there makes no sense.
    #[error("the database answered: {0}")]
    Broken(String),
}

/// A signed document that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The document and its chain, verified.
    pub endorsement: Endorsement,
    /// What the verification found.
    pub validity: Validity,
    /// When it was fetched.
    pub fetched_at: UnixTime,
}

/// A kept document without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentState {
    /// Which document.
    pub request: PcsRequest,
    /// What the verification found.
    pub validity: Validity,
    /// When it was fetched.
    pub fetched_at: UnixTime,
}

/// What names a platform: the QE's id is free text of up to 260 characters, upper case here; the PCE's id is hexadecimal
/// as it stands in requests, upper case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformKey {
    /// The QE's id.
    pub qe_id: String,
    /// The PCE's id.
    pub pce_id: String,
}

/// A platform whose PCK certificates are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// What names it.
    pub key: PlatformKey,
    /// Its manifest, if it was registered with one; empty otherwise.
    pub manifest: Vec<u8>,
    /// Its encrypted PPID; empty if it was registered with a manifest.
    pub encrypted_ppid: Vec<u8>,
    /// Its family.
    pub fmspc: Fmspc,
    /// The CA of its certificates.
    pub ca: PckCa,
    /// The chain above its certificates, PEM: the CA first.
    pub issuer_chain: Vec<u8>,
    /// When its certificates were fetched.
    pub fetched_at: UnixTime,
}

/// One PCK certificate of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformCertificate {
    /// The raw TCB that it is for.
    pub tcbm: Tcbm,
    /// The certificate, PEM.
    pub certificate: Vec<u8>,
}

/// A platform, and every certificate of it.
pub type WithCertificates = (Platform, Vec<PlatformCertificate>);

/// The raw TCB of a platform, and the certificate that was chosen for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The TCB as the platform said it.
    pub raw: Tcbm,
    /// The TCB of the certificate.
    pub chosen: Tcbm,
}

/// A platform that asks to be registered: what Intel must be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What names it.
    pub key: PlatformKey,
    /// The CPU's SVN; nothing with a manifest.
    pub cpu_svn: Option<CpuSvn>,
    /// The PCE's SVN; nothing with a manifest.
    pub pce_svn: Option<u16>,
    /// The encrypted PPID; empty with a manifest.
    pub encrypted_ppid: Vec<u8>,
    /// The manifest, or nothing.
    pub manifest: Vec<u8>,
}

/// What a registration waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegistrationState {
    /// For somebody to fetch its certificates.
    New,
    /// For Intel to have a certificate for its TCB.
    NotAvailable,
}

/// An appraisal policy: text that the service hands on and does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppraisalPolicy {
    /// SHA-384 of the text, hexadecimal, lower case.
    pub id: String,
    /// The text, a JWT.
    pub text: String,
    /// Whether it is one of those that clients get.
    pub is_default: bool,
    /// The family it is for.
    pub fmspc: Fmspc,
    /// The kind of TEE, as Intel numbers it: 0 SGX, 1 TDX 1.0, 2 TDX 1.5.
    pub kind: u8,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Registering platforms.
    User,
    /// Everything that changes the cache.
    Admin,
}

/// A token's hash, with a name to know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name, unique within its role.
    pub name: String,
    /// What it opens.
    pub role: Role,
    /// Its hash, a PHC string (argon2id).
    pub hash: String,
    /// When it was made.
    pub created: UnixTime,
}

/// Something that changed, so that what is held in memory elsewhere is out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A document.
    Document(PcsRequest),
    /// A platform, its certificates or selections.
    Platform(PlatformKey),
    /// The appraisal policies.
    Policies,
    /// The tokens.
    Tokens,
    /// Anything: so much changed since that the list is no longer kept.
    Everything,
}

/// The changes since some time, and the place to go on from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What changed, oldest first.
    pub list: Vec<Changed>,
    /// Hand this in the next time.
    pub cursor: i64,
}

/// What became of a document that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept now.
    Stored,
    /// A newer edition is kept: a lower evaluation data number, or an older issue date, does not replace it.
    OlderThanKept {
        /// The edition that is kept.
        kept: Validity,
    },
}

/// The right to do something that one replica at a time may do. Given back when dropped, or when its process ends.
pub trait Lease: Send + Sync + fmt::Debug {}

/// A place that keeps everything.
pub trait Store: Send + Sync + fmt::Debug {
    /// What it is, for logs and status: `sqlite`, `postgresql`, `memory`.
    fn kind(&self) -> &'static str;
    /// Whether it answers.
    fn ping(&self) -> Pending<'_, ()>;
    /// What changed since `cursor`; with a cursor of 0, nothing but the newest cursor, which is never 0.
    fn changes(&self, cursor: i64) -> Pending<'_, Changes>;
    /// Tries to be the one who does `what`; `None` when another replica is at it.
    fn try_lease<'a>(&'a self, what: &'a str) -> Pending<'a, Option<Box<dyn Lease>>>;

    /// One document.
    fn document(&self, request: PcsRequest) -> Pending<'_, Option<Document>>;
    /// Every document, without its bytes.
    fn documents(&self) -> Pending<'_, Vec<DocumentState>>;
    /// Keeps a document, unless a newer edition is there and `replace_newer` is not said.
    fn put_document<'a>(&'a self, document: &'a Document, replace_newer: bool) -> Pending<'a, Put>;

    /// A platform.
    fn platform<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<Platform>>;
    /// The platforms of some families with every raw TCB known of each; of all families when there are none.
    fn platforms<'a>(&'a self, of: &'a [Fmspc]) -> Pending<'a, Vec<(Platform, Vec<Selection>)>>;
    /// How many platforms there are.
    fn count_platforms(&self) -> Pending<'_, u64>;
    /// Keeps a platform, with its certificates in place of those it had, and forgets its selections; unless what is
    /// there was fetched later. No certificates replace none: then it is only noted when they were fetched.
    fn put_platform<'a>(
        &'a self,
        platform: &'a Platform,
        certificates: &'a [PlatformCertificate],
    ) -> Pending<'a, ()>;
    /// A platform with its certificates, by their raw TCB.
    fn certificates<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<WithCertificates>>;
    /// A platform with the certificate chosen for a raw TCB, if one was.
    fn selected<'a>(
        &'a self,
        key: &'a PlatformKey,
        raw: Tcbm,
    ) -> Pending<'a, Option<(Platform, PlatformCertificate)>>;
    /// Remembers which certificate was chosen for a raw TCB; nothing, if the platform has it no longer, or has
    /// [`MOST_SELECTIONS`] of other TCBs.
    fn select<'a>(&'a self, key: &'a PlatformKey, selection: Selection) -> Pending<'a, ()>;

    /// Queues a registration, in place of one of the same platform and TCB.
    fn register<'a>(
        &'a self,
        registration: &'a Registration,
        state: RegistrationState,
    ) -> Pending<'a, ()>;
    /// The registrations in a state, which leave the queue with this call.
    fn take_registrations(&self, state: RegistrationState) -> Pending<'_, Vec<Registration>>;
    /// Queues registrations again that were taken; where one of the same platform and TCB came meanwhile, that one stays.
    fn put_back<'a>(
        &'a self,
        registrations: &'a [Registration],
        state: RegistrationState,
    ) -> Pending<'a, ()>;
    /// A registration that waited for its certificates is done with. One that waits for Intel to have a certificate
    /// stays.
    fn unregister<'a>(&'a self, registration: &'a Registration) -> Pending<'a, ()>;

    /// Keeps an appraisal policy. A default one takes the place of the default of its family, as in Intel's service.
    fn put_policy<'a>(&'a self, policy: &'a AppraisalPolicy) -> Pending<'a, ()>;
    /// The default policies of a family, oldest first.
    fn default_policies(&self, fmspc: Fmspc) -> Pending<'_, Vec<AppraisalPolicy>>;

    /// Every token.
    fn tokens(&self) -> Pending<'_, Vec<Token>>;
    /// Keeps a token, in place of one of the same name and role.
    fn put_token<'a>(&'a self, token: &'a Token) -> Pending<'a, ()>;
    /// Forgets a token; whether there was one.
    fn remove_token<'a>(&'a self, role: Role, name: &'a str) -> Pending<'a, bool>;
}
