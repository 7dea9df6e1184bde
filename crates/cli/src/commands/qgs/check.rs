//! `tdattest qgs check`: what a service needs on this host, looked at one by one.

mod findings;
mod host;
mod ports;
mod snippets;
mod sockets;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tdattest_qgs::config::{BackendConfig, Config};
use tdattest_qgs::{Failure, Hop};

use super::configuration::ConfigArgs;
use super::serve::backend;
use crate::exit::Exit;
use crate::output;
use findings::{Finding, State};

/// Find out whether a service can make quotes here, and if not, why and what to do
///
/// Looks at the configuration, the sockets and who may use them, the SGX devices, Intel's libraries, the folder of the
/// provider's cache, and goes as far towards a quote as is possible without a TD. Run it as the user that the service
/// runs as. Whether the caching service (PCCS) answers shows in that last step alone. Changes no file; to see whether
/// the vsock port and the address of the metrics are free, it takes them for a moment.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,

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

  The lines that go into a virtual machine's configuration:
    tdattest qgs check --print-qemu

Exit codes:
  0  nothing is in the way, perhaps with warnings
  1  something is: the line says what to do
  2  misuse, or a configuration that cannot be read
  3  this host has no SGX devices, without which nothing makes quotes of TDX";

/// How long the backend may take: longer than a quote ever does.
const PATIENCE: Duration = Duration::from_secs(40);

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
    findings.extend(quote(&config)?);
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

/// The backend, opened and taken as far towards a quote as it goes without a TD.
fn quote(config: &Config) -> Result<Vec<Finding>> {
    let backend = match backend(config)? {
        Ok(backend) => backend,
        Err(failure) => return Ok(vec![failed("backend", &failure)]),
    };
    let opened = Finding::good("backend", backend.name());
    let (done, tried) = mpsc::channel();
    thread::spawn(move || {
        // If nobody waits any more, it does not matter.
        let _ = done.send(backend.open().and_then(|mut context| context.probe()));
    });
    Ok(vec![
        opened,
        match tried.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Finding::good("a quote", "everything up to the TD's report works".into()),
            Ok(Err(failure)) => failed("a quote", &failure),
            Err(_) => Finding::bad(
                "a quote",
                format!("the backend has said nothing for {} seconds", PATIENCE.as_secs()),
                "see whether the caching service (PCCS) of /etc/sgx_default_qcnl.conf answers, and what the kernel's log says of SGX",
            ),
        },
    ])
}

fn failed(subject: &'static str, failure: &Failure) -> Finding {
    let hop = match failure.hop {
        Hop::Backend => String::new(),
        hop => format!("{hop}: "),
    };
    let says = format!("{hop}{failure} ({})", failure.code);
    Finding::bad(subject, says, failure.remedy.unwrap_or(SEE_THE_LOG))
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
