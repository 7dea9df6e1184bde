//! `tdattest collateral check`: are the documents current, and for how long? For monitors.

use std::path::PathBuf;

use anyhow::Result;

use super::listing::{DAY_S, Listing, Standing};
use super::monitor::{nagios, problems, prometheus, readable, summary};
use super::place::{Place, PlaceArgs, REMEDY};
use crate::destination::{self, Access};
use crate::exit::Exit;
use crate::output::{self, printable};

/// Check that documents are genuine and current, for monitors
///
/// Looks at what is kept, or at a file, and never at the network. Of a cache it tells what `tdattest verify` would not
/// take from it; of a cache or an archive also what is missing there.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,

    /// Warn of documents that end within this time: a number with s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "7d")]
    warn: u64,

    /// One line and the exit codes of a Nagios plugin: 0 OK, 1 warning, 2 critical, 3 unknown
    #[arg(long)]
    nagios: bool,

    /// Seconds to the end of each document, as Prometheus reads them
    #[arg(long, conflicts_with = "nagios")]
    prometheus: bool,

    /// Print it as JSON (schema tdattest.collateral-windows/1)
    #[arg(long, conflicts_with_all = ["nagios", "prometheus"])]
    json: bool,

    /// Write the figures to this file, which is replaced whole [default: standard output]
    #[arg(short, long, value_name = "FILE", requires = "prometheus")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Is what is kept good for another two weeks?
    tdattest collateral check --warn 14d

  Does this bundle hold on New Year's Day?
    tdattest collateral check bundle.json --at 2027-01-01T00:00:00Z

  For the node exporter of Prometheus:
    tdattest collateral check --prometheus -o /var/lib/node_exporter/tdattest.prom

Exit codes:
  0  all current; documents that end before long are named on standard error
  1  a document has ended, is missing, is not genuine, is older than one that was seen, or is from the future: this clock is more than five minutes behind
  2  misuse
  3  there is nothing to check, or it cannot be read
With --nagios: 0 OK, 1 warning, 2 critical, 3 unknown; a mistake in the configuration is 3 too.
With --prometheus `tdattest_collateral_readable` is 0 where there is nothing to check, or it cannot be read.";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let outcome = args.place.read();
    if args.nagios {
        return as_plugin(args, outcome);
    }
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(fault) => {
            args.write(&unreadable_figures(args))?;
            return Err(fault);
        }
    };
    let place = match outcome {
        Ok(place) => place,
        Err(problem) => {
            args.write(&unreadable_figures(args))?;
            output::note(&output::problem(&problem));
            output::note(&output::hint(REMEDY));
            return Ok(Exit::Unavailable);
        }
    };
    let listing = Listing::new(place, args.warn);
    if args.prometheus {
        args.write(&prometheus(&listing))?;
    } else if args.json {
        output::json(&listing.json()?)?;
    } else {
        args.write(&format!("{}\n", summary(&listing)))?;
    }
    problems(&listing).iter().for_each(|line| output::note(line));
    Ok(match listing.standing() {
        Standing::Current | Standing::Warning => Exit::Success,
        Standing::Failed => {
            output::note(&output::hint(if listing.is_cache() { OF_CACHE } else { OF_FILE }));
            Exit::Refused
        }
    })
}

const OF_CACHE: &str = "`tdattest collateral refresh` asks for all that is kept, `tdattest collateral fetch QUOTE` for what is missing; `tdattest collateral forget` removes what ended long ago";

const OF_FILE: &str = "make it again: `tdattest collateral fetch` makes a bundle, `tdattest collateral export` an archive";

/// As a Nagios plugin: what goes wrong is on the one line too, and unknown.
fn as_plugin(args: &Args, outcome: Result<Result<Place, String>>) -> Result<Exit> {
    let problem = match outcome {
        Ok(Ok(place)) => {
            let listing = Listing::new(place, args.warn);
            args.write(&nagios(&listing, args.warn))?;
            return Ok(Exit::Passed(match listing.standing() {
                Standing::Current => 0,
                Standing::Warning => 1,
                Standing::Failed => 2,
            }));
        }
        Ok(Err(problem)) => problem,
        Err(fault) => format!("{fault:#}"),
    };
    // A bar begins the figures: there is none in the text.
    let problem = printable(&problem).replace('|', "/");
    args.write(&format!("COLLATERAL UNKNOWN - {problem}\n"))?;
    Ok(Exit::Unavailable)
}

/// A series that goes away raises no alarm: this one stays.
fn unreadable_figures(args: &Args) -> String {
    if args.prometheus { readable(false) } else { String::new() }
}

impl Args {
    /// Writes to the file that is named, whole or not at all, or to standard output.
    fn write(&self, text: &str) -> Result<()> {
        match &self.out {
            _ if text.is_empty() => Ok(()),
            Some(path) => destination::write(path, text.as_bytes(), Access::Kept).map(|_| ()),
            None => output::data(text.as_bytes()),
        }
    }
}

pub(super) fn parse_span(text: &str) -> Result<u64, String> {
    let expected = || "expected a number with s, m, h or d, such as 7d".to_owned();
    let (number, unit) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(expected)?;
    let length = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY_S,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(length).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_a_unit() {
        assert_eq!(parse_span("7d"), Ok(604_800));
        assert_eq!(parse_span("90m"), Ok(5_400));
        for text in ["", "7", "d", "-7d", "7w", "7 d", "99999999999999999999d", "7ä"] {
            assert!(parse_span(text).is_err(), "{text:?}");
        }
    }
}
