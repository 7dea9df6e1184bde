//! What waits for a worker: each peer has its turn, however much another asks for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Job;
use super::claim::Claim;
use crate::peers::Peer;

/// Jobs by who asks; the health check is nobody's.
#[derive(Default)]
pub(super) struct Waiting {
    jobs: HashMap<Option<Peer>, VecDeque<Job>>,
    /// Those who have jobs, each once, in the order of their turns.
    turns: VecDeque<Option<Peer>>,
    count: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, job: Job) {
        let own = self.jobs.entry(job.peer).or_default();
        if own.is_empty() {
            self.turns.push_back(job.peer);
        }
        own.push_back(job);
        self.count = self.count.saturating_add(1);
    }

    /// The next job of the peer whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let peer = self.turns.pop_front()?;
        let own = self.jobs.get_mut(&peer)?;
        let job = own.pop_front()?;
        match own.is_empty() {
            true => drop(self.jobs.remove(&peer)),
            false => self.turns.push_back(peer),
        }
        self.count = self.count.saturating_sub(1);
        Some(job)
    }

    /// Takes out the job of a claim, which nobody waits for any more.
    pub(super) fn remove(&mut self, claim: &Arc<Claim>) {
        for own in self.jobs.values_mut() {
            own.retain(|job| !Arc::ptr_eq(&job.claim, claim));
        }
        self.jobs.retain(|_, own| !own.is_empty());
        self.turns.retain(|peer| self.jobs.contains_key(peer));
        self.count = self.jobs.values().map(VecDeque::len).sum();
    }
}
