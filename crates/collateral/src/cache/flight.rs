//! One caller fetches a document, the others have what that came to.
//!
//! Must stay true: a caller who goes away in the middle leaves its turn to the next; nobody waits for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tdattest_wire::pcs::PcsRequest;
use tokio::sync;

use super::{CacheError, Cached};

type Outcome = Result<Cached, CacheError>;

/// The documents that are being fetched in this process.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<PcsRequest, Arc<Flight>>>);

impl Flights {
    /// The flight of a document, which ends when its last caller drops it.
    pub(super) fn of(&self, request: PcsRequest) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        Arc::clone(flights.entry(request).or_default())
    }
}

/// The callers of one document.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Held by who fetches. What the last one came to, for those who waited.
    turn: sync::Mutex<Option<Outcome>>,
}

/// The turn to fetch.
#[derive(Debug)]
pub(super) struct Turn<'f>(sync::MutexGuard<'f, Option<Outcome>>);

/// What waiting for a turn came to.
pub(super) enum Joined<'f> {
    /// It is this caller's turn.
    Ours(Turn<'f>),
    /// Another caller's fetch came to this.
    Landed(Box<Outcome>),
}

impl Flight {
    /// The turn, unless somebody has it.
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        self.turn.try_lock().ok().map(Turn::new)
    }

    /// The turn, or what came of the fetch that was under way.
    pub(super) async fn turn(&self) -> Joined<'_> {
        if let Some(turn) = self.try_turn() {
            return Joined::Ours(turn);
        }
        let turn = self.turn.lock().await;
        // Nothing there: whoever fetched went away in the middle.
        match &*turn {
            Some(outcome) => Joined::Landed(Box::new(outcome.clone())),
            None => Joined::Ours(Turn::new(turn)),
        }
    }
}

impl<'f> Turn<'f> {
    /// What the one before came to is not for those who wait for this one.
    fn new(mut turn: sync::MutexGuard<'f, Option<Outcome>>) -> Self {
        *turn = None;
        Self(turn)
    }

    /// Ends the turn with what it came to.
    pub(super) fn land(mut self, outcome: Outcome) -> Outcome {
        *self.0 = Some(outcome.clone());
        outcome
    }
}
