//! The documents that an archive is made of: those of a cache, or everything that platform families need.

use std::collections::BTreeSet;

use anyhow::Result;
use tdattest_collateral::Archive;
use tdattest_collateral::archive::Kept;
use tdattest_collateral::cache::{CacheError, Cached, Failure};
use tdattest_collateral::guard::require_sets;
use tdattest_verifier::wire::bytes::Fmspc;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_verifier::wire::quote::TeeType;

use super::listing::{broken, document};
use crate::authenticate::Authenticator;
use crate::documents;
use crate::output::{self, Hinted};
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
    sets: &BTreeSet<EvaluationDataSet>,
) -> Vec<PcsRequest> {
    let mut requests = vec![
        PcsRequest::PckCrl(PckCa::Processor),
        PcsRequest::PckCrl(PckCa::Platform),
        PcsRequest::RootCaCrl,
    ];
    for tee in [TeeType::Sgx, TeeType::Tdx] {
        for set in sets {
            requests.push(PcsRequest::QeIdentity(tee, *set));
            let of = |fmspc: &Fmspc| PcsRequest::TcbInfo(tee, *fmspc, *set);
            requests.extend(families.iter().map(of));
        }
    }
    requests
}

/// What the sources do not have is left out: not every family has TDX, or an early set, and not every PCCS both CAs. The
/// rest must come, and what comes must be enough for some quote. The inner error is all that is in the way.
pub(super) fn fetched(
    keeper: &Keeper,
    requests: &[PcsRequest],
) -> Result<Result<Archive, Vec<anyhow::Error>>> {
    let (mut archive, mut validities) = (Archive::default(), Vec::new());
    let (mut left_out, mut missing) = (Vec::new(), Vec::new());
    for (request, outcome) in keeper.documents(requests)? {
        match outcome {
            Ok(cached) => {
                note(&cached);
                let Cached { endorsement, validity, fetched_at, .. } = cached;
                validities.push((request, validity));
                archive.add(Kept { endorsement, fetched_at });
            }
            Err(fault) if is_not_there(&fault) && request != PcsRequest::RootCaCrl => {
                left_out.push((request, fault));
            }
            Err(fault) => missing.push(Unavailable::of(request, &fault).error()),
        }
    }
    if let Err(fault) = require_sets(validities.iter().map(|(request, of)| (request, of))) {
        missing.push(Hinted::error(fault, "a source is broken, or lies: use another"));
    }
    let is_enough = is_enough(validities.iter().map(|(request, _)| request));
    for (request, fault) in left_out {
        if is_enough {
            let text = format!("left out: {}: {fault}", document(&request));
            output::note(&output::warning(&text));
        } else {
            missing.push(Unavailable::of(request, &fault).error());
        }
    }
    Ok(if missing.is_empty() { Ok(archive) } else { Err(missing) })
}

/// Whether every source says that there is no such document, even if one is kept that has ended.
fn is_not_there(fault: &CacheError) -> bool {
    matches!(fault.failure(), Failure::Fetch(fault) if fault.is_not_found())
}

/// Whether these are what some quote needs: a CRL of a PCK CA, and TCB info with the QE identity of its TEE and set.
fn is_enough<'a>(requests: impl Iterator<Item = &'a PcsRequest>) -> bool {
    let there: BTreeSet<&PcsRequest> = requests.collect();
    let has_crl = there.iter().any(|request| matches!(request, PcsRequest::PckCrl(_)));
    let has_set = there.iter().any(|request| match request {
        PcsRequest::TcbInfo(tee, _, set) => there.contains(&PcsRequest::QeIdentity(*tee, *set)),
        _ => false,
    });
    has_crl && has_set
}
