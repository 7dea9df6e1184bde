//! What the upstream just failed at, so that not every client waits for the same failure again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use crate::answer::Refusal;

/// How long a failure is repeated before the upstream is asked again, in seconds.
const REPEATED_FOR: u64 = 2;

/// The most failures that are remembered.
const REMEMBERED: usize = 1024;

/// Failures of the last seconds. That the upstream has no such document is no failure.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<HashMap<PcsRequest, (UnixTime, Refusal)>>);

impl Troubles {
    pub(super) fn recent(&self, request: &PcsRequest, now: UnixTime) -> Option<Refusal> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, refusal) = troubles.get(request)?;
        let recent = *at <= now && now < at.saturating_add(REPEATED_FOR);
        recent.then(|| refusal.clone())
    }

    pub(super) fn note<T>(&self, request: &PcsRequest, result: &Result<T, Refusal>, now: UnixTime) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(refusal @ Refusal::Upstream(_)) => {
                if troubles.len() >= REMEMBERED {
                    troubles.clear();
                }
                troubles.insert(*request, (now, refusal.clone()));
            }
            _ => drop(troubles.remove(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_repeated_for_a_moment_and_a_success_ends_it() {
        let troubles = Troubles::default();
        let at = |seconds| UnixTime::from_secs(seconds).unwrap();
        let failed = Err::<(), _>(Refusal::Upstream("down".into()));
        let of = PcsRequest::RootCaCrl;
        troubles.note(&of, &failed, at(100));
        assert_eq!(troubles.recent(&of, at(101)), Some(Refusal::Upstream("down".into())));
        assert_eq!(troubles.recent(&of, at(102)), None);
        troubles.note(&of, &failed, at(200));
        troubles.note(&of, &Ok(()), at(200));
        assert_eq!(troubles.recent(&of, at(200)), None);
        troubles.note(&of, &Err::<(), _>(Refusal::NoCacheData), at(300));
        assert_eq!(troubles.recent(&of, at(300)), None);
    }
}
