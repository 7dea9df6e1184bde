//! Single flight: of all who want the same thing at once, one sets out, and all get what it brings.
//!
//! Must stay true: the work goes on when whoever asked first goes away; a flight that panics answers everybody.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::answer::Refusal;

/// What is under way.
pub(crate) struct Flights<K, T>(Mutex<HashMap<K, Landing<T>>>);

type Landing<T> = watch::Receiver<Option<Result<T, Refusal>>>;

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// What the work brings; it is started unless it is under way already.
    pub(crate) async fn share<W>(
        self: &Arc<Self>,
        key: K,
        work: impl FnOnce() -> W,
    ) -> Result<T, Refusal>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let mut landing = self.join(key, work);
        match landing.wait_for(Option::is_some).await {
            Ok(brought) => brought.clone().unwrap_or(Err(Refusal::Internal)),
            // The work panicked.
            Err(_) => Err(Refusal::Internal),
        }
    }

    fn join<W>(self: &Arc<Self>, key: K, work: impl FnOnce() -> W) -> Landing<T>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = under_way.get(&key) {
            return landing.clone();
        }
        let (sender, landing) = watch::channel(None);
        under_way.insert(key.clone(), landing.clone());
        let entry = UnderWay { flights: Arc::clone(self), key };
        let work = work();
        tokio::spawn(async move {
            let brought = work.await;
            drop(entry);
            // Nobody may be waiting any more.
            let _ = sender.send(Some(brought));
        });
        landing
    }
}

/// Takes a flight off the list when it ends, however it ends.
struct UnderWay<K: Eq + Hash, T> {
    flights: Arc<Flights<K, T>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for UnderWay<K, T> {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_share_one_flight() {
        let flights = Arc::new(Flights::<u8, usize>::default());
        let (started, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (flights, started, gate) = (flights.clone(), started.clone(), gate.clone());
            tokio::spawn(async move {
                flights
                    .share(1, || async move {
                        let number = started.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.unwrap().forget();
                        Ok(number)
                    })
                    .await
            })
        };
        let asking: Vec<_> = (0..100).map(|_| ask()).collect();
        while flights.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(100);
        for one in asking {
            assert_eq!(one.await.unwrap(), Ok(0));
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
        assert!(flights.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_work_goes_on_when_whoever_asked_goes_away() {
        let flights = Arc::new(Flights::<u8, u8>::default());
        let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (held, told) = (gate.clone(), done.clone());
        let work = || async move {
            held.acquire().await.unwrap().forget();
            told.add_permits(1);
            Ok(1)
        };
        let asking = flights.clone();
        let first = tokio::spawn(async move { asking.share(1, work).await });
        while flights.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        first.abort();
        gate.add_permits(1);
        done.acquire().await.unwrap().forget();
    }

    #[tokio::test]
    async fn a_flight_that_panics_answers_everybody_and_leaves_nothing_behind() {
        let flights = Arc::new(Flights::<u8, u8>::default());
        let brought = flights.share(1, || async { panic!("as it is meant to") }).await;
        assert_eq!(brought, Err(Refusal::Internal));
        assert_eq!(flights.share(1, || async { Ok(2) }).await, Ok(2));
    }
}
