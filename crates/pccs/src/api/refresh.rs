//! Refreshing by hand.
//!
//! Source: Intel's PCCS as observed, and its documents: without a type everything but PCK certificates; `type=certs`
//! the PCK certificates of the families named, or of all when `fmspc` is empty. Intel's service refuses lists and the
//! empty form although its documents and its tool have them.

use std::sync::Arc;

use tdattest_wire::bytes::Fmspc;

use crate::answer::{Answer, Refusal};
use crate::cache::Cache;
use crate::refresh::{self, RefreshOutcome, RefreshReport};
use crate::request::{Parameters, hex};

/// The most families in one request.
const FAMILIES: usize = 256;

pub(super) async fn refresh(cache: Arc<Cache>, parameters: Parameters) -> Result<Answer, Refusal> {
    let families = families(&parameters)?;
    if cache.upstream().is_none() {
        return Err(Refusal::Busy);
    }
    let report = match families {
        None => refresh::everything(&cache).await,
        Some(families) => refresh::certificates(&cache, &families).await,
    };
    match is_done(&report) {
        true => Ok(Answer::done()),
        false => Err(Refusal::Busy),
    }
}

/// The families whose certificates are wanted; `None` for everything but certificates.
fn families(parameters: &Parameters) -> Result<Option<Vec<Fmspc>>, Refusal> {
    match parameters.first("type") {
        None | Some("") => return Ok(None),
        Some("certs") => {}
        Some(_) => return Err(Refusal::InvalidRequest),
    }
    let named = parameters.first("fmspc").ok_or(Refusal::InvalidRequest)?;
    let named = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    let families: Option<Vec<Fmspc>> = named.map(|name| hex(name).map(Fmspc)).collect();
    families.filter(|list| list.len() <= FAMILIES).map(Some).ok_or(Refusal::InvalidRequest)
}

fn is_done(report: &RefreshReport) -> bool {
    let failed = |item: &refresh::RefreshItem| matches!(item.outcome, RefreshOutcome::Failed(_));
    !report.left_to_another && !report.items.iter().any(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_one_a_list_or_all() {
        let families = |query| families(&Parameters::parse(query));
        let one = Fmspc([0, 0x80, 0x6f, 5, 0, 0]);
        let two = Fmspc([0, 0x60, 0x6a, 0, 0, 0]);
        assert_eq!(families(""), Ok(None));
        assert_eq!(families("type=certs&fmspc="), Ok(Some(vec![])));
        assert_eq!(families("type=certs&fmspc=00806f050000"), Ok(Some(vec![one])));
        let list = families("type=certs&fmspc=00806F050000,%2000606A000000");
        assert_eq!(list, Ok(Some(vec![one, two])));
        for query in ["type=foo", "type=certs", "type=certs&fmspc=00806f05", "type=certs&fmspc=all"]
        {
            assert_eq!(families(query), Err(Refusal::InvalidRequest), "{query}");
        }
    }
}
