//! `tdattest collateral fetch`: the collateral of a quote, or of a platform family, as a bundle.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PcsRequests};

use super::fetching::FetchingArgs;
use super::platforms::{Ca, Tee, of_quote};
use crate::destination::{DestinationArgs, Form};
use crate::exit::Exit;
use crate::output;

/// Fetch the collateral of a quote, or of a platform family, as a bundle
///
/// Documents that are kept and have not ended are taken from the cache. Every document is verified up to Intel's root
/// before it is kept or written; dates and revocation are for `tdattest verify` to judge, with the quote.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The quote: raw, hexadecimal or base64; `-` for standard input
    #[arg(required_unless_present = "fmspc")]
    quote: Option<PathBuf>,

    /// The platform family, instead of a quote: 12 hexadecimal digits
    #[arg(long, value_name = "HEX", conflicts_with = "quote", requires = "ca")]
    fmspc: Option<Fmspc>,

    /// The CA of the platform's PCK certificate
    #[arg(long, conflicts_with = "quote")]
    ca: Option<Ca>,

    /// The TEE whose quotes it is for [default: tdx]
    #[arg(long, conflicts_with = "quote")]
    tee: Option<Tee>,

    #[command(flatten)]
    destination: DestinationArgs,

    // The last, since its heading stays for whatever follows.
    #[command(flatten)]
    fetching: FetchingArgs,
}

const EXAMPLES: &str = "\
Examples:
  The collateral of a quote, and of a platform family:
    tdattest collateral fetch quote.dat -o bundle.json
    tdattest collateral fetch --fmspc 50806F000000 --ca platform -o bundle.json

  From a PCCS whose certificate a CA of your own has signed:
    tdattest collateral fetch quote.dat --source https://pccs.example:8081 --ca-file ca.pem -o bundle.json

  From Intel's PCS, and where that is away from a file:
    tdattest collateral fetch quote.dat --source https://api.trustedservices.intel.com --source backup.json

  As after the newest TCB recovery:
    tdattest collateral fetch quote.dat --set early -o early.json

Exit codes:
  0  fetched
  2  misuse, or an input that cannot be read, or a file that cannot be written
  3  a document cannot be had";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let fetching = args.fetching.resolve()?;
    let requests = args.requests(fetching.sources.set)?;
    let collateral = match fetching.keeper()?.collateral(&requests) {
        Ok(collateral) => collateral,
        Err(unavailable) => {
            output::error(&unavailable.error());
            return Ok(Exit::Unavailable);
        }
    };
    let bundle = collateral.to_bundle().context("the collateral is no text")?;
    args.destination.write(bundle.as_bytes(), Form::Text, "collateral")?;
    Ok(Exit::Success)
}

impl Args {
    fn requests(&self, set: EvaluationDataSet) -> Result<PcsRequests> {
        match (&self.quote, self.fmspc, self.ca) {
            (Some(quote), ..) => of_quote(quote, set),
            (None, Some(fmspc), Some(ca)) => {
                let tee = self.tee.unwrap_or(Tee::Tdx);
                Ok(PcsRequests::new(tee.into(), fmspc, ca.into(), set))
            }
            _ => Err(anyhow!("give a quote, or --fmspc and --ca")),
        }
    }
}
