//! What just failed, so that not every client waits for the same failure again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tdattest_wire::time::UnixTime;

use crate::answer::Refusal;

/// How long a failure is repeated before it is tried again, in seconds.
const REPEATED_FOR: u64 = 2;

/// The most failures that are remembered.
const REMEMBERED: usize = 1024;

/// Failures of the last seconds: what the upstream said, or did not say. That the store fails is no answer of anybody.
#[derive(Debug)]
pub(super) struct Troubles<K>(Mutex<HashMap<K, (UnixTime, Refusal)>>);

impl<K> Default for Troubles<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Troubles<K> {
    pub(super) fn recent(&self, of: &K, now: UnixTime) -> Option<Refusal> {
        let troubles = self.lock();
        let (at, refusal) = troubles.get(of)?;
        is_recent(*at, now).then(|| refusal.clone())
    }

    pub(super) fn note<T>(&self, of: &K, result: &Result<T, Refusal>, now: UnixTime) {
        let mut troubles = self.lock();
        troubles.remove(of);
        let Err(refusal) = result else { return };
        let is_said =
            matches!(refusal, Refusal::Upstream(_) | Refusal::NoCacheData | Refusal::Ended { .. });
        if troubles.len() >= REMEMBERED {
            troubles.retain(|_, (at, _)| is_recent(*at, now));
        }
        // What is one too many is tried again when somebody asks again.
        if is_said && troubles.len() < REMEMBERED {
            troubles.insert(of.clone(), (now, refusal.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (UnixTime, Refusal)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: UnixTime, now: UnixTime) -> bool {
    at <= now && now < at.saturating_add(REPEATED_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds).unwrap()
    }

    fn down() -> Refusal {
        Refusal::Upstream("down".into())
    }

    #[test]
    fn a_failure_is_repeated_for_a_moment_and_a_success_ends_it() {
        let troubles = Troubles::default();
        for failure in [down(), Refusal::NoCacheData] {
            let failed = Err::<(), _>(failure.clone());
            troubles.note(&'a', &failed, at(100));
            assert_eq!(troubles.recent(&'a', at(101)), Some(failure));
            assert_eq!(troubles.recent(&'b', at(101)), None);
            assert_eq!(troubles.recent(&'a', at(102)), None);
            troubles.note(&'a', &failed, at(200));
            troubles.note(&'a', &Ok(()), at(200));
            assert_eq!(troubles.recent(&'a', at(200)), None);
        }
    }

    #[test]
    fn what_fails_here_is_tried_again_at_once() {
        let troubles = Troubles::default();
        for failure in [Refusal::Unavailable("the database is away".into()), Refusal::Internal] {
            troubles.note(&'a', &Err::<(), _>(failure), at(100));
            assert_eq!(troubles.recent(&'a', at(100)), None);
        }
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let troubles = Troubles::default();
        let failed = Err::<(), _>(down());
        (0..REMEMBERED).for_each(|number| troubles.note(&number, &failed, at(100)));
        troubles.note(&REMEMBERED, &failed, at(101));
        assert_eq!(troubles.recent(&REMEMBERED, at(101)), None);
        assert_eq!(troubles.recent(&0, at(101)), Some(down()));
        // Those of before make room.
        troubles.note(&REMEMBERED, &failed, at(102));
        assert_eq!(troubles.recent(&REMEMBERED, at(102)), Some(down()));
        assert_eq!(troubles.lock().len(), 1);
    }
}
