//! Leases among the users of one store in one process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Lease;

/// What is held in this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessLeases(Arc<Mutex<HashSet<String>>>);

impl ProcessLeases {
    /// Takes the lease on `what`, if nobody in this process has it.
    pub(super) fn try_take(&self, what: &str) -> Option<ProcessLease> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.insert(what.into());
        is_new.then(|| ProcessLease { held: self.clone(), what: what.into() })
    }
}

/// What one holder in this process has.
#[derive(Debug)]
pub(super) struct ProcessLease {
    held: ProcessLeases,
    what: String,
}

impl Lease for ProcessLease {}

impl Drop for ProcessLease {
    fn drop(&mut self) {
        self.held.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}
