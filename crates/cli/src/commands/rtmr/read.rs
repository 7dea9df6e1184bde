//! `tdattest rtmr read`: all four registers.

use anyhow::Result;
use serde_json::json;
use tdattest_attester::read_rtmrs;

use crate::exit::Exit;
use crate::guest::{self, RootArgs};
use crate::output;
use crate::table::pairs;

/// Show the registers, from sysfs (Linux 6.16 and later) or from a TDREPORT
#[derive(clap::Args)]
pub(super) struct Args {
    /// Print them as JSON (schema tdattest.rtmrs/1)
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    root: RootArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let measured = match read_rtmrs(&args.root.paths()) {
        Ok(measured) => measured,
        Err(fault) => return Ok(guest::no_register("the registers cannot be read", &fault)),
    };
    if args.json {
        let source = if measured.from_sysfs { "sysfs" } else { "TDREPORT" };
        let registers = measured.rtmrs.map(|register| register.to_string());
        let view = json!({ "schema": "tdattest.rtmrs/1", "source": source, "rtmrs": registers });
        output::json(&serde_json::to_string_pretty(&view)?)?;
        return Ok(Exit::Success);
    }
    let names = ["RTMR0", "RTMR1", "RTMR2", "RTMR3"];
    let rows: Vec<_> =
        names.into_iter().zip(measured.rtmrs.map(|register| register.to_string())).collect();
    output::data(pairs(&rows, "").as_bytes())?;
    Ok(Exit::Success)
}
