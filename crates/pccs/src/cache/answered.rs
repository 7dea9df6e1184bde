//! An answer: the one held in memory, or one that is made and held from then on.
//!
//! Must stay true: what is held is served when the store fails or hangs, if what is kept could be.

use std::future::Future;
use std::sync::Arc;

use tdattest_wire::time::UnixTime;
use tokio::time::timeout;

use super::Cache;
use super::hot::{Found, HotKey, Ready};
use crate::answer::{Answer, Refusal};
use crate::api::Notice;

/// An answer that was made.
pub(crate) struct Made {
    pub(crate) ready: Arc<Ready>,
    /// What it is held under; nothing for an answer that may be another the next time.
    pub(crate) held_as: Option<HotKey>,
}

impl Cache {
    /// The answer to something, with what a client must know of its age.
    pub(crate) async fn answered<M>(&self, key: &HotKey, make: M) -> Result<Answer, Refusal>
    where
        M: Future<Output = Result<Made, Refusal>>,
    {
        let now = self.now();
        let held = self.hot.look(key, now);
        if let Some(Found::Sure(ready)) = &held
            && now <= ready.window.ends
        {
            self.notice(&Notice::Hit);
            return Ok(self.marked(ready));
        }
        let made = self.made(make);
        // With something to fall back to, there has to be time for it.
        let made = match self.servable(held, now) {
            Some(_) => timeout(self.patience(), made).await.unwrap_or_else(|_| Err(hangs())),
            None => made.await,
        };
        match made {
            Ok(ready) => Ok(self.marked(&ready)),
            Err(refusal) => self.held_despite(key, refusal),
        }
    }

    /// What is held all the same, when the store fails; otherwise the refusal.
    pub(crate) fn held_despite(&self, key: &HotKey, refusal: Refusal) -> Result<Answer, Refusal> {
        let now = self.now();
        let store_failed = matches!(refusal, Refusal::Unavailable(_));
        let held = self.hot.look(key, now).filter(|_| store_failed);
        let Some(ready) = self.servable(held, now) else { return Err(refusal) };
        self.hot.trust_for_now(key, now);
        let has_ended = now > ready.window.ends;
        self.notice(if has_ended { &Notice::Stale } else { &Notice::Hit });
        Ok(self.marked(&ready))
    }

    /// What is held, if it may be served for want of anything better.
    fn servable(&self, held: Option<Found>, now: UnixTime) -> Option<Arc<Ready>> {
        let (Found::Sure(ready) | Found::Doubtful(ready)) = held?;
        (now <= ready.window.ends || self.settings.allow_stale).then_some(ready)
    }

    async fn made<M>(&self, make: M) -> Result<Arc<Ready>, Refusal>
    where
        M: Future<Output = Result<Made, Refusal>>,
    {
        let read_at = self.hot.generation();
        let Made { ready, held_as } = make.await?;
        if let Some(key) = held_as.filter(|_| self.now() <= ready.window.ends) {
            self.hot.hold(&key, &ready, read_at);
        }
        Ok(ready)
    }

    fn marked(&self, ready: &Ready) -> Answer {
        let mut answer = ready.answer.clone();
        ready.window.mark(&mut answer, self.now());
        answer
    }
}

fn hangs() -> Refusal {
    Refusal::Unavailable("the database takes too long".into())
}
