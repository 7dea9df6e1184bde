//! `tdattest sim qgs`: a Quote Generation Service for a simulated platform.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tdattest_simulator::qgs_server::{Misbehaviour, QgsServer, Served, StartError};

use crate::output::{self, Hinted};
use crate::simulation;

/// Serve quotes of a simulated platform, as the QGS on a TDX host does
///
/// Runs until Ctrl-C or SIGTERM. Requests are told on standard error, one line each. A TDREPORT that the platform's CPU
/// did not make is refused.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder of the platform, as `tdattest sim platform new` made it
    #[arg(long, value_name = "DIR")]
    platform: PathBuf,

    /// Another value for a key of platform.toml, this once; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Where to listen: unix:PATH
    #[arg(long, value_name = "unix:PATH", value_parser = parse_unix)]
    listen: PathBuf,

    /// Misbehave in one way, such as hang, close-mid-body, error=0x12001 or slow=10; an unknown name lists them all
    #[arg(long, value_name = "NAME")]
    misbehave: Option<Misbehaviour>,
}

const EXAMPLES: &str = "\
Examples:
  A QGS, and a TD that gets its quotes from it:
    tdattest sim qgs --platform my-platform --listen unix:qgs.socket
    tdattest sim td --platform my-platform --qgs unix:qgs.socket -- my-program

  What does my client do when the answer stops in the middle?
    tdattest sim qgs --platform my-platform --listen unix:qgs.socket --misbehave close-mid-body

Exit codes:
  0  ended by a signal
  2  misuse, or a platform that cannot be used, or a socket that cannot be made";

/// The path of `unix:PATH`.
pub(super) fn parse_unix(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| "expected unix:PATH, such as unix:qgs.socket".into())
}

pub(super) fn run(args: &Args) -> Result<()> {
    let platform = simulation::open(&args.platform, &args.set)?;
    // Before there is a socket file to leave behind.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    let told = Arc::new(|served: &Served| output::note(&output::printable(&served.to_string())));
    let server =
        QgsServer::start_observed(&platform, &args.listen, Some(told)).map_err(unstartable)?;
    server.misbehave(args.misbehave);
    let listening = format!("listening at unix:{}", args.listen.display());
    output::note(&output::printable(&listening));
    signals.forever().next();
    drop(server);
    Ok(())
}

fn unstartable(fault: StartError) -> anyhow::Error {
    match fault {
        StartError::Socket { .. } => Hinted::error(
            fault,
            "its folder must be there and writable; a path has about 100 bytes",
        ),
        fault => fault.into(),
    }
}
