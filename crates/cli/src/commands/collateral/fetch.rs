//! `tdattest collateral fetch`: the collateral of a quote, or of a platform family, as a bundle.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::pcs::PcsRequests;
use tdattest_verifier::wire::time::UnixTime;

use super::platforms::{Ca, Tee, of_quote};
use crate::arguments::{now, parse_time};
use crate::destination::{DestinationArgs, Form};
use crate::exit::Exit;
use crate::output;
use crate::sources::keeper::Keeper;
use crate::sources::{SourceArgs, trust_anchor};

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
    let config = args.sources.configuration()?;
    let anchor = trust_anchor(args.root.as_deref().or(config.root.as_deref()))?;
    let sources = args.sources.resolve()?;
    let requests = args.requests(&sources)?;
    let keeper = Keeper::open(sources, anchor, args.at.map_or_else(now, Ok)?)?;
    let collateral = match keeper.collateral(&requests) {
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
    fn requests(&self, sources: &crate::sources::Sources) -> Result<PcsRequests> {
        match (&self.quote, self.fmspc, self.ca) {
            (Some(quote), ..) => of_quote(quote, sources.set),
            (None, Some(fmspc), Some(ca)) => {
                let tee = self.tee.unwrap_or(Tee::Tdx);
                Ok(PcsRequests::new(tee.into(), fmspc, ca.into(), sources.set))
            }
            _ => Err(anyhow!("give a quote, or --fmspc and --ca")),
        }
    }
}
