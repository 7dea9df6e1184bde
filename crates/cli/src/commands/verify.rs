//! `tdattest verify`: is this quote by a genuine and current platform, and if not, why?

mod judge;

use std::path::PathBuf;

use anyhow::Result;
use tdattest_verifier::CLOCK_SKEW_S;
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::{ReportDataArgs, parse_time};
use crate::exit::Exit;
use crate::output;
use crate::report::Report;
use crate::sources::SourceArgs;
pub(crate) use judge::judge;

/// Verify a quote
///
/// Checks every signature up to Intel's root, every date and revocation, and the platform's TCB level; accepts a genuine
/// platform that is up to date and does not run in debug mode. Collateral that is not given is fetched, through a cache.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The quote: raw, hexadecimal or base64; `-` for standard input
    quote: PathBuf,

    /// The collateral: a bundle or an archive (JSON), or a folder of its parts [default: fetched]
    ///
    /// Parts of a folder: tcb_info.json, qe_identity.json (as a PCS answers them), root_ca_crl and pck_crl (.der, .crl,
    /// .pem or .hex), pck_crl_issuer_chain.pem, tcb_info_issuer_chain.pem, qe_identity_issuer_chain.pem, and for a quote
    /// that has none pck_certificate_chain.pem.
    #[arg(long, value_name = "BUNDLE")]
    collateral: Option<PathBuf>,

    /// Never go to the network or to the cache: what is not given is missing
    #[arg(long)]
    offline: bool,

    /// Verify as of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    #[command(flatten)]
    report_data: ReportDataArgs,

    /// Seconds by which this clock may lag behind Intel's
    #[arg(long, value_name = "SECONDS", default_value_t = CLOCK_SKEW_S)]
    clock_skew: u64,

    /// Accept a debug TD or enclave, which its host can read and change
    #[arg(long)]
    dangerous_allow_debug: bool,

    /// Print the result as JSON (schema tdattest.verification/1)
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArgs,
}

const EXAMPLES: &str = "\
Examples:
  Verify a quote with collateral from Intel's PCS, or from a PCCS:
    tdattest verify quote.dat
    tdattest verify quote.dat --source https://pccs.example:8081 --ca-file pccs-ca.pem

  Verify a quote with the collateral in a file, without a network:
    tdattest verify quote.dat --collateral bundle.json

  Demand the report data that stands for a nonce (SHA-512 of it):
    tdattest verify quote.dat --collateral bundle.json --nonce 00112233445566778899aabbccddeeff

  Verify a quote of last year as of then:
    tdattest verify quote.dat --collateral bundle.json --at 2025-06-25T00:00:00Z

  Read the TCB status in a script:
    tdattest verify quote.dat --collateral bundle.json --json | jq -r .tcb.status

  Verify a quote of a platform that you simulate (`tdattest sim`), under its own root:
    tdattest verify quote.dat --collateral bundle.json --root my-platform/root.pem

  Verify a quote that arrives in hexadecimal:
    echo $QUOTE | tdattest verify - --collateral bundle.json

Exit codes:
  0  accepted: genuine, up to date, no debug mode, and the report data is the demanded one
  1  refused: everything could be read, and something in it is wrong
  2  misuse, or an input that cannot be read
  3  undecided: collateral, or a part of it, is missing or cannot be fetched

Accepted says that a genuine, up-to-date platform made the quote, not which TD or enclave it is:
compare its measurements with the values you expect.";

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let judged = judge(args)?;
    if args.json {
        output::json(&judged.judgement.to_json())?;
    } else {
        Report::new(&judged).show()?;
    }
    Ok(Exit::of(&judged.judgement))
}
