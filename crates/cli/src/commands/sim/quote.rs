//! `tdattest sim quote`: a quote of a simulated TD or enclave.

use std::str::FromStr as _;

use anyhow::{Result, bail};
use tdattest_simulator::{CertificationDraft, Platform, QuoteDraft};
use tdattest_verifier::wire::limits;
use tdattest_verifier::wire::quote::CertificationDataType;

use super::format::FormatArgs;
use crate::arguments::ReportDataArgs;
use crate::destination::{DestinationArgs, Form};
use crate::simulation::{SimulationArgs, unmintable};

/// Make a quote of a simulated platform
///
/// The TD is launched, the CPU makes its TDREPORT, the quoting enclave turns that into a quote. The same platform and
/// options make the same quote, byte for byte.
#[derive(clap::Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("report_data", |it| it.help("Report data that the TD chooses (64 bytes, hexadecimal) [default: zeros]")),
    mut_arg("nonce", |it| it.help("The SHA-512 of this nonce (16 to 64 bytes, hexadecimal) as report data")),
    mut_arg("data_file", |it| it.help("The SHA-512 of this file's bytes as report data")),
)]
pub(crate) struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    report_data: ReportDataArgs,

    /// Certification data: 1 to 3 PPID, 4 PCK certificate, 5 PCK certificate chain
    ///
    /// A quote with less than the chain verifies with a bundle of `tdattest sim collateral --pck-chain`.
    #[arg(long, value_name = "TYPE", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=5))]
    certification_data: u16,

    /// Put this many zero bytes after the quote, as some platforms do
    #[arg(long, value_name = "BYTES", conflicts_with = "pad_to", value_parser = parse_padding)]
    padding: Option<usize>,

    /// Put zero bytes after the quote up to this length
    #[arg(long, value_name = "BYTES", value_parser = parse_padding)]
    pad_to: Option<usize>,

    #[command(flatten)]
    destination: DestinationArgs,
}

const EXAMPLES: &str = "\
Examples:
  The answer of a TD to a nonce:
    tdattest sim quote --platform my-platform --nonce 00112233445566778899aabbccddeeff -o quote.dat

  A TDX 1.5 quote, and one of an SGX enclave:
    tdattest sim quote --platform my-platform --format v5 --body 3 -o tdx-1.5.dat
    tdattest sim quote --platform my-platform --format v3 -o sgx.dat

  A quote of a debug TD:
    tdattest sim quote --platform my-platform --set td.attributes=0100005000000000 -o debug.dat

  A quote that is broken in one way:
    tdattest sim quote --platform my-platform --fault qe.key-binding -o broken.dat

Exit codes:
  0  made
  2  misuse, or a platform that cannot be used, or a file that cannot be written";

pub(super) fn run(args: &Args) -> Result<()> {
    let platform = args.simulation.platform()?;
    let mut draft = args.draft(&platform)?;
    if let Some(fault) = args.simulation.fault()? {
        draft.break_with(fault).map_err(unmintable)?;
    }
    draft.padding = args.padding.unwrap_or(0);
    let mut quote = draft.mint().map_err(unmintable)?;
    if let Some(length) = args.pad_to {
        if length < quote.len() {
            bail!("the quote has {} bytes, more than --pad-to {length}", quote.len());
        }
        quote.resize(length, 0);
    }
    let version = draft.header.version.number();
    let what = format!("version {version} quote, {}", draft.body.kind().name());
    args.destination.write(&quote, Form::Binary, &what)
}

impl Args {
    fn draft(&self, platform: &Platform) -> Result<QuoteDraft> {
        let report_data = self.report_data.report_data()?.unwrap_or_default();
        let at = self.simulation.at()?;
        let draft = match self.format.format()? {
            Some(format) => QuoteDraft::new(platform, format, report_data, at),
            None => QuoteDraft::of_td(platform, &platform.launch_td().report(report_data), at),
        };
        let mut draft = draft.map_err(unmintable)?;
        let ppid = |kind| CertificationDraft::ppid(platform, kind);
        match self.certification_data {
            1 => draft.certification = ppid(CertificationDataType::PpidCleartext),
            2 => draft.certification = ppid(CertificationDataType::PpidRsa2048),
            3 => draft.certification = ppid(CertificationDataType::PpidRsa3072),
            4 => draft.certification = CertificationDraft::PckLeaf(Box::new(platform.pck())),
            _ => {}
        }
        Ok(draft)
    }
}

/// A number of bytes after a quote, or its length with them: enough to go beyond what a verifier reads.
fn parse_padding(text: &str) -> Result<usize, String> {
    const MOST: usize = limits::QUOTE_BYTES * 4;
    let length = usize::from_str(text).ok().filter(|length| *length <= MOST);
    length.ok_or_else(|| format!("expected a number of bytes from 0 to {MOST}"))
}
