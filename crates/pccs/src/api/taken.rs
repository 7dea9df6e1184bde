//! Registrations that were taken out of the queue, until somebody has them.
//!
//! Must stay true: what was taken is either handed over or goes back into the queue, whoever goes away meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::answer::Refusal;
use crate::cache::Cache;
use crate::store::{Registration, RegistrationState};

/// How long to wait before a store that failed is asked again: from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Registrations that go back into the queue when this is dropped, unless they were handed over.
pub(super) struct Taken {
    cache: Arc<Cache>,
    state: RegistrationState,
    registrations: Vec<Registration>,
}

impl Taken {
    /// Empties the queue of those that wait for something.
    pub(super) async fn take(
        cache: &Arc<Cache>,
        state: RegistrationState,
    ) -> Result<Self, Refusal> {
        let cache = Arc::clone(cache);
        // On its own: whoever asks may go away while the store is at it.
        let taking = tokio::spawn(async move {
            let taken = cache.store.take_registrations(state).await;
            let registrations = taken.map_err(|fault| cache.store_failed(&fault))?;
            Ok(Self { cache, state, registrations })
        });
        taking.await.unwrap_or(Err(Refusal::Internal))
    }

    pub(super) fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// They are in an answer that is about to be sent.
    pub(super) fn hand_over(mut self) {
        self.registrations.clear();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let registrations = std::mem::take(&mut self.registrations);
        if registrations.is_empty() {
            return;
        }
        let count = registrations.len();
        match Handle::try_current() {
            Ok(runtime) => {
                tracing::info!(
                    count,
                    "nobody took these registrations: they go back into the queue"
                );
                runtime.spawn(put_back(Arc::clone(&self.cache), self.state, registrations));
            }
            Err(_) => tracing::error!(count, "these registrations are lost: the service has ended"),
        }
    }
}

async fn put_back(cache: Arc<Cache>, state: RegistrationState, registrations: Vec<Registration>) {
    let (mut pause, longest) = PAUSES;
    while let Err(fault) = cache.store.put_back(&registrations, state).await {
        cache.store_failed(&fault);
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}
