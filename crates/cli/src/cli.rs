//! What the command line looks like. Completions and man pages are made from the same definitions.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

#[cfg(target_os = "linux")]
use crate::commands::{channel, pccs, qgs, quote, report, rtmr};
use crate::commands::{collateral, completions, copy_out, demo, inspect, man, sim, verify};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Intel TDX and SGX attestation: make, inspect and verify quotes, and simulate the hardware that makes them
///
/// Only `verify` without --collateral or --offline, `collateral fetch`, `refresh` and `export`, `pccs`, and `qgs check`, which
/// asks the PCCS of this host, go to a network. What a command finds out goes to standard output, all else to standard error.
#[derive(Parser)]
#[command(name = "tdattest", version, styles = STYLES, max_term_width = 100, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  What is in this file?
    tdattest inspect quote.dat

  Did a genuine, up-to-date platform make this quote, and for my nonce?
    tdattest verify quote.dat --collateral bundle.json --nonce 00112233445566778899aabbccddeeff

  Fetch what verifying it takes, to verify without a network:
    tdattest collateral fetch quote.dat -o bundle.json

  In a TD: a quote for a verifier's nonce
    tdattest quote --nonce 00112233445566778899aabbccddeeff -o quote.dat

  How does all of it fit together? (no TDX hardware needed)
    tdattest demo

Exit codes:
  0  accepted, or done
  1  refused
  2  misuse, or an input that cannot be read
  3  undecided: something that is needed is missing; or what was asked for cannot be had here

A file may be `-` for standard input. NO_COLOR=1 turns colours off.";

#[derive(Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
    Inspect(inspect::Args),
    Collateral(collateral::Args),
    #[cfg(target_os = "linux")]
    Report(report::Args),
    #[cfg(target_os = "linux")]
    Quote(quote::Args),
    #[cfg(target_os = "linux")]
    Channel(channel::Args),
    #[cfg(target_os = "linux")]
    Rtmr(rtmr::Args),
    #[cfg(target_os = "linux")]
    Qgs(qgs::Args),
    #[cfg(target_os = "linux")]
    Pccs(pccs::Args),
    Sim(sim::Args),
    Demo(demo::Args),
    CopyOut(copy_out::Args),
    Completions(completions::Args),
    Man(man::Args),
}
