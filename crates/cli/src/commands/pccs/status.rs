//! `tdattest pccs status`: what is kept, and what of it ends first.

use anyhow::Result;
use serde::Serialize;
use tdattest_pccs::store::{DocumentState, StoreError};
use tdattest_verifier::wire::time::UnixTime;

use super::configuration::{ConfigArgs, Read};
use super::open::{self, IfAbsent, distance};
use crate::arguments::{now, parse_time};
use crate::exit::Exit;
use crate::output;
use crate::table::aligned;

const SCHEMA: &str = "tdattest.pccs-status/1";

/// Show every document that is kept, how long it is good, and what ends first
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,

    /// Judge as of this time instead of now: RFC 3339, or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,

    /// Print it as JSON (schema tdattest.pccs-status/1)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  What ends first?
    tdattest pccs status | head -2

  For a script: all that has ended
    tdattest pccs status --json | jq -r '.documents[] | select(.ended) | .request'

Exit codes:
  0  everything that is kept is good
  1  something has ended
  2  misuse, or a configuration that cannot be used
  3  the database is not there, or refuses its user";

/// What is kept.
#[derive(Serialize)]
struct Status {
    schema: &'static str,
    store: &'static str,
    now: String,
    documents: Vec<Row>,
    platforms: u64,
}

/// A document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    request: String,
    document: &'static str,
    evaluation_data_number: Option<u32>,
    issued: String,
    next_update: String,
    ends: String,
    fetched_at: String,
    ended: bool,
    seconds_left: i64,
    #[serde(skip)]
    distance: String,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let Read { config, .. } = args.config.read()?;
    let at = match args.at {
        Some(at) => at,
        None => now()?,
    };
    open::tell_store(&config);
    let status = open::runtime()?.block_on(async {
        let store = match open::store(&config, IfAbsent::Miss).await? {
            Ok(store) => store,
            Err(fault) => return anyhow::Ok(Err(fault)),
        };
        Ok(async {
            let mut kept = store.documents().await?;
            kept.sort_by_key(|state| (state.validity.ends(), state.request));
            let documents: Vec<Row> = kept.iter().map(|state| row(state, at)).collect();
            let platforms = store.count_platforms().await?;
            let (schema, store) = (SCHEMA, store.kind());
            Ok::<_, StoreError>(Status { schema, store, now: at.to_string(), documents, platforms })
        }
        .await)
    })?;
    let status = match status {
        Ok(status) => status,
        Err(fault) => return Ok(open::unavailable(&fault, &config)),
    };
    match args.json {
        true => output::json(&serde_json::to_string_pretty(&status)?)?,
        false => output::data(told(&status).as_bytes())?,
    }
    let all_good = !status.documents.iter().any(|row| row.ended);
    Ok(if all_good { Exit::Success } else { Exit::Refused })
}

fn row(state: &DocumentState, now: UnixTime) -> Row {
    let DocumentState { request, validity, fetched_at } = state;
    let ends = validity.ends();
    let signed = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Row {
        request: request.path(),
        document: request.document(),
        evaluation_data_number: validity.evaluation_data_number,
        issued: validity.issued.to_string(),
        next_update: validity.next_update.to_string(),
        ends: ends.to_string(),
        fetched_at: fetched_at.to_string(),
        ended: ends < now,
        seconds_left: signed(ends).saturating_sub(signed(now)),
        distance: distance(now, ends),
    }
}

fn told(status: &Status) -> String {
    let header = ["ends", "", "number", "request"].map(str::to_owned).to_vec();
    let rows = status.documents.iter().map(|row| {
        let number = row.evaluation_data_number.map(|number| number.to_string());
        let distance = match row.ended {
            true => format!("ended {}", row.distance),
            false => row.distance.clone(),
        };
        vec![row.ends.clone(), distance, number.unwrap_or_default(), row.request.clone()]
    });
    let mut text = match status.documents.is_empty() {
        true => "nothing is kept yet: documents come when somebody asks for them\n".into(),
        false => aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[], ""),
    };
    text += &format!("platforms with PCK certificates: {}\n", status.platforms);
    text
}
