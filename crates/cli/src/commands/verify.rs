//! `tdattest verify`: is this quote by a genuine and current platform, and if not, why?

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail};
use sha2::{Digest, Sha512};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{CLOCK_SKEW_S, Policy, TrustAnchor, Verifier, crypto};

use crate::exit::Exit;
use crate::{input, output, report};

/// Verify a quote, offline
///
/// Checks every signature up to Intel's root, every date and revocation, and the platform's TCB level; accepts a genuine
/// platform that is up to date and does not run in debug mode.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The quote: raw, hexadecimal or base64; `-` for standard input
    quote: PathBuf,

    /// The collateral: a bundle (JSON) or a folder of its parts
    ///
    /// Parts of a folder: tcb_info.json, qe_identity.json (as a PCS answers them), root_ca_crl and pck_crl (.der, .crl,
    /// .pem or .hex), pck_crl_issuer_chain.pem, tcb_info_issuer_chain.pem, qe_identity_issuer_chain.pem, and for a quote
    /// that has none pck_certificate_chain.pem.
    #[arg(long, value_name = "BUNDLE")]
    collateral: Option<PathBuf>,

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
}

const EXAMPLES: &str = "\
Examples:
  Verify a quote with the collateral in a file:
    tdattest verify quote.dat --collateral bundle.json

  Demand the report data that stands for a nonce (SHA-512 of it):
    tdattest verify quote.dat --collateral bundle.json --nonce 00112233445566778899aabbccddeeff

  Verify an old quote as of then, and read the status:
    tdattest verify quote.dat --collateral bundle.json --at 2025-06-25T00:00:00Z --json | jq .tcb.status

Exit codes: 0 accepted, 1 refused, 2 misuse or unreadable input, 3 undecided (collateral missing).";

/// What the quote's report data must be; at most one of these.
#[derive(clap::Args)]
#[group(multiple = false)]
struct ReportDataArgs {
    /// Demand exactly this report data (64 bytes, hexadecimal)
    #[arg(long, value_name = "HEX")]
    report_data: Option<ReportData>,

    /// Demand the SHA-512 of this nonce (16 to 64 bytes, hexadecimal) as report data
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    nonce: Option<Nonce>,

    /// Demand the SHA-512 of this file's bytes as report data
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let judgement = judge(args)?;
    if args.json {
        output::data(format!("{}\n", judgement.to_json()).as_bytes())?;
    } else {
        report::show(&judgement)?;
    }
    Ok(Exit::of(&judgement))
}

/// Parse, verify, appraise.
fn judge(args: &Args) -> Result<Judgement> {
    if is_stdin(&args.quote) && args.collateral.as_deref().is_some_and(is_stdin) {
        bail!("quote and collateral cannot both come from standard input");
    }
    let policy = args.policy()?;
    let anchor = args.trust_anchor()?;
    let now = args.at.map_or_else(now, Ok)?;
    let bytes = match input::quote(&args.quote) {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(Judgement::Input(problem)),
    };
    let quote = match Quote::parse(&bytes) {
        Ok(quote) => quote,
        Err(fault) => return Ok(Judgement::UnreadableQuote(fault)),
    };
    let Some(path) = &args.collateral else { return Ok(Judgement::NoCollateral) };
    let collateral = match input::collateral(path) {
        Ok(collateral) => collateral,
        Err(judgement) => return Ok(judgement),
    };
    let verifier = Verifier::new(anchor, crypto::aws_lc()).clock_skew_s(args.clock_skew);
    Ok(Judgement::appraise(verifier.verify(&quote, &collateral, now), &policy))
}

impl Args {
    fn policy(&self) -> Result<Policy> {
        let mut policy = Policy::genuine_platform();
        if self.dangerous_allow_debug {
            policy = policy.dangerous_allow_debug();
        }
        if let Some(report_data) = self.report_data.expected()? {
            policy = policy.expect_report_data(report_data);
        }
        Ok(policy)
    }

    fn trust_anchor(&self) -> Result<TrustAnchor> {
        let Some(path) = &self.root else { return Ok(TrustAnchor::intel()) };
        let root = input::root_certificate(path).map_err(|problem| anyhow!(problem))?;
        TrustAnchor::from_der(&root).map_err(|fault| anyhow!("{}: {fault}", input::shown(path)))
    }
}

impl ReportDataArgs {
    fn expected(&self) -> Result<Option<ReportData>> {
        let hash = |bytes: &[u8]| ReportData(Sha512::digest(bytes).into());
        Ok(match (self.report_data, &self.nonce, &self.data_file) {
            (Some(report_data), ..) => Some(report_data),
            (_, Some(nonce), _) => Some(hash(&nonce.0)),
            (.., Some(path)) => {
                let bytes =
                    input::read(path, input::FILE_BYTES).map_err(|problem| anyhow!(problem))?;
                Some(hash(&bytes))
            }
            (None, None, None) => None,
        })
    }
}

/// 16 to 64 bytes that the verifier chose.
#[derive(Clone, Debug)]
struct Nonce(Vec<u8>);

fn parse_nonce(text: &str) -> Result<Nonce, String> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map_err(|_| String::from("expected hexadecimal digits"))?;
    match bytes.len() {
        16..=64 => Ok(Nonce(bytes)),
        length => Err(format!("has {length} bytes, expected 16 to 64")),
    }
}

fn parse_time(text: &str) -> Result<UnixTime, String> {
    let seconds = match u64::from_str(text) {
        Ok(seconds) => Some(seconds),
        Err(_) => {
            let time = jiff::Timestamp::from_str(text).map_err(|_| expected_time())?;
            u64::try_from(time.as_second()).ok()
        }
    };
    seconds.and_then(UnixTime::from_secs).ok_or_else(expected_time)
}

fn expected_time() -> String {
    "expected RFC 3339 such as 2026-01-31T12:00:00Z, or Unix seconds, from 1970 to 9999".into()
}

fn now() -> Result<UnixTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds =
        since.map_err(|_| anyhow!("the clock is before 1970; set it, or give --at"))?.as_secs();
    UnixTime::from_secs(seconds).ok_or_else(|| anyhow!("the clock is after the year 9999"))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
