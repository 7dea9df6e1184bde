//! `tdattest qgs check`: what a service needs on this host, looked at one by one.

mod caching_service;
mod findings;
mod host;
mod ports;
mod provider;
mod quote;
mod snippets;
mod sockets;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use serde_json::json;
use tdattest_qgs::config::BackendConfig;
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::time::UnixTime;

use super::configuration::ConfigArgs;
use crate::arguments::{now, parse_time};
use crate::exit::Exit;
use crate::{input, output};
use findings::{Finding, State};

/// Find out whether a service can make quotes here, and if not, why and what to do
///
/// Looks at the configuration, the sockets and who may use them, the SGX devices, Intel's libraries, the file and the
/// cache of the quote provider, whether the caching service (PCCS) answers, and goes as far towards a quote as is possible
/// without a TD. Run it as the user that the service runs as. Changes no file; to see whether the vsock port and the
/// address of the metrics are free, it takes them for a moment.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// The file of Intel's quote provider library; looked at for a simulated platform, too, if it is named [default: $QCNL_CONF_PATH, then /etc/sgx_default_qcnl.conf]
    #[arg(long, value_name = "FILE")]
    qcnl_conf: Option<PathBuf>,

    /// The documents of the caching service must lead to this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// Judge the documents of the caching service as of this time: RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Print it as JSON (schema tdattest.qgs-check/1)
    #[arg(long)]
    json: bool,

    /// Print what QEMU and libvirt have to be told to use the service, and nothing else
    #[arg(long)]
    print_qemu: bool,
}

const EXAMPLES: &str = "\
Examples:
  As the user of the service:
    sudo -u qgsd tdattest qgs check

  Look at a quote provider's file before it is installed, and ask the service that it names:
    tdattest qgs check --qcnl-conf sgx_default_qcnl.conf

  The lines that go into a virtual machine's configuration:
    tdattest qgs check --print-qemu

Exit codes:
  0  nothing is in the way, perhaps with warnings
  1  something is: the line says what to do
  2  misuse, or a configuration that cannot be read
  3  this host has no SGX devices, without which nothing makes quotes of TDX";

/// Where a running service says what is wrong.
const SEE_THE_LOG: &str = "see tdattest qgs status, or journalctl -u tdattest-qgs";

/// What to do where nobody listens.
const START_IT: &str = "start it: systemctl start tdattest-qgs, or tdattest qgs serve";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let (config, source) = args.config.read()?;
    if args.print_qemu {
        output::data(snippets::all(&config.listen).as_bytes())?;
        return Ok(Exit::Success);
    }
    let mut findings = vec![Finding::good("configuration", format!("{source}"))];
    findings.extend(sockets::look(&config));
    findings.extend(ports::look(&config));
    let hardware = match &config.backend {
        BackendConfig::Simulated { .. } => true,
        BackendConfig::Intel(_) => {
            findings.extend(host::look());
            host::has_devices()
        }
    };
    if args.qcnl_conf.is_some() || matches!(config.backend, BackendConfig::Intel(_)) {
        let provider = provider::look(args.qcnl_conf.as_deref());
        let asked =
            caching_service::look(&provider, &trust_anchor(args)?, args.at.map_or_else(now, Ok)?)?;
        findings.extend(provider.findings.into_iter().chain(asked));
    }
    findings.extend(quote::look(&config)?);
    match args.json {
        true => show_json(&findings)?,
        false => output::data(findings::table(&findings).as_bytes())?,
    }
    let failed = findings.iter().any(|finding| finding.state == State::Failure);
    Ok(match (failed, hardware) {
        (_, false) => Exit::Unavailable,
        (true, true) => Exit::Refused,
        (false, true) => Exit::Success,
    })
}

fn trust_anchor(args: &Args) -> Result<TrustAnchor> {
    let Some(path) = &args.root else { return Ok(TrustAnchor::intel()) };
    let root = input::root_certificate(path).map_err(|problem| anyhow!(problem))?;
    TrustAnchor::from_der(&root).map_err(|fault| anyhow!("{}: {fault}", input::shown(path)))
}

fn show_json(findings: &[Finding]) -> Result<()> {
    let lines = findings.iter().map(|finding| {
        json!({
            "subject": finding.subject,
            "state": finding.state.name(),
            "says": finding.says,
            "remedy": finding.remedy,
        })
    });
    let view = json!({ "schema": "tdattest.qgs-check/1", "findings": lines.collect::<Vec<_>>() });
    output::json(&serde_json::to_string_pretty(&view)?)
}
