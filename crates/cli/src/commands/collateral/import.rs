//! `tdattest collateral import`: documents of an archive or a bundle into the cache.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use tdattest_collateral::archive::Kept;
use tdattest_collateral::cache::Origin;

use super::fetching::FetchingArgs;
use super::listing::document;
use crate::documents;
use crate::exit::Exit;
use crate::output;

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
  0  all of them are kept
  1  some are not genuine, or older than ones that were seen; the others are kept
  2  misuse, or an input that cannot be read, or a cache that cannot be written";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let keeper = args.fetching.resolve()?.keeper()?;
    let Some(cache) = keeper.cache() else { bail!("--no-cache leaves nowhere to import to") };
    let found = documents::at(&args.archive).map_err(|problem| anyhow!(problem))?;
    let mut refused = found.faults;
    let mut kept = 0_usize;
    for found in found.found {
        let request = found.endorsement.request;
        let Some(fetched_at) = found.fetched_at else {
            bail!("it is a bundle, which does not say which set it is of: give an archive");
        };
        match cache.keep(Kept { endorsement: found.endorsement, fetched_at }) {
            Ok(cached) => match cached.origin {
                Origin::Unkept(fault) => return Err(fault.into()),
                _ => kept = kept.saturating_add(1),
            },
            Err(fault) => refused.push(format!("{}: {fault}", document(&request))),
        }
    }
    refused.iter().for_each(|fault| output::note(&output::problem(&format!("not kept: {fault}"))));
    output::data(format!("kept {kept} documents\n").as_bytes())?;
    Ok(if refused.is_empty() { Exit::Success } else { Exit::Refused })
}
