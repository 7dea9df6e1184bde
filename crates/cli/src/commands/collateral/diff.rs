//! `tdattest collateral diff`: what one set says otherwise than another.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use tdattest_collateral::diff::{changes, changes_by_set};
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::endorsement::Endorsement;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PcsRequest};

use super::difference::{View, words};
use super::listing::broken;
use crate::authenticate::Authenticator;
use crate::documents;
use crate::exit::Exit;
use crate::output::{self, Hinted};
use crate::sources::{config, trust_anchor};

/// Show what changes from one set of documents to another: levels, their status, their advisories
///
/// Every document is verified up to Intel's root. With one archive: from its standard set to its early one, which is
/// what a TCB recovery will change. With two: each set with its own; a bundle does not say of which set it is, and is
/// compared with the newest.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Before: a bundle, an archive, a folder of parts, or the folder of a cache
    before: PathBuf,

    /// After; without it, the early set of the same
    after: Option<PathBuf>,

    /// Trust this root certificate (PEM or DER) instead of Intel's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// Read the configuration from this file [default: ~/.config/tdattest/config.toml, then /etc/tdattest/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print it as JSON (schema tdattest.collateral-diff/1)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  What will the TCB recovery change that is public since today?
    tdattest collateral export --fmspc 50806F000000 -o archive.json
    tdattest collateral diff archive.json

  What has changed since last month?
    tdattest collateral diff october.json november.json

Exit codes:
  0  compared, whatever the outcome
  2  misuse, or an input that cannot be read, or a document that is not genuine";

pub(super) fn run(args: &Args) -> Result<Exit> {
    let config = config::read(args.config.as_deref())?;
    let anchor = trust_anchor(args.root.as_deref().or(config.root.as_deref()))?;
    let authenticate = Authenticator::new(anchor.clone());
    let genuine = |path: &Path| genuine(path, &anchor, &authenticate);
    let before = genuine(&args.before)?;
    let found = match &args.after {
        Some(after) => changes_by_set(&refs(&before), &refs(&genuine(after)?)),
        None => {
            let of =
                |wanted| before.iter().filter(|one| set(one) == Some(wanted)).collect::<Vec<_>>();
            let (standard, early) = (of(EvaluationDataSet::Standard), of(EvaluationDataSet::Early));
            if standard.is_empty() || early.is_empty() {
                let text = "it has not both a standard and an early set";
                return Err(Hinted::error(text, "name what to compare it with"));
            }
            changes(&standard, &early)
        }
    };
    let found = found.map_err(|fault| anyhow!(fault))?;
    if args.json {
        output::json(&serde_json::to_string_pretty(&View::of(&found))?)?;
    } else {
        output::data(words(&found).as_bytes())?;
    }
    Ok(Exit::Success)
}

fn genuine(
    path: &Path,
    anchor: &TrustAnchor,
    authenticate: &Authenticator,
) -> Result<Vec<Endorsement>> {
    let found = documents::at(path, anchor).map_err(|problem| anyhow!(problem))?;
    let mut genuine = Vec::new();
    for found in found.found {
        found.window(authenticate).map_err(|fault| {
            Hinted::error(
                broken(&found.endorsement.request, &fault),
                "get it again from its source; --root names another root",
            )
        })?;
        genuine.push(found.endorsement);
    }
    Ok(genuine)
}

fn refs(documents: &[Endorsement]) -> Vec<&Endorsement> {
    documents.iter().collect()
}

fn set(document: &Endorsement) -> Option<EvaluationDataSet> {
    match document.request {
        PcsRequest::TcbInfo(.., set)
        | PcsRequest::QeIdentity(_, set)
        | PcsRequest::QveIdentity(set) => Some(set),
        PcsRequest::PckCrl(_) | PcsRequest::EvaluationDataNumbers(_) | PcsRequest::RootCaCrl => {
            None
        }
    }
}
