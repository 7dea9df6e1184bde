//! `tdattest collateral import`: documents of an archive or a bundle into the cache.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use tdattest_collateral::archive::Kept;
use tdattest_collateral::cache::{Cached, Failure, Origin};
use tdattest_collateral::guard::{Rollback, require_sets};
use tdattest_collateral::windows::{State, Window};
use tdattest_verifier::wire::pcs::PcsRequest;
use tdattest_verifier::wire::time::UnixTime;

use super::fetching::{Fetching, FetchingArgs};
use super::listing::{DAY_S, document};
use crate::authenticate::Authenticator;
use crate::documents::{self, Documents};
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::sources::Sources;

/// Put the documents of an archive into the cache, for where there is no network
///
/// Each is verified up to Intel's root, and refused if a newer one has been seen. `tdattest verify --offline` does not
/// use the cache; without it the cache answers, and the network is asked only for what is missing or ends before long.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive, as `tdattest collateral export` wrote it; `-` for standard input
    archive: PathBuf,

    #[command(flatten)]
    fetching: FetchingArgs,
}

const EXAMPLES: &str = "\
Examples:
  Where there is a network, then where there is none:
    tdattest collateral export --fmspc 50806F000000 -o archive.json
    tdattest collateral import archive.json

Exit codes:
  0  all of them are kept, but for those of which newer ones have been seen
  1  some are not genuine, the others are kept; or all that are kept have ended
  2  misuse, or an input that cannot be read, or a cache that cannot be written";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let fetching = args.fetching.resolve()?;
    let anchor = fetching.anchor.clone();
    let authenticate = Authenticator::new(anchor.clone());
    let now = fetching.now;
    // What is kept comes from the archive alone: sources that cannot be used are not in the way.
    let sources = Sources { cached: true, ..fetching.sources };
    let keeper = Fetching { sources, ..fetching }.keeper()?;
    let Some(cache) = keeper.cache() else { bail!("--no-cache leaves nowhere to import to") };
    let found = documents::at(&args.archive, &anchor).map_err(|problem| anyhow!(problem))?;
    require_sets_of(&found, &authenticate)?;
    let mut tally = Tally { refused: found.faults, ..Tally::default() };
    for found in found.found {
        let request = found.endorsement.request;
        let Some(fetched_at) = found.fetched_at else {
            bail!("it is a bundle, which does not say which set it is of: give an archive");
        };
        match cache.keep(Kept { endorsement: found.endorsement, fetched_at }) {
            Ok(Cached { origin: Origin::Unkept(fault), .. }) => return Err(fault.into()),
            Ok(cached) => tally.kept(&cached, now),
            Err(fault) => tally.not_kept(&request, &fault),
        }
    }
    let tell = |fault: &String| output::note(&output::problem(&format!("not kept: {fault}")));
    tally.refused.iter().for_each(tell);
    output::data(format!("{tally}\n").as_bytes())?;
    Ok(tally.exit())
}

/// What became of the documents of an archive.
#[derive(Default)]
struct Tally {
    kept: usize,
    /// Of those that are kept.
    ended: usize,
    /// Of those that are kept, but for the root CA's CRL: it holds for a year, and is no use alone.
    holding: usize,
    /// Of which newer ones were seen.
    older: usize,
    refused: Vec<String>,
}

impl Tally {
    fn kept(&mut self, cached: &Cached, now: UnixTime) {
        self.kept = self.kept.saturating_add(1);
        let (request, validity) = (cached.endorsement.request, cached.validity);
        let window = Window { request, validity, fetched_at: Some(cached.fetched_at) };
        let (name, ends) = (document(&request), validity.ends());
        let text = match window.state(now, WARN_S) {
            State::Current => return self.holds(&request),
            State::Warning => {
                self.holds(&request);
                format!("{name} ends at {ends}: bring a newer archive before that")
            }
            State::NotYet => {
                format!("{name} is issued {}, after now: this clock is behind", validity.issued)
            }
            State::Ended => {
                self.ended = self.ended.saturating_add(1);
                format!("{name} ended at {ends}, and serves nobody: bring a newer archive")
            }
        };
        output::note(&output::warning(&text));
    }

    fn holds(&mut self, request: &PcsRequest) {
        let counts = usize::from(*request != PcsRequest::RootCaCrl);
        self.holding = self.holding.saturating_add(counts);
    }

    fn not_kept(&mut self, request: &PcsRequest, fault: &Failure) {
        if matches!(fault, Failure::Rollback(Rollback::Number { .. } | Rollback::Issued { .. })) {
            self.older = self.older.saturating_add(1);
            output::note(&output::warning(&format!("not kept: {fault}")));
        } else {
            self.refused.push(format!("{}: {fault}", document(request)));
        }
    }

    fn exit(&self) -> Exit {
        let is_useless = self.ended > 0 && self.holding == 0;
        if is_useless || !self.refused.is_empty() { Exit::Refused } else { Exit::Success }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kept {} documents", self.kept)?;
        match self.older {
            0 => Ok(()),
            older => write!(f, "; newer ones than {older} others have been seen"),
        }
    }
}

/// Less than a week is worth a word.
const WARN_S: u64 = 7 * DAY_S;

/// Refuses an archive in which the sets were exchanged: nothing of it is kept.
fn require_sets_of(found: &Documents, authenticate: &Authenticator) -> Result<()> {
    // What is not genuine is refused one by one.
    let windows: Vec<_> =
        found.found.iter().filter_map(|found| found.window(authenticate).ok()).collect();
    require_sets(windows.iter().map(|window| (&window.request, &window.validity))).map_err(
        |fault| {
            Hinted::error(
                fault,
                "somebody has changed the archive: get it again from where it was made",
            )
        },
    )
}
