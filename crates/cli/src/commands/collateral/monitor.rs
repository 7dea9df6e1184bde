//! How documents stand, in the words of people, of Nagios and of Prometheus.

use std::fmt::Write as _;

use tdattest_collateral::windows::{State, first_to_end};

use super::listing::{Listing, Standing, document};
use crate::output::{self, printable};

/// What is wrong, and what will be before long.
pub(super) fn problems(listing: &Listing) -> Vec<String> {
    let mut lines: Vec<String> = listing.faults().map(|fault| output::problem(&fault)).collect();
    let missing = |name| output::problem(&format!("{name} is missing, quotes need it"));
    lines.extend(listing.missing().map(missing));
    for window in listing.windows() {
        let name = document(&window.request);
        match listing.state(window) {
            State::Current => {}
            State::Warning => {
                lines.push(output::warning(&format!("{name} {}", listing.end(window, ""))));
            }
            State::Ended => {
                lines.push(output::problem(&format!("{name} {}", listing.end(window, ""))));
            }
            State::NotYet => {
                let text = format!(
                    "{name} is issued {}, after now: this clock is behind",
                    window.validity.issued
                );
                lines.push(output::problem(&text));
            }
        }
    }
    lines
}

/// `4 documents in the cache, all current; PCK CRL platform ends first: …`
pub(super) fn summary(listing: &Listing) -> String {
    let (windows, faults) = (listing.windows(), listing.faults().count());
    let count = |wanted: fn(State) -> bool| {
        windows.iter().filter(|window| wanted(listing.state(window))).count()
    };
    let holding = count(|state| matches!(state, State::Current | State::Warning));
    let documents = windows.len().saturating_add(faults);
    let all = if holding == documents { "all".into() } else { holding.to_string() };
    let first = listing.first().map(|first| format!("; {first}")).unwrap_or_default();
    format!("{documents} documents in {}, {all} current{first}", listing.name())
}

/// One line and its figures, as Nagios reads them.
pub(super) fn nagios(listing: &Listing, warn_s: u64) -> String {
    let word = match listing.standing() {
        Standing::Current => "OK",
        Standing::Warning => "WARNING",
        Standing::Failed => "CRITICAL",
    };
    let missing = listing.missing().map(|name| format!("{name} is missing"));
    let fault = listing.faults().chain(missing).next();
    let fault = fault.map(|fault| format!("; {fault}")).unwrap_or_default();
    let text = format!("COLLATERAL {word} - {}{fault}", summary(listing));
    // A bar begins the figures: there is none in the text.
    let text = printable(&text).replace('|', "/");
    let first = first_to_end(listing.windows()).map(|window| window.remaining_s(listing.now()));
    let figures =
        first.map(|first| format!(" | first_end={first}s;{warn_s}:;0:")).unwrap_or_default();
    format!("{text}{figures}\n")
}

/// Whether there is anything to tell the other figures of.
pub(super) fn readable(is_readable: bool) -> String {
    format!(
        "# HELP tdattest_collateral_readable Whether there are documents that can be read.\n\
         # TYPE tdattest_collateral_readable gauge\n\
         tdattest_collateral_readable {}\n",
        u8::from(is_readable)
    )
}

/// The text format of Prometheus.
pub(super) fn prometheus(listing: &Listing) -> String {
    let mut text = readable(true);
    text.push_str(
        "# HELP tdattest_collateral_seconds_left Seconds until a document ends; negative once it has.\n\
         # TYPE tdattest_collateral_seconds_left gauge\n",
    );
    for window in listing.windows() {
        let (name, path) = (document(&window.request), window.request.path());
        let left = window.remaining_s(listing.now());
        // A text takes whatever is written to it; neither name nor path has a quotation mark.
        let _ = writeln!(
            text,
            "tdattest_collateral_seconds_left{{document=\"{name}\",request=\"{path}\"}} {left}"
        );
    }
    let _ = write!(
        text,
        "# HELP tdattest_collateral_broken Documents that are not genuine or older than ones that were seen, or files that are none.\n\
         # TYPE tdattest_collateral_broken gauge\n\
         tdattest_collateral_broken {}\n\
         # HELP tdattest_collateral_missing Documents that quotes need and that are not there.\n\
         # TYPE tdattest_collateral_missing gauge\n\
         tdattest_collateral_missing {}\n",
        listing.faults().count(),
        listing.missing().count()
    );
    text
}
