//! The documents that an archive is made of: those of a cache, or everything that platform families need.

use std::collections::BTreeSet;

use anyhow::Result;
use tdattest_collateral::Archive;
use tdattest_collateral::archive::Kept;
use tdattest_collateral::cache::{CacheError, Cached, Failure};
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_verifier::wire::quote::TeeType;

use super::listing::{broken, document};
use crate::authenticate::Authenticator;
use crate::documents;
use crate::output;
use crate::sources::keeper::{Keeper, Unavailable, note};

/// All that is kept and genuine.
pub(super) fn of_cache(found: documents::Documents, authenticate: &Authenticator) -> Archive {
    let mut archive = Archive::default();
    let mut faults = found.faults;
    for found in found.found {
        let request = found.endorsement.request;
        match (found.window(authenticate), found.fetched_at) {
            (Ok(_), Some(fetched_at)) => {
                archive.add(Kept { endorsement: found.endorsement, fetched_at });
            }
            (Err(fault), _) => faults.push(broken(&request, &fault)),
            (Ok(_), None) => {}
        }
    }
    faults.iter().for_each(|fault| output::note(&output::warning(&format!("left out: {fault}"))));
    archive
}

/// Everything that quotes of these families may need.
pub(super) fn requests(
    families: &BTreeSet<Fmspc>,
    set: Option<EvaluationDataSet>,
) -> Vec<PcsRequest> {
    let both = [EvaluationDataSet::Standard, EvaluationDataSet::Early];
    let sets = set.map_or_else(|| both.to_vec(), |set| vec![set]);
    let mut requests = vec![
        PcsRequest::PckCrl(PckCa::Processor),
        PcsRequest::PckCrl(PckCa::Platform),
        PcsRequest::RootCaCrl,
    ];
    for tee in [TeeType::Sgx, TeeType::Tdx] {
        for set in &sets {
            requests.push(PcsRequest::QeIdentity(tee, *set));
            let of = |fmspc: &Fmspc| PcsRequest::TcbInfo(tee, *fmspc, *set);
            requests.extend(families.iter().map(of));
        }
    }
    requests
}

/// What Intel does not have is left out: not every family has TDX, or an early set. The rest must come.
pub(super) fn fetched(
    keeper: &Keeper,
    requests: &[PcsRequest],
) -> Result<Result<Archive, Unavailable>> {
    let mut archive = Archive::default();
    for (request, outcome) in keeper.documents(requests)? {
        match outcome {
            Ok(cached) => {
                note(&cached);
                let Cached { endorsement, fetched_at, .. } = cached;
                archive.add(Kept { endorsement, fetched_at });
            }
            Err(CacheError::Nothing(Failure::Fetch(fault)))
                if fault.is_not_found() && matches!(request, PcsRequest::TcbInfo(..)) =>
            {
                let text = format!("left out: {}: {fault}", document(&request));
                output::note(&output::warning(&text));
            }
            Err(fault) => return Ok(Err(Unavailable::of(request, &fault))),
        }
    }
    Ok(Ok(archive))
}
