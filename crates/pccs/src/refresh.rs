//! Fetching anew what is about to end: each item on its own, so that one failure spoils nothing.
//!
//! Must stay true: which documents are due follows from what is kept and the time alone; one replica refreshes at a
//! time, and leaves room at the upstream for clients; what cannot be fetched stays as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tdattest_wire::bytes::Fmspc;
use tdattest_wire::time::UnixTime;
use tokio::task::JoinSet;

use crate::answer::Refusal;
use crate::api::Settings;
use crate::cache::window::due_at;
use crate::cache::{Became, Cache, Wanted};
use crate::store::{DocumentState, Lease, Platform, Selection};

/// What the lease of a refresh is called.
const LEASE: &str = "refresh";

/// What became of a refresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshReport {
    /// Whether another replica was at it, so that nothing was done.
    pub left_to_another: bool,
    /// Each item that was due.
    pub items: Vec<RefreshItem>,
}

/// One item of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshItem {
    /// What it is: the path of its request, or a platform.
    pub name: String,
    /// What became of it.
    pub outcome: RefreshOutcome,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// It was fetched and is kept.
    Refreshed,
    /// It was fetched, and is no newer than what is kept.
    Unchanged,
    /// It could not be had, in words; what is kept stays.
    Failed(String),
}

/// The documents that are to be fetched anew by now, the one that ends first at the head.
pub(crate) fn due_documents(
    kept: &[DocumentState],
    settings: &Settings,
    now: UnixTime,
) -> Vec<DocumentState> {
    let (lead, jitter) = (settings.refresh_lead, settings.refresh_jitter);
    let is_due = |kept: &&DocumentState| due_at(kept, lead, jitter) <= now;
    let mut due: Vec<DocumentState> = kept.iter().filter(is_due).copied().collect();
    due.sort_by_key(|kept| (kept.validity.ends(), kept.request));
    due
}

/// Fetches every document that is due.
pub(crate) async fn due(cache: &Arc<Cache>) -> RefreshReport {
    let of = |kept: &[DocumentState]| due_documents(kept, &cache.settings, cache.now());
    documents(cache, of).await
}

/// Fetches every document.
pub(crate) async fn everything(cache: &Arc<Cache>) -> RefreshReport {
    documents(cache, <[DocumentState]>::to_vec).await
}

async fn documents(
    cache: &Arc<Cache>,
    of: impl Fn(&[DocumentState]) -> Vec<DocumentState>,
) -> RefreshReport {
    if cache.upstream().is_none() {
        return RefreshReport::default();
    }
    let _lease = match lease(cache).await {
        Ok(lease) => lease,
        Err(report) => return report,
    };
    let kept = match cache.store.documents().await {
        Ok(kept) => kept,
        Err(fault) => return failed("documents", &cache.store_failed(&fault)),
    };
    let items = each(cache, of(&kept), |cache, state| async move {
        let outcome = document(&cache, &state).await;
        told(state.request, outcome)
    });
    RefreshReport { left_to_another: false, items: items.await }
}

/// Does the same for each, some at a time; what became of them, in their order.
async fn each<T, W>(
    cache: &Arc<Cache>,
    list: Vec<T>,
    work: impl Fn(Arc<Cache>, T) -> W,
) -> Vec<RefreshItem>
where
    W: Future<Output = RefreshItem> + Send + 'static,
{
    // The other half is for those whom clients wait for.
    let at_once = (cache.settings.upstream_at_once / 2).max(1);
    let mut waiting = list.into_iter().enumerate();
    let mut under_way = JoinSet::new();
    let mut items = BTreeMap::new();
    loop {
        for (place, one) in waiting.by_ref().take(at_once.saturating_sub(under_way.len())) {
            let work = work(Arc::clone(cache), one);
            under_way.spawn(async move { (place, work.await) });
        }
        match under_way.join_next().await {
            Some(Ok((place, item))) => drop(items.insert(place, item)),
            // It panicked.
            Some(Err(_)) => {
                let outcome = RefreshOutcome::Failed(cause(&Refusal::Internal));
                items.insert(usize::MAX, told("one of the items", outcome));
            }
            None => return items.into_values().collect(),
        }
    }
}

async fn document(cache: &Arc<Cache>, state: &DocumentState) -> RefreshOutcome {
    let wanted = Wanted { request: state.request, after: Some(state.fetched_at) };
    let fetched = match cache.fetched(wanted, None).await {
        Ok(fetched) => fetched,
        Err(refusal) => return RefreshOutcome::Failed(cause(&refusal)),
    };
    match fetched.became {
        Became::Kept if fetched.document.validity == state.validity => RefreshOutcome::Unchanged,
        Became::Kept => RefreshOutcome::Refreshed,
        Became::Older => {
            RefreshOutcome::Failed("the upstream sent an older edition than is kept".into())
        }
        Became::NotKept => RefreshOutcome::Failed("it was fetched, but could not be kept".into()),
    }
}

/// Fetches the PCK certificates of every platform of some families; of all families when there are none.
pub(crate) async fn certificates(cache: &Arc<Cache>, families: &[Fmspc]) -> RefreshReport {
    let _lease = match lease(cache).await {
        Ok(lease) => lease,
        Err(report) => return report,
    };
    let platforms = match cache.store.platforms(families).await {
        Ok(platforms) => platforms,
        Err(fault) => return failed("platforms", &cache.store_failed(&fault)),
    };
    let items = each(cache, platforms, |cache, (platform, selections)| async move {
        let name = format!("platform {} {}", platform.key.qe_id, platform.key.pce_id);
        let outcome = match of_platform(&cache, platform, &selections).await {
            Ok(()) => RefreshOutcome::Refreshed,
            Err(refusal) => RefreshOutcome::Failed(cause(&refusal)),
        };
        told(name, outcome)
    });
    RefreshReport { left_to_another: false, items: items.await }
}

async fn of_platform(
    cache: &Arc<Cache>,
    platform: Platform,
    selections: &[Selection],
) -> Result<(), Refusal> {
    let proof = platform.proof().ok_or(Refusal::NoCacheData)?;
    let than = Some(platform.fetched_at);
    let set = cache.fetch_platform(platform.key, proof, than, None).await?;
    // Keeping the certificates forgot what was chosen: it is chosen anew, so that the platforms stay listed.
    for selection in selections {
        cache.choose(&set, selection.raw).await?;
    }
    Ok(())
}

async fn lease(cache: &Arc<Cache>) -> Result<Box<dyn Lease>, RefreshReport> {
    match cache.store.try_lease(LEASE).await {
        Ok(Some(lease)) => Ok(lease),
        Ok(None) => Err(RefreshReport { left_to_another: true, items: Vec::new() }),
        Err(fault) => Err(failed(LEASE, &cache.store_failed(&fault))),
    }
}

fn failed(name: &str, refusal: &Refusal) -> RefreshReport {
    let outcome = RefreshOutcome::Failed(cause(refusal));
    RefreshReport { left_to_another: false, items: vec![told(name, outcome)] }
}

fn told(name: impl fmt::Display, outcome: RefreshOutcome) -> RefreshItem {
    let name = name.to_string();
    match &outcome {
        RefreshOutcome::Refreshed => tracing::info!(item = name, "refreshed"),
        RefreshOutcome::Unchanged => tracing::debug!(item = name, "there is nothing newer"),
        RefreshOutcome::Failed(cause) => tracing::warn!(item = name, cause, "not refreshed"),
    }
    RefreshItem { name, outcome }
}

fn cause(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Upstream(cause) | Refusal::Unavailable(cause) => cause.clone(),
        Refusal::Ended { cause, .. } => cause.clone(),
        Refusal::NoCacheData => "the upstream does not have it".into(),
        _ => "something is broken here".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tdattest_wire::endorsement::Validity;
    use tdattest_wire::pcs::{PckCa, PcsRequest};

    const DAY: u64 = 24 * 3600;

    fn day(day: u64) -> UnixTime {
        UnixTime::from_secs(day * DAY).unwrap()
    }

    fn state(request: PcsRequest, next_update: u64) -> DocumentState {
        let validity = Validity {
            issued: day(next_update - 30),
            next_update: day(next_update),
            chain_ends: day(1000),
            evaluation_data_number: None,
        };
        DocumentState { request, validity, fetched_at: day(next_update - 29) }
    }

    #[test]
    fn what_is_due_follows_from_what_is_kept_and_the_time() {
        let settings = Settings { refresh_jitter: Duration::ZERO, ..Settings::default() };
        let root = state(PcsRequest::RootCaCrl, 140);
        let platform = state(PcsRequest::PckCrl(PckCa::Platform), 130);
        let processor = state(PcsRequest::PckCrl(PckCa::Processor), 129);
        let kept = [root, platform, processor];
        assert_eq!(due_documents(&kept, &settings, day(121)), []);
        assert_eq!(due_documents(&kept, &settings, day(122)), [processor]);
        assert_eq!(due_documents(&kept, &settings, day(123)), [processor, platform]);
        // What has ended is still worth fetching.
        assert_eq!(due_documents(&kept, &settings, day(500)), [processor, platform, root]);
    }
}
