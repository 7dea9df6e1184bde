//! `tdattest collateral refresh`: every kept document, asked for again.

use anyhow::{Result, anyhow, bail};
use tdattest_collateral::cache::Origin;
use tdattest_verifier::wire::pcs::PcsRequest;

use super::fetching::{Fetching, FetchingArgs};
use super::listing::document;
use super::place::REMEDY;
use crate::documents;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::sources::Sources;
use crate::sources::keeper::{Unavailable, cache_folder, note};

/// Ask for every kept document again, so that none of them ends
///
/// Each on its own: what cannot be had is named, and what is kept serves until its end. `tdattest collateral forget` removes
/// what ended long ago.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    fetching: FetchingArgs,
}

const EXAMPLES: &str = "\
Examples:
  Once a day, from a timer, so that no verification has to wait for the network:
    tdattest collateral refresh

  From a PCCS:
    tdattest collateral refresh --source https://pccs.example:8081 --ca-file ca.pem

Exit codes:
  0  all of them came
  2  misuse, or a cache that cannot be read or written
  3  a document cannot be had, the others are kept; or nothing is kept";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let fetching = args.fetching.resolve()?;
    if args.fetching.set().is_some() {
        bail!("--set says nothing here: every document that is kept is asked for");
    }
    if fetching.sources.cached {
        bail!("--cached asks no source, and that is all that this command does");
    }
    let Some(folder) = &fetching.sources.cache_dir else {
        bail!("--no-cache leaves nothing to refresh");
    };
    let folder = cache_folder(folder, &fetching.anchor);
    let kept = documents::of_cache(&folder).map_err(|problem| anyhow!(problem))?;
    for fault in &kept.faults {
        output::note(&output::warning(&format!("left as it is: {fault}")));
    }
    let requests: Vec<PcsRequest> =
        kept.found.iter().map(|found| found.endorsement.request).collect();
    if requests.is_empty() {
        output::error(&Hinted::error("nothing is kept that could be refreshed", REMEDY));
        return Ok(Exit::Unavailable);
    }
    let sources = Sources { refresh: true, ..fetching.sources };
    let keeper = Fetching { sources, ..fetching }.keeper()?;
    let mut came: usize = 0;
    for (request, outcome) in keeper.documents(&requests)? {
        match outcome {
            Ok(cached) => {
                if let Origin::Unkept(fault) = cached.origin {
                    return Err(fault.into());
                }
                came = came.saturating_add(usize::from(cached.origin == Origin::Fresh));
                note(&cached);
            }
            Err(fault) => {
                let Unavailable(text, remedy) = Unavailable::of(request, &fault);
                let text = format!("{}: {text}", document(&request));
                output::error(&Hinted::error(text, remedy));
            }
        }
    }
    let all = requests.len();
    output::data(format!("refreshed {came} of {all} documents\n").as_bytes())?;
    Ok(if came == all { Exit::Success } else { Exit::Unavailable })
}
