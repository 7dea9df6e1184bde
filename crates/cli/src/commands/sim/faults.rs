//! `tdattest sim faults`: every way in which a quote or its collateral can be broken.

use anyhow::Result;
use serde::Serialize;
use tdattest_simulator::Fault;

use crate::output;
use crate::table::aligned;

/// The name of the JSON form.
const SCHEMA: &str = "tdattest.faults/1";

/// List the faults that `--fault` takes
///
/// Each breaks one thing that a verifier must notice. Its name is the code that `tdattest verify` refuses with. A fault
/// of the quote goes to `tdattest sim quote`, one of the collateral to `tdattest sim collateral`; the other of the two
/// is made without it.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print them as JSON (schema tdattest.faults/1), with what Intel's library calls each, and the document about it
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  What can be wrong with the PCK CRL?
    tdattest sim faults | grep ^pck-crl

  The names of all faults of the quote, for a loop:
    tdattest sim faults --json | jq -r '.faults[] | select(.breaks == \"quote\").name'

Exit codes:
  0  listed
  2  misuse";

pub(super) fn run(args: &Args) -> Result<()> {
    let faults = Fault::all();
    if args.json {
        return output::json(&serde_json::to_string_pretty(&List::new(&faults))?);
    }
    let row = |fault: &Fault| vec![fault.name(), fault.breaks().to_string(), fault.about()];
    let rows: Vec<Vec<String>> = faults.iter().map(row).collect();
    output::data(aligned(&rows, &[], "").as_bytes())
}

#[derive(Serialize)]
struct List {
    schema: &'static str,
    faults: Vec<View>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    breaks: String,
    about: String,
    source: &'static str,
    qvl_status: &'static str,
}

impl List {
    fn new(faults: &[Fault]) -> Self {
        let view = |fault: &Fault| View {
            name: fault.name(),
            breaks: fault.breaks().to_string(),
            about: fault.about(),
            source: fault.source(),
            qvl_status: fault.intel_status(),
        };
        Self { schema: SCHEMA, faults: faults.iter().map(view).collect() }
    }
}
