//! From a configuration to what works: the store, the sources, and the service between them.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{self, Path};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use tdattest_collateral::{Authenticate, Client, Source};
use tdattest_pccs::config::{Config, SourceAt, StoreAt, UrlAt};
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::postgres::{Postgres, PostgresSettings};
use tdattest_pccs::store::sqlite::Sqlite;
use tdattest_pccs::store::{Store, StoreError};
use tdattest_pccs::{Clock, Counters, FillMode, Pccs};
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::time::UnixTime;
use tokio::runtime::Runtime;

use crate::arguments::now;
use crate::authenticate::Authenticator;
use crate::exit::Exit;
use crate::input::{self, reason, shown};
use crate::output::{self, Hinted, printable};

/// Largest file with a key or an address, in bytes.
const SECRET_BYTES: usize = 16 * 1024;

/// Threads of everything that waits.
pub(super) fn runtime() -> Result<Runtime> {
    let made = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    made.context("cannot start threads")
}

/// The time of the machine, read anew each time.
pub(super) fn clock() -> Result<Clock> {
    let start = now()?;
    // A clock that is set back before 1970 while this runs stands still.
    Ok(Arc::new(move || now().unwrap_or(start)))
}

/// Everything behind the API.
pub(super) struct Opened {
    pub(super) pccs: Arc<Pccs>,
    pub(super) store: Arc<dyn Store>,
}

/// Opens everything behind the API, or says why the database cannot be had.
pub(super) async fn everything(
    config: &Config,
    if_absent: IfAbsent,
    counters: &Counters,
    clock: &Clock,
) -> Result<Result<Opened, StoreError>> {
    let authenticator = authenticator(config)?;
    let client = match config.api.mode {
        FillMode::Offline => None,
        FillMode::Lazy | FillMode::Req => Some(Arc::new(client(config, &authenticator)?)),
    };
    let store = match store(config, if_absent).await? {
        Ok(store) => store,
        Err(fault) => return Ok(Err(fault)),
    };
    let settings = config.settings(counters);
    let pccs = Pccs::new(settings, Arc::clone(&store), client, authenticator, Arc::clone(clock));
    Ok(Ok(Opened { pccs: Arc::new(pccs), store }))
}

/// What becomes of a database that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IfAbsent {
    /// It is made.
    Make,
    /// It is missed: whoever looks for something in it has the wrong one, perhaps.
    Miss,
}

/// Says on standard error which store a command works on: not that of the service, perhaps.
pub(super) fn tell_store(config: &Config) {
    let name = match &config.store {
        StoreAt::Memory => "in memory, not kept".into(),
        StoreAt::Sqlite(path) => shown(&path::absolute(path).unwrap_or_else(|_| path.clone())),
        StoreAt::Postgres { url: UrlAt::Given(_), .. } => {
            "PostgreSQL, at the address of the configuration".into()
        }
        StoreAt::Postgres { url: UrlAt::File(path), .. } => {
            format!("PostgreSQL, at the address in {}", shown(path))
        }
    };
    output::note(&format!("database: {}", printable(&name)));
}

/// Opens the store, or says why it cannot be had.
pub(super) async fn store(
    config: &Config,
    if_absent: IfAbsent,
) -> Result<Result<Arc<dyn Store>, StoreError>> {
    Ok(match &config.store {
        StoreAt::Memory => Ok(Arc::new(Memory::new())),
        StoreAt::Sqlite(path) => {
            let opened = match if_absent {
                IfAbsent::Miss => Sqlite::open_existing(path),
                IfAbsent::Make => {
                    make_folder(path)?;
                    Sqlite::open(path)
                }
            };
            opened.map(|store| Arc::new(store) as Arc<dyn Store>)
        }
        StoreAt::Postgres { url, ca_file } => {
            let url = match url {
                UrlAt::Given(url) => url.clone(),
                UrlAt::File(path) => secret(path)?,
            };
            let settings =
                PostgresSettings { ca_file: ca_file.clone(), ..PostgresSettings::new(&url) };
            let opened = Postgres::connect(&settings).await;
            opened.map(|store| Arc::new(store) as Arc<dyn Store>)
        }
    })
}

/// Makes the folder of a database, for its owner alone.
fn make_folder(path: &Path) -> Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|fault| {
        let problem = format!("cannot make {}: {}", shown(folder), reason(&fault));
        Hinted::error(problem, "choose a folder that this user may write with --state")
    })
}

/// Says why there is no database.
pub(super) fn unavailable(fault: &StoreError, config: &Config) -> Exit {
    let hint = match fault {
        StoreError::Unavailable(_) => "start the database, or see to the address that names it",
        StoreError::Absent(_) => {
            "the service makes it when it starts, as do `user add` and `import`; --config and --state say where it is"
        }
        StoreError::Unwritable(_) => {
            "see to the space and the rights of the folder, or choose another with --state"
        }
        StoreError::Misconfigured(_) => "see to its address, and to the file of its CA",
        StoreError::Refused(_) => {
            "see to its address, and on its server to the role, the database and the rights"
        }
        StoreError::Schema { .. } => {
            "use the version of tdattest that has written it, or a newer one"
        }
        _ => "move the database away, or bring one back that was saved",
    };
    output::error(&Hinted::error(format!("{:?}: {fault}", config.store), hint));
    match fault {
        // Waiting does not mend it. What the server refuses may be mended there.
        StoreError::Misconfigured(_) => Exit::Misuse,
        _ => Exit::Unavailable,
    }
}

fn client(config: &Config, authenticator: &Arc<dyn Authenticate>) -> Result<Client> {
    let sources = config.sources.iter().map(source).collect::<Result<Vec<_>>>()?;
    let builder = Client::builder(Arc::clone(authenticator)).sources(sources);
    let client = builder.retry(config.retry).deadline(config.api.client_deadline).build();
    client.map_err(|fault| {
        Hinted::error(fault, "a source is https://HOST, http:// on this machine, or file:PATH")
    })
}

/// A source with its key.
fn source(at: &SourceAt) -> Result<Source> {
    let Some(path) = &at.api_key_file else { return Ok(at.source.clone()) };
    at.source.clone().with_api_key(&secret(path)?).with_context(|| shown(path))
}

/// A line of a file that is not to be shown.
fn secret(path: &Path) -> Result<String> {
    let bytes = input::read(path, SECRET_BYTES).map_err(|problem| anyhow!(problem))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| anyhow!("{}: expected a line of text", shown(path)))?;
    Ok(text.trim().to_owned())
}

/// What says whether a document is genuine.
pub(super) fn authenticator(config: &Config) -> Result<Arc<dyn Authenticate>> {
    let anchor = trust_anchor(config.root_certificate.as_deref())?;
    Ok(Arc::new(Authenticator::new(anchor)))
}

fn trust_anchor(root: Option<&Path>) -> Result<TrustAnchor> {
    let Some(path) = root else { return Ok(TrustAnchor::intel()) };
    let root = input::root_certificate(path).map_err(|problem| anyhow!(problem))?;
    TrustAnchor::from_der(&root).map_err(|fault| anyhow!("{}: {fault}", shown(path)))
}

/// `in 12 days`, `3 hours ago`
pub(super) fn distance(now: UnixTime, then: UnixTime) -> String {
    let (from, to) = (now.as_secs(), then.as_secs());
    let seconds = from.abs_diff(to);
    let (count, unit) = match seconds {
        0..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    if to >= from { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}
