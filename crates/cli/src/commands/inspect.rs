//! `tdattest inspect`: what is in this file?

use std::path::PathBuf;

use anyhow::Result;

use crate::exit::Exit;
use crate::inspect::inspect;
use crate::output;

/// Show what is in a file, without verifying any of it
///
/// Tells what it is by itself: a quote, a TDREPORT, collateral (a bundle or a folder of its parts), TCB info, a QE
/// identity, TCB evaluation data numbers (whole answers of a PCS, or the inner object), certificates, or a CRL; raw,
/// hexadecimal, base64, PEM or DER.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file, or a folder of collateral; `-` for standard input
    file: PathBuf,

    /// Print everything as JSON (schema tdattest.inspection/1)
    #[arg(long)]
    json: bool,

    /// Show where each field of a quote or TDREPORT stands, in bytes from the start, and reserved fields too
    #[arg(long, conflicts_with = "json")]
    offsets: bool,
}

const EXAMPLES: &str = "\
Examples:
  Every field of a quote, with its place in the file:
    tdattest inspect quote.dat --offsets

  The platform family and the measurement of the TD, for a script:
    tdattest inspect quote.dat --json | jq -r '.quote.pck.fmspc, .quote.body.mrTd'

  From when until when is this collateral good, and what is in it?
    tdattest inspect bundle.json

  What does Intel say of this platform family? (PCS=https://api.trustedservices.intel.com)
    curl -s \"$PCS/tdx/certification/v4/tcb?fmspc=00806F050000\" | tdattest inspect -

Exit codes:
  0  shown, which says nothing of whether it is genuine
  2  misuse, or a file that cannot be read, or is nothing that is known";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let (text, exit) = match inspect(&args.file) {
        Ok(inspection) if args.json => (json(&inspection)?, Exit::Success),
        Ok(inspection) => (inspection.page(args.offsets), Exit::Success),
        Err(unknown) if args.json => (json(&unknown.to_view())?, Exit::Misuse),
        Err(unknown) => {
            unknown.show();
            return Ok(Exit::Misuse);
        }
    };
    output::data(text.as_bytes())?;
    Ok(exit)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
