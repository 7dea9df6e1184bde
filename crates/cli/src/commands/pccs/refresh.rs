//! `tdattest pccs refresh`: fetches what is due, now.

use anyhow::Result;
use tdattest_pccs::{Counters, FillMode, RefreshOutcome};

use super::configuration::{ConfigArgs, Read};
use super::open::{self, IfAbsent, Opened};
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::table::aligned;

/// Fetch anew every kept document that ends soon, each on its own
///
/// A service that runs does this by itself, and notices within a second or so what another process has fetched.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

const EXAMPLES: &str = "\
Examples:
  With the configuration of the service, as its user:
    sudo -u tdattest-pccs tdattest pccs refresh

Exit codes:
  0  nothing that was due has failed
  1  something that was due could not be had; what was kept stays
  2  misuse, or a configuration that cannot be used
  3  the database is not there, or refuses its user";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let Read { config, .. } = args.config.read()?;
    if config.api.mode == FillMode::Offline {
        let problem = "the mode is offline: nothing is fetched";
        return Err(Hinted::error(problem, "bring collateral with `tdattest pccs import`"));
    }
    open::tell_store(&config);
    let runtime = open::runtime()?;
    let report = runtime.block_on(async {
        let (counters, clock) = (Counters::default(), open::clock()?);
        let opened = open::everything(&config, IfAbsent::Miss, &counters, &clock).await?;
        anyhow::Ok(match opened {
            Ok(Opened { pccs, .. }) => Ok(pccs.refresh().await),
            Err(fault) => Err(fault),
        })
    })?;
    let report = match report {
        Ok(report) => report,
        Err(fault) => return Ok(open::unavailable(&fault, &config)),
    };
    if report.left_to_another {
        output::note("another replica is at it");
    } else if report.items.is_empty() {
        output::note("nothing is due");
    }
    let mut all_good = true;
    let rows: Vec<Vec<String>> = report
        .items
        .iter()
        .map(|item| {
            let outcome = match &item.outcome {
                RefreshOutcome::Refreshed => "refreshed".into(),
                RefreshOutcome::Unchanged => "nothing newer".into(),
                RefreshOutcome::Failed(cause) => {
                    all_good = false;
                    format!("failed: {cause}")
                }
            };
            vec![item.name.clone(), outcome]
        })
        .collect();
    output::data(aligned(&rows, &[], "").as_bytes())?;
    Ok(if all_good { Exit::Success } else { Exit::Refused })
}
