//! What the command line looks like. Completions and man pages are made from the same definitions.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands::{completions, inspect, man, verify};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Intel TDX and SGX attestation: inspect and verify quotes.
///
/// Exit codes: 0 accepted, 1 refused, 2 misuse or unreadable input, 3 undecided.
/// A file argument may be `-` for standard input.
#[derive(Parser)]
#[command(name = "tdattest", version, styles = STYLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
    Inspect(inspect::Args),
    Completions(completions::Args),
    Man(man::Args),
}
