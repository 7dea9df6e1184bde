//! `tdattest collateral check`: are the documents current, and for how long? For monitors.

use anyhow::Result;

use super::listing::{DAY_S, Listing, Standing};
use super::monitor::{nagios, problems, prometheus, summary};
use super::place::{PlaceArgs, REMEDY};
use crate::exit::Exit;
use crate::output::{self, printable};

/// Check that documents are genuine and current, for monitors
///
/// Looks at what is kept, or at a file, and never at the network.
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
}

const EXAMPLES: &str = "\
Examples:
  Is what is kept good for another two weeks?
    tdattest collateral check --warn 14d

  Does this bundle hold on New Year's Day?
    tdattest collateral check bundle.json --at 2027-01-01T00:00:00Z

  For the node exporter of Prometheus:
    tdattest collateral check --prometheus > /var/lib/node_exporter/tdattest.prom

Exit codes:
  0  all current; documents that end before long are named on standard error
  1  a document has ended, or is not genuine
  2  misuse
  3  there is nothing to check, or it cannot be read
With --nagios: 0 OK, 1 warning, 2 critical, 3 unknown.";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let place = match args.place.read()? {
        Ok(place) => place,
        Err(problem) => return unreadable(args, &problem),
    };
    let listing = Listing::new(place, args.warn);
    let standing = listing.standing();
    if args.nagios {
        output::data(nagios(&listing, args.warn).as_bytes())?;
        return Ok(Exit::Passed(match standing {
            Standing::Current => 0,
            Standing::Warning => 1,
            Standing::Failed => 2,
        }));
    }
    if args.prometheus {
        output::data(prometheus(&listing).as_bytes())?;
    } else if args.json {
        output::json(&listing.json()?)?;
    } else {
        output::data(format!("{}\n", summary(&listing)).as_bytes())?;
    }
    problems(&listing).iter().for_each(|line| output::note(line));
    Ok(match standing {
        Standing::Current | Standing::Warning => Exit::Success,
        Standing::Failed => Exit::Refused,
    })
}

fn unreadable(args: &Args, problem: &str) -> Result<Exit> {
    if args.nagios {
        output::data(format!("COLLATERAL UNKNOWN - {}\n", printable(problem)).as_bytes())?;
    } else {
        output::note(&output::problem(problem));
        output::note(&output::hint(REMEDY));
    }
    Ok(Exit::Unavailable)
}

fn parse_span(text: &str) -> Result<u64, String> {
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
