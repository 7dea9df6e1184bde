//! `tdattest collateral export`: documents of several platform families, both sets, in one file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_verifier::wire::time::UnixTime;

use super::gather::{fetched, of_cache, requests};
use super::place::REMEDY;
use super::platforms::of_quote;
use crate::arguments::{now, parse_time};
use crate::authenticate::Authenticator;
use crate::destination::{DestinationArgs, Form};
use crate::documents;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::sources::keeper::{Keeper, cache_folder};
use crate::sources::{SourceArgs, Sources, trust_anchor};

/// Write documents into one archive, to carry them to where there is no network
///
/// With --fmspc or --quote: everything that quotes of these platforms may need, for SGX and TDX, of the standard and the early set and the
/// configured one (or of --set alone), through sources and cache. Without: all that is in the cache, without a network. `tdattest verify
/// --collateral` and --source read an archive, too.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Export what quotes of this platform family need; may be given many times
    #[arg(long, value_name = "HEX")]
    fmspc: Vec<Fmspc>,

    /// Export what quotes of this quote's platform family need; may be given many times
    #[arg(long, value_name = "FILE")]
    quote: Vec<PathBuf>,

    /// As of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    #[command(flatten)]
    destination: DestinationArgs,

    #[command(flatten)]
    sources: SourceArgs,
}

const EXAMPLES: &str = "\
Examples:
  Two platform families:
    tdattest collateral export --fmspc 50806F000000 --fmspc 90C06F000000 -o archive.json

  The platforms of these quotes, from a PCCS:
    tdattest collateral export --quote a.dat --quote b.dat --source https://pccs.example:8081 -o archive.json

  Everything that is kept here:
    tdattest collateral export -o archive.json

Exit codes:
  0  written; documents that the sources do not have are named on standard error
  2  misuse, or an input that cannot be read, or a file that cannot be written
  3  a document cannot be had, or nothing is kept";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let config = args.sources.configuration()?;
    let anchor = trust_anchor(args.root.as_deref().or(config.root.as_deref()))?;
    let sources = args.sources.resolve()?;
    let families = args.families()?;
    let archive = if families.is_empty() {
        let Some(folder) = &sources.cache_dir else { bail!("--no-cache leaves nothing to export") };
        let found = documents::of_cache(&cache_folder(folder, &anchor));
        let found = found.map_err(|problem| Hinted::error(problem, REMEDY))?;
        of_cache(found, &Authenticator::new(anchor))
    } else {
        let requests = requests(&families, &args.sets(sources.set));
        // A set that came before a TCB recovery is current, too: who exports wants what there is now.
        let sources = Sources { refresh: !sources.cached, ..sources };
        let keeper = Keeper::open(sources, anchor, args.at.map_or_else(now, Ok)?)?;
        match fetched(&keeper, &requests)? {
            Ok(archive) => archive,
            Err(missing) => {
                missing.iter().for_each(output::error);
                return Ok(Exit::Unavailable);
            }
        }
    };
    let count = archive.documents().count();
    if count == 0 {
        output::error(&Hinted::error("there is nothing to export", REMEDY));
        return Ok(Exit::Unavailable);
    }
    let text = archive.write()?;
    args.destination.write(text.as_bytes(), Form::Text, &format!("{count} documents"))?;
    Ok(Exit::Success)
}

impl Args {
    /// The set that is asked for by name, or both; the one of the configuration may be a third.
    fn sets(&self, configured: EvaluationDataSet) -> BTreeSet<EvaluationDataSet> {
        match self.sources.set() {
            Some(named) => [named].into(),
            None => [EvaluationDataSet::Standard, EvaluationDataSet::Early, configured].into(),
        }
    }

    fn families(&self) -> Result<BTreeSet<Fmspc>> {
        let mut families: BTreeSet<Fmspc> = self.fmspc.iter().copied().collect();
        for path in &self.quote {
            let requests = of_quote(path, EvaluationDataSet::Standard)?;
            families.extend(requests.0.iter().filter_map(|request| match request {
                PcsRequest::TcbInfo(_, fmspc, _) => Some(*fmspc),
                _ => None,
            }));
        }
        Ok(families)
    }
}
