//! `tdattest report`: a TDREPORT of this TD.

use anyhow::Result;

use crate::arguments::ReportDataArgs;
use crate::destination::{Access, DestinationArgs, Form};
use crate::exit::Exit;
use crate::guest::{self, Challenge, RootArgs};
use crate::output;
use crate::table::pairs;

/// In a TD: make a TDREPORT, which this platform's CPU seals
///
/// A TDREPORT says what the TD is, and only the same machine can check that: its quoting enclave makes a quote of it,
/// which anybody can check. Without report data, a random nonce is chosen and shown.
#[derive(clap::Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("report_data", |it| it.help("Report data (64 bytes, hexadecimal)")),
    mut_arg("nonce", |it| it.help("The SHA-512 of this nonce (16 to 64 bytes, hexadecimal) as report data")),
    mut_arg("data_file", |it| it.help("The SHA-512 of this file's bytes as report data")),
)]
pub(crate) struct Args {
    #[command(flatten)]
    report_data: ReportDataArgs,

    #[command(flatten)]
    root: RootArgs,

    #[command(flatten)]
    destination: DestinationArgs,
}

const EXAMPLES: &str = "\
Examples:
  A TDREPORT for a nonce, and what is in it:
    tdattest report --nonce 00112233445566778899aabbccddeeff -o report.dat
    tdattest inspect report.dat

Exit codes:
  0  made
  2  misuse, or a file that cannot be read or written
  3  it cannot be had here: no TD, no device, or no permission";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let challenge = Challenge::new(&args.report_data)?;
    let report = match tdattest_attester::report(&args.root.paths(), &challenge.report_data) {
        Ok(report) => report,
        Err(fault) => return Ok(guest::no_report(&fault)),
    };
    let place = args.destination.place(&report, Form::Binary, "TDREPORT", Access::Private)?;
    challenge.warn();
    let mut rows = vec![
        ("TDREPORT", format!("{} bytes, from the guest device", report.len())),
        ("report data", challenge.report_data.to_string()),
        ("demanded by", challenge.words.clone()),
    ];
    if let Some(path) = place {
        rows.push(("written to", path.display().to_string()));
        rows.push(("shown by", format!("tdattest inspect {}", guest::word(Some(path), ""))));
    }
    output::note(pairs(&rows, "").trim_end());
    Ok(Exit::Success)
}
