//! `tdattest collateral show`: every document, its window, and which ends first.

use anyhow::Result;

use super::listing::{DAY_S, Listing};
use super::place::{PlaceArgs, REMEDY};
use crate::exit::Exit;
use crate::output::{self, Hinted};

/// Show documents: which set they are of, how long they hold, and which ends first
///
/// Every document is verified up to Intel's root.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,

    /// Print it as JSON (schema tdattest.collateral-windows/1)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  What is kept here:
    tdattest collateral show

  What a bundle has, and how it stood last year:
    tdattest collateral show bundle.json
    tdattest collateral show bundle.json --at 2025-06-25T00:00:00Z

Exit codes:
  0  shown, whatever its state: `tdattest collateral check` tells that
  2  misuse, or an input that cannot be read, or nothing is kept";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let place = args.place.read()?.map_err(|problem| Hinted::error(problem, REMEDY))?;
    let listing = Listing::new(place, WARN_S);
    if args.json {
        output::json(&listing.json()?)?;
        return Ok(Exit::Success);
    }
    let first = listing.first().map(|first| format!("\n{first}\n")).unwrap_or_default();
    output::data(format!("{}{first}", listing.table()).as_bytes())?;
    let missing = listing.missing().map(|name| format!("{name} is missing, quotes need it"));
    listing.faults().chain(missing).for_each(|fault| output::note(&output::problem(&fault)));
    Ok(Exit::Success)
}

/// Less than a week is worth a word.
const WARN_S: u64 = 7 * DAY_S;
