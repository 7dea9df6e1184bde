//! `tdattest sim td`: a command that runs as if inside a TD.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use tdattest_simulator::td_devices::namespace::{self, NamespaceError};
use tdattest_simulator::td_devices::{FaultRule, QuoteSource, TdDevices};

use super::qgs::parse_unix;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::simulation;

/// Run a command as if inside the TD of a simulated platform
///
/// The command, and what it starts, finds /sys/kernel/config/tsm/report, /dev/tdx_guest (GET_REPORT0), the measurement
/// registers and the event log where a TD has them. Nobody else sees them, and nothing is left behind. Needs FUSE, and
/// root or user namespaces; without root the command believes that it is.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder of the platform, as `tdattest sim platform new` made it
    #[arg(long, value_name = "DIR")]
    platform: PathBuf,

    /// Another value for a key of platform.toml, this once; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Get the quotes from the QGS at this socket, such as that of `tdattest sim qgs` [default: from the platform]
    #[arg(long, value_name = "unix:PATH", value_parser = parse_unix)]
    qgs: Option<PathBuf>,

    /// Let the devices fail, such as busy, empty or delay=10, with ,times=N so often; may be given many times, and an
    /// unknown name lists them all
    #[arg(long, value_name = "NAME")]
    fault: Vec<FaultRule>,

    /// The command, and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  What a program in the TD sees:
    tdattest sim td --platform my-platform -- ls /sys/devices/virtual/misc/tdx_guest/measurements

  A kernel that says nothing when the host has no QGS:
    tdattest sim td --platform my-platform --fault empty -- my-program

  A host that is busy twice:
    tdattest sim td --platform my-platform --fault busy,times=2 -- my-program

Exit codes:
  that of the command, or 128 and the number of the signal that ended it
  2  misuse, or a platform that cannot be used, or a command that cannot be started
  3  no FUSE, no user namespaces, or a real TD, whose devices are not to be hidden";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let platform = simulation::open(&args.platform, &args.set)?;
    let source = args.qgs.clone().map_or(QuoteSource::Platform, QuoteSource::Qgs);
    // While there is one thread.
    let private = match namespace::enter() {
        Ok(private) => private,
        Err(fault) => return Ok(impossible(fault)),
    };
    let devices = TdDevices::launch(&platform, source)?;
    args.fault.iter().for_each(|rule| devices.fail(*rule));
    let presented = match private.present(&devices) {
        Ok(presented) => presented,
        Err(fault) => return Ok(impossible(fault)),
    };
    let status = run_command(&args.command)?;
    drop(presented);
    Ok(Exit::Passed(code(status)))
}

/// What this system lacks, and what to do about it.
fn impossible(fault: NamespaceError) -> Exit {
    let hint = match &fault {
        NamespaceError::RealTd(_) => {
            "inside a TD the devices are there: leave out `tdattest sim td`"
        }
        NamespaceError::Fuse(_) => {
            "load the kernel module fuse, and see that this user may open /dev/fuse (in a container: --device /dev/fuse)"
        }
        _ => "run it as root, or allow user namespaces (in a container: --cap-add SYS_ADMIN)",
    };
    output::error(&Hinted::error(fault, hint));
    Exit::Undecided
}

/// Runs it and waits. Signals that a terminal sends reach it by themselves; others are passed on.
fn run_command(command: &[OsString]) -> Result<ExitStatus> {
    let signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP]);
    let signals = signals.context("cannot wait for signals")?;
    let (program, arguments) = command.split_first().context("no command is given")?;
    let started = Command::new(program).args(arguments).spawn();
    let mut child = started.map_err(|fault| {
        let text = format!("cannot start {}: {fault}", program.to_string_lossy());
        Hinted::error(
            text,
            "it is looked for as a shell looks for it; give the path if it is nowhere in PATH",
        )
    })?;
    pass_on(signals, &child);
    child.wait().context("cannot wait for the command")
}

fn pass_on(mut signals: Signals, child: &Child) {
    let child = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    thread::spawn(move || {
        for signal in signals.forever() {
            let passed = match signal {
                SIGTERM => rustix::process::Signal::TERM,
                SIGHUP => rustix::process::Signal::HUP,
                _ => continue,
            };
            // It may have ended just now.
            let _ = child.map(|child| rustix::process::kill_process(child, passed));
        }
    });
}

/// The exit code, as shells tell it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().and_then(|signal| signal.checked_add(128)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
