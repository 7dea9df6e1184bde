//! `tdattest collateral forget`: documents that ended long ago, out of the cache.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::time::UnixTime;

use super::check::parse_span;
use super::listing::document;
use crate::arguments::{now, parse_time};
use crate::documents;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::sources::keeper::{Keeper, cache_folder};
use crate::sources::{Sources, config, trust_anchor};

/// Remove documents from the cache that ended long ago
///
/// Those of platforms and sets that nobody asks for any more. What was seen of them is remembered: nothing older is taken
/// when they are asked for again.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Remove what ended longer ago than this: a number with s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "30d")]
    ended: u64,

    /// As of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// The cache [default: $XDG_CACHE_HOME/tdattest; without that ~/.cache/tdattest, for root /var/cache/tdattest]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,

    /// Read the configuration from this file [default: ~/.config/tdattest/config.toml, then /etc/tdattest/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  What ended a month ago or earlier:
    tdattest collateral forget

  Everything that has ended:
    tdattest collateral forget --ended 0s

Exit codes:
  0  removed, or there was nothing to remove
  1  a file is no document, or not genuine: it stays
  2  misuse, or a cache that cannot be read or written";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let config = config::read(args.config.as_deref())?;
    let anchor = trust_anchor(args.root.as_deref().or(config.root.as_deref()))?;
    let now = args.at.map_or_else(now, Ok)?;
    let folder = args.cache_dir.clone().or(config.cache_dir).or_else(config::default_cache_dir);
    let folder = folder.ok_or_else(|| {
        let text = "there is no cache: neither XDG_CACHE_HOME nor HOME is set";
        Hinted::error(text, "give --cache-dir DIR")
    })?;
    let kept = documents::of_cache(&cache_folder(&folder, &anchor));
    let kept = kept.map_err(|problem| anyhow!(problem))?;
    let keeper = Keeper::open(nobody(folder), anchor, now)?;
    let before = UnixTime::from_secs(now.as_secs().saturating_sub(args.ended))
        .ok_or_else(|| anyhow!("the time is out of range"))?;
    let (mut forgotten, mut stay): (usize, _) = (0, kept.faults);
    for request in kept.found.iter().map(|found| found.endorsement.request) {
        let Some(cache) = keeper.cache() else { continue };
        match cache.forget(request, before) {
            Ok(true) => {
                forgotten = forgotten.saturating_add(1);
                output::note(&format!("forgot {}", document(&request)));
            }
            Ok(false) => {}
            Err(fault) => stay.push(fault.to_string()),
        }
    }
    stay.iter().for_each(|fault| output::note(&output::problem(fault)));
    output::data(format!("forgot {forgotten} documents\n").as_bytes())?;
    Ok(if stay.is_empty() { Exit::Success } else { Exit::Refused })
}

/// The cache alone: no source is asked.
fn nobody(folder: PathBuf) -> Sources {
    Sources {
        sources: Vec::new(),
        set: EvaluationDataSet::default(),
        cache_dir: Some(folder),
        allow_rollback: false,
        allow_stale: false,
        cached: true,
        refresh: false,
    }
}
