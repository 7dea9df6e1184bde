//! `tdattest channel test`: asks for a quote, and says how far that came.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use tdattest_attester::wire::bytes::ReportData;
use tdattest_attester::wire::qgs::NoAnswer;
use tdattest_attester::wire::quote::Quote;
use tdattest_attester::wire::td_report::TdReport;
use tdattest_attester::{
    Deadline, Endpoint, Hop, ObtainedQuote, Paths, ProviderError, config, quote_from_report,
};

use super::ConfigArgs;
use crate::exit::Exit;
use crate::guest::{self, Seconds, parse_endpoint, parse_timeout};
use crate::input::{self, shown};
use crate::output::{self, BAD, GOOD, printable};

/// Ask the QGS for a quote, and say which hop fails
///
/// Takes the port of the configuration, on the host, unless --qgs names another place. The quote is looked at and not
/// kept.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Ask this QGS: vsock:CID:PORT, unix:PATH, or unix for /var/run/tdx-qgs/qgs.socket [default: as configured]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_endpoint)]
    qgs: Option<Endpoint>,

    /// Ask with this TDREPORT, of any TD of the same host, instead of one of this TD
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Wait this long for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = Deadline::DEFAULT.as_secs().into(), value_parser = parse_timeout)]
    timeout: Seconds,

    #[command(flatten)]
    config: ConfigArgs,
}

/// The hops, in the order they are reached.
const HOPS: [&str; 6] = ["device", "connect", "send", "receive", "QGS", "quote"];

pub(super) fn run(args: &Args) -> Result<Exit> {
    let paths = args.config.paths();
    let configured = args.qgs.is_none();
    let endpoint = match &args.qgs {
        Some(endpoint) => endpoint.clone(),
        None => match configured_port(args)? {
            Some(port) => Endpoint::Vsock { cid: Endpoint::HOST, port: port.into() },
            None => return Ok(no_port(&paths)),
        },
    };
    let asked = match &args.report {
        Some(path) => Ok(report_of(path)?),
        None => tdattest_attester::report(&paths, &random()?).map(|report| report.to_vec()),
    };
    let outcome = asked
        .map_err(ProviderError::from)
        .and_then(|report| quote_from_report(&endpoint, &report, args.timeout.0));
    show(&endpoint, outcome.as_ref())?;
    Ok(match &outcome {
        Ok(_) => Exit::Success,
        Err(fault) => guest::unavailable(
            &format!("no quote can be had from {endpoint}: {fault}"),
            &guest::qgs_remedy(&endpoint, configured, fault),
        ),
    })
}

fn configured_port(args: &Args) -> Result<Option<u16>> {
    Ok(args.config.text()?.and_then(|text| config::parse(&text).port()))
}

fn no_port(paths: &Paths) -> Exit {
    guest::unavailable(
        &format!("no vsock port is configured in {}", shown(&paths.config)),
        "tdattest channel set --port N configures one, --qgs names another QGS; without any, quotes come through configfs (tdattest quote)",
    )
}

/// A TDREPORT from a file.
fn report_of(path: &Path) -> Result<Vec<u8>> {
    let bytes = input::read(path, input::FILE_BYTES).map_err(|problem| anyhow!(problem))?;
    TdReport::parse(&bytes).map_err(|fault| anyhow!("{} is no TDREPORT: {fault}", shown(path)))?;
    Ok(bytes)
}

/// Report data of no meaning, other than last time's.
fn random() -> Result<ReportData> {
    let mut report_data = ReportData::default();
    getrandom::fill(&mut report_data.0)
        .map_err(|fault| anyhow!("the operating system has no random bytes: {fault}"))?;
    Ok(report_data)
}

/// How far it came: `ok` up to the hop that failed.
fn show(endpoint: &Endpoint, outcome: Result<&ObtainedQuote, &ProviderError>) -> Result<()> {
    let reached = outcome.err().map_or(HOPS.len(), failed_hop);
    let mut text = format!("{}\n", printable(&endpoint.to_string()));
    for (index, hop) in HOPS.iter().enumerate().take(reached.saturating_add(1)) {
        text += &match index < reached {
            true => format!("  {hop:<7}  {GOOD}ok{GOOD:#}\n"),
            false => format!("  {hop:<7}  {BAD}failed{BAD:#}\n"),
        };
    }
    if let Ok(obtained) = outcome {
        let version = Quote::parse(&obtained.bytes)?.header().version.number();
        let (length, padding) = (obtained.bytes.len(), obtained.padding);
        text += &format!("version {version}, {length} bytes, {padding} of them padding\n");
    }
    output::data(text.as_bytes())
}

/// The index of the hop that an error comes from.
fn failed_hop(fault: &ProviderError) -> usize {
    match fault {
        ProviderError::Report(_) => 0,
        ProviderError::Permission(_) => 1,
        ProviderError::Io { hop, .. }
        | ProviderError::Busy { hop }
        | ProviderError::Deadline { hop, .. } => match hop {
            Hop::Device | Hop::Configfs => 0,
            Hop::Connect => 1,
            Hop::Send => 2,
            Hop::Receive => 3,
        },
        ProviderError::ClosedEarly { .. } | ProviderError::Qgs(NoAnswer::Malformed(_)) => 3,
        ProviderError::Qgs(_) => 4,
        _ => 5,
    }
}
