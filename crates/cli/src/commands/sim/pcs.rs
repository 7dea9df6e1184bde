//! `tdattest sim pcs`: Intel's PCS on this machine, for a simulated platform.

use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result, anyhow};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tdattest_simulator::pcs_server::{
    Address, Clock, Failure, FailureRule, PcsServer, Served, StartError, Times, Which,
};
use tdattest_verifier::wire::time::UnixTime;

use crate::arguments::now;
use crate::output::{self, Hinted};
use crate::simulation::SimulationArgs;

/// Serve the collateral of a simulated platform as Intel's PCS does, until Ctrl-C
///
/// PCS API v4 for SGX and TDX, with evaluation data numbers, PCK certificates and CRLs; the root CA's CRL is at
/// /IntelSGXRootCA.der. Plain HTTP: for this machine, not for a network. --at stops its clock. There is no QAE identity,
/// and no certificate that is `Not available`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,

    /// Where to listen: HOST:PORT as numbers, port 0 for a free one, or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: Address,

    /// Let requests fail: WHICH=FAILURE[,times=N]; may be given many times
    ///
    /// The first rule that makes a difference to an answer applies, until it is used up. WHICH is all, tcb, qe-identity, qve-identity, pckcert, pckcerts, pckcrl, rootcacrl, fmspcs or
    /// tcbevaluationdatanumbers. FAILURE is a status such as 503 or 429:retry-after=7, slow:2s, cut-off:100 (bytes),
    /// or lie:FAULT with a fault of `tdattest sim faults` that breaks the collateral, at the endpoint that serves what it
    /// breaks, or at all.
    #[arg(long, value_name = "RULE")]
    fail: Vec<FailureRule>,
}

const EXAMPLES: &str = "\
Examples:
  Serve a platform, and ask as a client of Intel's would:
    tdattest sim pcs --platform my-platform --listen 127.0.0.1:8081
    curl -i 'http://127.0.0.1:8081/tdx/certification/v4/tcb?fmspc=5A1D0F6C0B00'

  What does my client do when the PCS is down, slow, or lies?
    tdattest sim pcs --platform my-platform --fail all=503,times=3
    tdattest sim pcs --platform my-platform --fail tcb=slow:30s --fail pckcrl=cut-off:100
    tdattest sim pcs --platform my-platform --fail tcb=lie:tcb-info.signature

  As of last year, when today's certificates are not yet issued or long expired:
    tdattest sim pcs --platform my-platform --at 2025-06-25T00:00:00Z

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  2  misuse, or a platform that cannot be used, or an address that cannot be listened at";

pub(super) fn run(args: &Args) -> Result<()> {
    let platform = args.simulation.platform()?;
    // Before anybody is told that it runs, so that none is ended without having cleaned up.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot wait for Ctrl-C")?;
    let fmspc = platform.hardware.fmspc;
    let server = PcsServer::start(platform, &args.listen, clock(args.simulation.at_given())?)
        .map_err(unstartable)?;
    args.fail.iter().for_each(|rule| server.fail(*rule));
    if let Some(fault) = args.simulation.fault()? {
        // Last: it lies for ever, and would leave nothing to the others.
        let rule = FailureRule::new(Which::All, Failure::Lie(fault), Times::Always);
        server.fail(rule.map_err(|fault| anyhow!(fault))?);
    }
    let (notes, noted) = mpsc::sync_channel::<String>(NOTES);
    // Whoever reads the notes slowly must not slow the server down: what does not fit is not noted.
    server.observe(Arc::new(move |served| drop(notes.try_send(line(served)))));
    let noting = thread::spawn(move || noted.iter().for_each(|note| output::note(&note)));
    output::note(&format!("serving FMSPC {fmspc} at {}; Ctrl-C ends it", server.url()));
    // Last, for scripts that wait for it.
    output::data(format!("{}\n", server.url()).as_bytes())?;
    let signal = signals.forever().next();
    // A second one ends it at once, whatever still hangs.
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(ENDED_TWICE);
        }
    });
    drop(server);
    // Nobody can send a note any more: those of the last requests are still on their way.
    let _ = noting.join();
    output::note(if signal == Some(SIGTERM) { "ended by SIGTERM" } else { "ended" });
    Ok(())
}

/// Most notes that wait to be read.
const NOTES: usize = 1_024;

/// The exit code of a shell for a program ended by SIGINT.
const ENDED_TWICE: i32 = 130;

/// The time that was given, for ever; or this machine's, which is read anew for each request.
fn clock(at: Option<UnixTime>) -> Result<Clock> {
    if let Some(at) = at {
        return Ok(Arc::new(move || at));
    }
    let start = now()?;
    // A clock that is set back before 1970 while this runs stands still.
    Ok(Arc::new(move || now().unwrap_or(start)))
}

fn unstartable(fault: StartError) -> anyhow::Error {
    match &fault {
        StartError::PortInUse(_) => {
            Hinted::error(fault, "choose another port with --listen, or 0 for a free one")
        }
        StartError::FileExists(_) => Hinted::error(
            fault,
            "if it is a socket that an ended server left behind, remove it; or choose another path",
        ),
        _ => fault.into(),
    }
}

/// `200 GET /tdx/certification/v4/tcb?fmspc=…`, with what went wrong.
fn line(served: &Served) -> String {
    let Served { method, path, status, refusal, failure, .. } = served;
    let refusal = refusal.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
    let failure = failure.map(|failure| format!("  (as told: {failure})")).unwrap_or_default();
    let why = refusal + &failure;
    output::printable(&format!("{status} {method} {path}{why}")).into_owned()
}
