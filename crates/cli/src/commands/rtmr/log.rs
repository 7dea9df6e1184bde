//! `tdattest rtmr log`: what was measured, and whether that explains the registers.
//!
//! Must stay true: a log alone proves nothing; only a register that it leads to, in a quote that verifies, does.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::json;
use sha2::{Digest as _, Sha384};
use tdattest_attester::wire::bytes::Measurement;
use tdattest_attester::wire::event_log::{Event, EventLog};
use tdattest_attester::{
    Deadline, Measured, Paths, RtmrError, event_log, read_rtmrs, run_time_log,
};

use super::{LogArgs, event};
use crate::exit::Exit;
use crate::guest;
use crate::input::{reason, shown};
use crate::output;
use crate::table::{Align, aligned};

/// Show the event logs, and whether they lead to the registers' values
///
/// First the firmware's log (CCEL), then what `tdattest rtmr extend` has logged since. A register that others extended
/// without an entry here has another value than the logs lead to.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The firmware's log [default: /sys/firmware/acpi/tables/data/CCEL]
    #[arg(long, value_name = "FILE")]
    ccel: Option<PathBuf>,

    /// Print it as JSON (schema tdattest.event-log/1)
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    log: LogArgs,
}

/// A log's name and its bytes.
type Log<'l> = (&'static str, &'l [u8]);

pub(super) fn run(args: &Args) -> Result<Exit> {
    let mut paths = args.log.paths();
    if let Some(ccel) = &args.ccel {
        paths.ccel.clone_from(ccel);
    }
    let firmware = match event_log(&paths.ccel) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(fault) => return unreadable(&paths.ccel, &fault),
        Ok(bytes) => bytes,
    };
    // Kept until the registers have been read: nobody extends one meanwhile.
    let run_time = match run_time_log(&paths, &Deadline::after(Deadline::DEFAULT)) {
        Err(fault) => return unreadable(&paths.event_log, &fault),
        Ok(log) => log,
    };
    let mut logs: Vec<Log<'_>> = vec![("CCEL", &firmware)];
    logs.extend(run_time.iter().map(|log| ("run time", log.bytes.as_slice())));
    logs.retain(|(_, bytes)| !bytes.is_empty());
    if logs.is_empty() {
        return Ok(no_log(&paths));
    }
    explain(args, &logs, read_rtmrs(&paths))
}

fn no_log(paths: &Paths) -> Exit {
    let (ccel, log) = (paths.ccel.display(), paths.event_log.display());
    guest::unavailable(
        &format!("there is no event log here: neither {ccel} nor {log} is there"),
        "run it inside a TD whose firmware keeps a log (CCEL), or name files: --ccel, --log",
    )
}

/// Shows the logs, and how the registers compare with what they lead to.
fn explain(args: &Args, logs: &[Log<'_>], registers: Result<Measured, RtmrError>) -> Result<Exit> {
    let mut events = Vec::new();
    for (name, bytes) in logs {
        let log = EventLog::parse(bytes)
            .map_err(|fault| anyhow!("the {name} log cannot be read: {fault}"))?;
        events.extend(log.events.into_iter().map(|event| (*name, event)));
    }
    let replayed = replay(events.iter().map(|(_, event)| event));
    match args.json {
        true => show_json(&events, &replayed, registers.as_ref().ok())?,
        false => {
            let text =
                event_table(&events) + "\n" + &register_table(&replayed, registers.as_ref().ok());
            output::data(text.as_bytes())?;
        }
    }
    Ok(match registers {
        Ok(measured) if measured.rtmrs == replayed => Exit::Success,
        Ok(_) => Exit::Refused,
        Err(fault) => guest::no_register("the logs cannot be compared with the registers", &fault),
    })
}

fn unreadable(path: &Path, fault: &io::Error) -> Result<Exit> {
    let problem = format!("cannot read {}: {}", shown(path), reason(fault));
    match fault.kind() {
        io::ErrorKind::PermissionDenied => {
            Ok(guest::unavailable(&problem, "run it as root: the logs are for root alone"))
        }
        _ => Err(anyhow!(problem)),
    }
}

/// The values that the events lead to, from zeros.
fn replay<'e>(events: impl Iterator<Item = &'e Event<'e>>) -> [Measurement; 4] {
    let mut registers = [Measurement::default(); 4];
    for event in events {
        let Some((index, digest)) = event.rtmr().zip(event.digest) else { continue };
        if let Some(register) = registers.get_mut(usize::from(index)) {
            let extended = Sha384::new().chain_update(register.0).chain_update(digest.0);
            *register = Measurement(extended.finalize().into());
        }
    }
    registers
}

fn event_table(events: &[(&str, Event<'_>)]) -> String {
    let header = ["", "log", "register", "type", "digest", "data"].map(str::to_owned).to_vec();
    let rows = (1..).zip(events).map(|(number, (log, event))| {
        // The first bytes are enough to tell digests apart; --json has all.
        let digest = event.digest.map_or_else(String::new, |digest| {
            digest.to_string().chars().take(16).chain(['…']).collect()
        });
        let register = event.rtmr().map_or_else(|| "none".into(), |index| format!("RTMR{index}"));
        let (kind, data) = (event::name(event.kind), event::said(event.data));
        vec![format!("{number}"), (*log).to_owned(), register, kind, digest, data]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    aligned(&rows, &[Align::Right], "")
}

fn register_table(replayed: &[Measurement; 4], registers: Option<&Measured>) -> String {
    let rows = (0..).zip(replayed).map(|(index, value)| {
        let found = registers.and_then(|measured| measured.rtmrs.get(index));
        let verdict = match found {
            Some(found) if found == value => "matches the register".into(),
            Some(found) => format!("differs: the register is {found}"),
            None => "not compared".into(),
        };
        vec![format!("RTMR{index}"), value.to_string(), verdict]
    });
    aligned(&rows.collect::<Vec<_>>(), &[], "")
}

fn show_json(
    events: &[(&str, Event<'_>)],
    replayed: &[Measurement; 4],
    registers: Option<&Measured>,
) -> Result<()> {
    let events = events.iter().map(|(log, event)| {
        json!({
            "log": log,
            "rtmr": event.rtmr(),
            "type": event.kind,
            "typeName": event::name(event.kind),
            "digest": event.digest.map(|digest| digest.to_string()),
            "data": data_encoding::HEXLOWER.encode(event.data),
        })
    });
    let registers = (0..).zip(replayed).map(|(index, value)| {
        let found = registers.and_then(|measured| measured.rtmrs.get(index));
        json!({
            "index": index,
            "replayed": value.to_string(),
            "register": found.map(|found| found.to_string()),
            "matches": found.map(|found| found == value),
        })
    });
    let view = json!({
        "schema": "tdattest.event-log/1",
        "events": events.collect::<Vec<_>>(),
        "rtmrs": registers.collect::<Vec<_>>(),
    });
    output::json(&serde_json::to_string_pretty(&view)?)
}
