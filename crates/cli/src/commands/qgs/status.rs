//! `tdattest qgs status`: how a service stands, and why its last failures were.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tdattest_qgs::config::Config;
use tdattest_qgs::listen::connect;
use tdattest_qgs::status::{Reason, Refusal, SCHEMA, Status, Worker};

use crate::exit::Exit;
use crate::input::{reason, shown};
use crate::output::{self, Hinted};
use crate::table::{Align, aligned, pairs};

/// Show how the running service stands: workers, requests, and why the last of them got no quote
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The socket of its status [default: /run/tdx-qgs/status.socket]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Print it as JSON (schema tdattest.qgs-status/1)
    #[arg(long)]
    json: bool,

    /// Show only so many of the last failures
    #[arg(long, value_name = "N", default_value_t = 10)]
    failures: usize,
}

const EXAMPLES: &str = "\
Examples:
  Why did the last quote fail?
    tdattest qgs status --failures 1

  For a script: the codes of all failures that are kept
    tdattest qgs status --json | jq -r '.failures[].reason.code'

Exit codes:
  0  it runs, and makes quotes
  1  it runs, and makes none: the table says why
  2  misuse
  3  no service answers at the socket";

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of an answer: a hundred failures of some hundred bytes each, with room.
const LARGEST: u64 = 4 * 1024 * 1024;

pub(super) fn run(args: &Args) -> Result<Exit> {
    let usual = Config::default().status.map(|socket| socket.path);
    let path = args.socket.clone().or(usual).context("no socket is given")?;
    let text = match ask(&path) {
        Ok(text) => text,
        Err(fault) => {
            let problem = format!("no service answers at {}: {}", shown(&path), reason(&fault));
            let hint = "start it with `tdattest qgs serve`, name its socket with --socket, or use an account that may open it";
            output::error(&Hinted::error(problem, hint));
            return Ok(Exit::Unavailable);
        }
    };
    let status: Status = serde_json::from_slice(&text)
        .with_context(|| format!("what answers at {} is no service of ours", shown(&path)))?;
    anyhow::ensure!(
        status.schema == SCHEMA,
        "the service says {}, expected {SCHEMA}",
        status.schema
    );
    match args.json {
        true => output::json(&serde_json::to_string_pretty(&status)?)?,
        false => output::data(told(&status, args.failures).as_bytes())?,
    }
    Ok(if status.ready { Exit::Success } else { Exit::Refused })
}

fn ask(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let stream = connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = Vec::new();
    stream.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

fn told(status: &Status, most: usize) -> String {
    let standing = match (status.draining, status.ready) {
        (true, _) => "ending",
        (false, true) => "ready",
        (false, false) => "not ready: nothing makes quotes",
    };
    let mut rows = vec![
        ("state", standing.into()),
        ("since", status.started.clone()),
        ("backend", status.backend.clone()),
        ("listens at", status.listeners.join(", ")),
        ("workers", workers(&status.workers)),
        ("waiting", status.waiting.to_string()),
        ("connections", status.connections.to_string()),
    ];
    if let Some(health) = &status.health {
        let said = match &health.reason {
            None if health.quoted => format!("made a quote at {}", health.at),
            None => format!("could make a quote at {}", health.at),
            Some(reason) => format!("failed at {}: {}", health.at, because(reason)),
        };
        rows.push(("health check", said));
    }
    let mut text = pairs(&rows, "");
    for worker in status.workers.iter().filter_map(|worker| worker.reason.as_ref()) {
        text += &format!("\nA worker fails: {}\n", because(worker));
    }
    if !status.requests.is_empty() {
        text += &format!("\n{}", requests(status));
    }
    let shown = status.failures.len().min(most);
    if shown > 0 {
        text += &format!("\nThe last {shown} without an answer, the newest first:\n");
        text += &status.failures.iter().rev().take(most).map(refusal).collect::<String>();
    }
    text
}

fn workers(workers: &[Worker]) -> String {
    let counts = ["ready", "busy", "opening", "failing", "hanging"]
        .map(|state| (state, workers.iter().filter(|worker| worker.state == state).count()));
    let some: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if some.is_empty() { "none".into() } else { some.join(", ") }
}

fn requests(status: &Status) -> String {
    let header = ["requests", "asked for", "outcome"].map(str::to_owned).to_vec();
    let rows = status.requests.iter().map(|count| {
        let line = |text: &str| output::printable(text).into_owned();
        vec![count.count.to_string(), line(&count.asked), line(&count.outcome)]
    });
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[Align::Right], "")
}

fn refusal(refusal: &Refusal) -> String {
    let Refusal { request, at, peer, asked, milliseconds, reason, told } = refusal;
    let asked = asked.as_deref().unwrap_or("something");
    let told = told
        .as_deref()
        .map_or_else(|| "left without a word".into(), |told| format!("told: {told}"));
    let what =
        format!("{at}  request {request} of {peer} for {asked}, after {milliseconds} ms, {told}");
    let mut text = format!("  {}\n    {}\n", output::printable(&what), because(reason));
    if let Some(remedy) = &reason.remedy {
        text += &format!("    {}\n", output::hint(remedy));
    }
    text
}

fn because(reason: &Reason) -> String {
    let text = format!("{} ({}): {}", reason.hop, reason.code, reason.cause);
    output::printable(&text).into_owned()
}
