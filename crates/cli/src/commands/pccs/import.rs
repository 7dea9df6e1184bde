//! `tdattest pccs import`: what others have kept, verified on the way.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tdattest_pccs::collateral::Archive;
use tdattest_pccs::config::{Config, StoreAt};
use tdattest_pccs::import::{self, ImportError, Report};
use tdattest_pccs::{Answer, Counters, Pccs, bring, tokens};

use super::configuration::{ConfigArgs, Read};
use super::open::{self, IfAbsent};
use crate::arguments::now;
use crate::exit::Exit;
use crate::input::{self, reason, shown};
use crate::output::{self, Hinted};
use crate::table::pairs;

/// Take over the cache of Intel's service, or collateral that was fetched elsewhere
///
/// The file is Intel's pckcache.db (SQLite), whose service may go on running, a platform_collaterals.json of
/// pcsclient.py, or an archive of `tdattest collateral export`, which has no PCK certificates. Everything is verified up
/// to the root before it is kept; what does not hold is named and left out. Nothing newer is replaced.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The file: pckcache.db, platform_collaterals.json, or an archive
    file: PathBuf,

    #[command(flatten)]
    config: ConfigArgs,
}

const EXAMPLES: &str = "\
Examples:
  Move from Intel's service, whose file is for its own user alone:
    sudo install -o tdattest-pccs -m 600 /opt/intel/sgx-dcap-pccs/pckcache.db /var/lib/tdattest-pccs/intel.db
    sudo -u tdattest-pccs tdattest pccs import /var/lib/tdattest-pccs/intel.db

  Fill a service that has no way to Intel:
    tdattest pccs import platform_collaterals.json --state pccs

  Fill it with what TDs are verified by, from where there is one:
    tdattest collateral export --fmspc 50806F000000 -o archive.json
    tdattest pccs import archive.json --state pccs

Exit codes:
  0  everything was taken over, or is kept in a newer edition
  1  something was left out: it does not hold
  2  misuse, or a file, or a database, that cannot be used
  3  the database is not there, refuses its user, or has failed on the way";

/// Largest platform_collaterals.json: some thousand platforms.
const JSON_BYTES: usize = 256 * 1024 * 1024;

/// How long a file may take: each certificate is verified, and each platform is written to the disk on its own.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

/// What can be taken over.
const FILES: &str = "the file is Intel's pckcache.db, what `pcsclient.py fetch` writes, or an archive of `tdattest collateral export`";

/// How every SQLite database begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let Read { config, .. } = args.config.read()?;
    if config.store == StoreAt::Memory {
        let problem = "the store is in the memory of the service, where nothing can be put";
        return Err(Hinted::error(problem, "name another store in the configuration"));
    }
    let is_database = is_database(&args.file)?;
    open::tell_store(&config);
    match is_database {
        true => database(&args.file, &config),
        false => {
            let text = input::read(&args.file, JSON_BYTES).map_err(|problem| anyhow!(problem))?;
            match Archive::is_archive(&text) {
                true => archive(&args.file, &text, &config),
                false => collaterals(&args.file, text, config),
            }
        }
    }
}

fn is_database(path: &Path) -> Result<bool> {
    let unreadable = |fault| anyhow!("cannot read {}: {}", shown(path), reason(&fault));
    let opened = File::open(path).map_err(unreadable)?;
    let mut first = Vec::new();
    let most = u64::try_from(SQLITE.len()).unwrap_or(u64::MAX);
    opened.take(most).read_to_end(&mut first).map_err(unreadable)?;
    Ok(first == SQLITE)
}

fn database(path: &Path, config: &Config) -> Result<Exit> {
    let authenticator = open::authenticator(config)?;
    let outcome = open::runtime()?.block_on(async {
        anyhow::Ok(match open::store(config, IfAbsent::Make).await? {
            Ok(store) => import::pckcache(path, store.as_ref(), authenticator, now()?).await,
            Err(fault) => Err(ImportError::Store(fault)),
        })
    })?;
    match outcome {
        Ok(report) => told(&report),
        Err(ImportError::Store(fault)) => Ok(open::unavailable(&fault, config)),
        Err(fault) => Err(Hinted::error(format!("{}: {fault}", shown(path)), FILES)),
    }
}

fn archive(path: &Path, text: &[u8], config: &Config) -> Result<Exit> {
    let archive = Archive::parse(text).map_err(|fault| anyhow!("{}: {fault}", shown(path)))?;
    let authenticator = open::authenticator(config)?;
    let outcome = open::runtime()?.block_on(async {
        anyhow::Ok(match open::store(config, IfAbsent::Make).await? {
            Ok(store) => {
                import::archive(&archive, store.as_ref(), authenticator.as_ref(), now()?).await
            }
            Err(fault) => Err(fault),
        })
    })?;
    match outcome {
        Ok(report) => told(&report),
        Err(fault) => Ok(open::unavailable(&fault, config)),
    }
}

fn told(report: &Report) -> Result<Exit> {
    let rows = [
        ("documents", report.documents),
        ("platforms", report.platforms),
        ("PCK certificates", report.certificates),
        ("chosen for a TCB", report.selections),
        ("registrations", report.registrations),
        ("appraisal policies", report.policies),
        ("kept in a newer edition", report.kept_newer),
    ];
    let rows = rows.map(|(name, count)| (name, count.to_string()));
    output::data(pairs(&rows, "").as_bytes())?;
    for refused in &report.refused {
        output::note(&output::warning(&format!("left out: {refused}")));
    }
    if report.refused_more > 0 {
        output::note(&output::warning(&format!("left out: {} more", report.refused_more)));
    }
    Ok(if report.refused.is_empty() { Exit::Success } else { Exit::Refused })
}

/// Hands the file to the API, as an administrator would: with a token that is good for this once.
fn collaterals(path: &Path, body: Vec<u8>, config: Config) -> Result<Exit> {
    let token = tokens::generate()?;
    let config = waiting(config, &token);
    let (authenticator, clock) = (open::authenticator(&config)?, open::clock()?);
    let answer = open::runtime()?.block_on(async {
        let settings = config.settings(&Counters::default());
        anyhow::Ok(match open::store(&config, IfAbsent::Make).await? {
            Ok(store) => {
                // Without sources: what the file lacks is fetched when somebody asks for it.
                let pccs = Pccs::new(settings, store, None, authenticator, clock);
                Ok(pccs.answer(bring::collateral(body, &token)).await)
            }
            Err(fault) => Err(fault),
        })
    })?;
    let Answer { status, body, .. } = match answer {
        Ok(answer) => answer,
        Err(fault) => return Ok(open::unavailable(&fault, &config)),
    };
    let said = String::from_utf8_lossy(&body);
    match status.as_u16() {
        200 => {
            output::note("everything was taken over");
            Ok(Exit::Success)
        }
        460 => {
            let problem = format!("{}: {said} (460)", shown(path));
            let hint = "nothing was taken over; a document or a chain in it does not lead to the root, which --root names";
            output::error(&Hinted::error(problem, hint));
            Ok(Exit::Refused)
        }
        503 => {
            let problem = "the database has failed before everything was taken over";
            let hint =
                "what was kept until then stays; once the database is well, import the file again";
            output::error(&Hinted::error(problem, hint));
            Ok(Exit::Unavailable)
        }
        status => Err(Hinted::error(format!("{}: {said} ({status})", shown(path)), FILES)),
    }
}

/// The configuration of a service that this token opens, and that lets nobody but this command wait.
fn waiting(mut config: Config, token: &str) -> Config {
    config.api.admin_token_hash = Some(bring::token_hash(token));
    config.api.client_deadline = PATIENCE;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_of_a_client_does_not_end_an_import() {
        let config = Config::from_toml("[deadlines]\nclient_seconds = 1").unwrap();
        assert_eq!(waiting(config, "token").api.client_deadline, PATIENCE);
    }
}
