//! Single flight: of all who want the same thing at once, one sets out, and all get what it brings.
//!
//! Must stay true: the work goes on when whoever asked first goes away, and ends within its time; a flight that panics
//! answers everybody; what is under way, and what is remembered of failures, is bounded.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::trouble::Troubles;
use crate::answer::Refusal;
use crate::api::Clock;

/// The most that are under way at one time: with more, clients without a name would fill the memory.
const UNDER_WAY: usize = 1024;

/// The longest that one takes: several sources one after the other, after some waiting for a place at the upstream.
const LONGEST: Duration = Duration::from_secs(180);

/// What is under way, and what failed a moment ago.
pub(crate) struct Flights<K, T> {
    under_way: Mutex<HashMap<K, Flight<T>>>,
    troubles: Troubles<K>,
    clock: Clock,
}

#[derive(Clone)]
struct Flight<T> {
    landing: watch::Receiver<Option<Result<T, Refusal>>>,
    started: Instant,
}

impl<K, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(clock: Clock) -> Self {
        Self { under_way: Mutex::default(), troubles: Troubles::default(), clock }
    }

    /// What the work brings, or the failure that it brought a moment ago; it is started unless it is under way already.
    pub(crate) async fn share<W>(
        self: &Arc<Self>,
        key: K,
        work: impl FnOnce() -> W,
    ) -> Result<T, Refusal>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        self.share_within(None, key, work).await
    }

    /// The same, for somebody with something else at hand: waits until the work has been under way for so long, which
    /// it may have been already, and leaves it to go on.
    pub(crate) async fn share_within<W>(
        self: &Arc<Self>,
        patience: Option<Duration>,
        key: K,
        work: impl FnOnce() -> W,
    ) -> Result<T, Refusal>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let Flight { mut landing, started } = self.join(key, work)?;
        let landed = landing.wait_for(Option::is_some);
        let landed = match patience {
            None => landed.await,
            Some(patience) => {
                // Asked once more when the time is up already: it may just have landed.
                let end = started.checked_add(patience).unwrap_or(started);
                let late =
                    || format!("nothing came within {} s; it goes on", patience.as_secs_f32());
                timeout_at(end, landed).await.map_err(|_| Refusal::Unavailable(late()))?
            }
        };
        match landed {
            Ok(brought) => brought.clone().unwrap_or(Err(Refusal::Internal)),
            // The work panicked.
            Err(_) => Err(Refusal::Internal),
        }
    }

    fn join<W>(self: &Arc<Self>, key: K, work: impl FnOnce() -> W) -> Result<Flight<T>, Refusal>
    where
        W: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let mut under_way = self.lock();
        if let Some(flight) = under_way.get(&key) {
            return Ok(flight.clone());
        }
        if let Some(refusal) = self.troubles.recent(&key, (self.clock)()) {
            return Err(refusal);
        }
        if under_way.len() >= UNDER_WAY {
            return Err(Refusal::Unavailable("too much is being fetched already".into()));
        }
        let (sender, landing) = watch::channel(None);
        let flight = Flight { landing, started: Instant::now() };
        under_way.insert(key.clone(), flight.clone());
        // A runtime that ends drops what is handed to it at once, and with it the entry, which takes the lock.
        drop(under_way);
        let entry = UnderWay { flights: Arc::clone(self), key };
        let work = work();
        tokio::spawn(async move {
            let too_long = || format!("it took longer than {} s", LONGEST.as_secs());
            let brought = timeout(LONGEST, work).await;
            let brought = brought.unwrap_or_else(|_| Err(Refusal::Unavailable(too_long())));
            let Self { troubles, clock, .. } = &*entry.flights;
            troubles.note(&entry.key, &brought, clock());
            drop(entry);
            // Nobody may be waiting any more.
            let _ = sender.send(Some(brought));
        });
        Ok(flight)
    }
}

impl<K, T> Flights<K, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list when it ends, however it ends.
struct UnderWay<K: Eq + Hash, T> {
    flights: Arc<Flights<K, T>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for UnderWay<K, T> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use tdattest_wire::time::UnixTime;
    use tokio::sync::Semaphore;

    fn flights<T: Clone + Send + Sync + 'static>() -> Arc<Flights<usize, T>> {
        Arc::new(Flights::new(Arc::new(|| UnixTime::EPOCH)))
    }

    /// Work that waits at a gate.
    fn gated(gate: &Arc<Semaphore>) -> impl Future<Output = Result<u8, Refusal>> + use<> {
        let gate = Arc::clone(gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(1)
        }
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_share_one_flight() {
        let flights = flights::<usize>();
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
        while flights.lock().is_empty() {
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
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn the_work_goes_on_when_whoever_asked_goes_away() {
        let flights = flights::<u8>();
        let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (held, told) = (gate.clone(), done.clone());
        let work = || async move {
            held.acquire().await.unwrap().forget();
            told.add_permits(1);
            Ok(1)
        };
        let asking = flights.clone();
        let first = tokio::spawn(async move { asking.share(1, work).await });
        while flights.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        first.abort();
        gate.add_permits(1);
        done.acquire().await.unwrap().forget();
    }

    #[tokio::test]
    async fn a_flight_that_panics_answers_everybody_and_leaves_nothing_behind() {
        let flights = flights::<u8>();
        let brought = flights.share(1, || async { panic!("as it is meant to") }).await;
        assert_eq!(brought, Err(Refusal::Internal));
        assert_eq!(flights.share(1, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn a_failure_is_repeated_instead_of_tried_again_at_once() {
        let flights = flights::<u8>();
        let failed = Err(Refusal::Upstream("down".into()));
        let fails = failed.clone();
        assert_eq!(flights.share(1, || async { fails }).await, failed);
        assert_eq!(flights.share(1, || async { Ok(2) }).await, failed);
        assert_eq!(flights.share(2, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_there_is_room_for() {
        let (flights, gate) = (flights::<u8>(), Arc::new(Semaphore::new(0)));
        for key in 0..UNDER_WAY {
            flights.join(key, || gated(&gate)).unwrap();
        }
        let refused = flights.share(UNDER_WAY, || async { Ok(2) }).await;
        assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
        // Those that are under way are joined still, and those that land make room.
        gate.add_permits(UNDER_WAY);
        assert_eq!(flights.share(0, || async { Ok(2) }).await, Ok(1));
        while !flights.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.share(UNDER_WAY, || async { Ok(2) }).await, Ok(2));
    }

    #[tokio::test]
    async fn whoever_has_something_else_waits_no_longer_than_they_like() {
        let (flights, gate) = (flights::<u8>(), Arc::new(Semaphore::new(0)));
        let soon = Some(Duration::from_millis(1));
        for _ in 0..2 {
            let late = flights.share_within(soon, 1, || gated(&gate)).await;
            assert!(matches!(late, Err(Refusal::Unavailable(_))), "{late:?}");
        }
        assert_eq!(flights.lock().len(), 1);
        // The flight went on.
        gate.add_permits(1);
        assert_eq!(flights.share(1, || async { Ok(2) }).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_never_lands_is_given_up() {
        let flights = flights::<u8>();
        let given_up = flights.share(1, std::future::pending).await;
        assert!(matches!(given_up, Err(Refusal::Unavailable(_))), "{given_up:?}");
        assert_eq!(flights.share(1, || async { Ok(2) }).await, Ok(2));
    }

    #[test]
    fn a_runtime_that_has_ended_holds_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended = runtime.handle().clone();
        drop(runtime);
        let (done, is_done) = mpsc::channel();
        // A thread of its own: one that waits for itself would never end.
        std::thread::spawn(move || {
            let _within = ended.enter();
            let flights = flights::<u8>();
            let flight = flights.join(1, || async { Ok(1) }).unwrap();
            let is_closed = flight.landing.has_changed().is_err();
            done.send((is_closed, flights.lock().len())).unwrap();
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(60)), Ok((true, 0)));
    }
}
