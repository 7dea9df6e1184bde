//! Answers held in memory, ready to be sent: what makes a cached document cheap.
//!
//! Must stay true: it never holds more than its bound; what was read from the store before a change is not held after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use super::window::Window;
use crate::answer::Answer;
use crate::store::PlatformKey;

/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 512;

/// What an answer is to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HotKey {
    /// A document, in a form.
    Document(PcsRequest, Form),
    /// The PCK certificate for a raw TCB.
    Pck(PlatformKey, Tcbm),
    /// A list of platform families.
    Families(&'static str),
}

/// How a document is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As Intel sent it.
    AsItIs,
    /// In hexadecimal, which is how Intel's service sends CRLs unless it is asked for DER.
    Hexadecimal,
    /// A CRL as from its place of publication: without the chain beside it.
    Download,
}

/// An answer, and until when it is good.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) answer: Answer,
    pub(crate) window: Window,
}

impl Ready {
    fn bytes(&self) -> usize {
        let headers = self.answer.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len().saturating_add(value.len()));
        headers.fold(ENTRY_BYTES.saturating_add(self.answer.body.len()), usize::saturating_add)
    }
}

#[derive(Debug)]
struct Entry {
    ready: Arc<Ready>,
    bytes: usize,
    /// Whether it was wanted since room was last made.
    wanted: AtomicBool,
}

/// What is held.
#[derive(Debug)]
pub(crate) struct Hot {
    entries: RwLock<HashMap<HotKey, Entry>>,
    bound: usize,
    generation: AtomicU64,
}

/// How things stood before something was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Hot {
    pub(crate) fn new(bound: usize) -> Self {
        Self { entries: RwLock::default(), bound, generation: AtomicU64::new(0) }
    }

    /// An answer that is good now, past its due time included.
    pub(crate) fn find(&self, key: &HotKey, now: UnixTime) -> Option<Arc<Ready>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key)?;
        if now > entry.ready.window.ends {
            return None;
        }
        entry.wanted.store(true, Ordering::Relaxed);
        Some(Arc::clone(&entry.ready))
    }

    /// To be taken before the store is read.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Holds an answer, unless something was forgotten since it was read; says whether it does.
    pub(crate) fn hold(&self, key: &HotKey, ready: &Arc<Ready>, read_at: Generation) -> bool {
        let bytes = ready.bytes();
        if bytes > self.bound {
            return false;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() != read_at {
            return false;
        }
        entries.remove(key);
        make_room(&mut entries, self.bound.saturating_sub(bytes));
        let entry = Entry { ready: Arc::clone(ready), bytes, wanted: true.into() };
        entries.insert(key.clone(), entry);
        true
    }

    /// Forgets every answer that a test names.
    pub(crate) fn forget(&self, gone: impl Fn(&HotKey) -> bool) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        entries.retain(|key, _| !gone(key));
    }
}

/// Drops entries until the rest is within the bound: first those that nobody wanted since the last time.
fn make_room(entries: &mut HashMap<HotKey, Entry>, bound: usize) {
    let mut held = held(entries);
    for whatever in [false, true] {
        if held <= bound {
            return;
        }
        entries.retain(|_, entry| {
            let drop = held > bound && (whatever || !entry.wanted.swap(false, Ordering::Relaxed));
            if drop {
                held = held.saturating_sub(entry.bytes);
            }
            !drop
        });
    }
}

fn held(entries: &HashMap<HotKey, Entry>) -> usize {
    entries.values().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tdattest_wire::pcs::PckCa;

    fn key(name: &'static str) -> HotKey {
        HotKey::Families(name)
    }

    fn ready(ends: u64) -> Arc<Ready> {
        let at = |seconds| UnixTime::from_secs(seconds).unwrap();
        let window = Window { fetched_at: at(0), overdue_at: at(ends), ends: at(ends) };
        Arc::new(Ready { answer: Answer::ok("text/plain", vec![0; 1000]), window })
    }

    #[test]
    fn nothing_is_held_past_its_end() {
        let hot = Hot::new(1 << 20);
        hot.hold(&key("all"), &ready(100), hot.generation());
        assert!(hot.find(&key("all"), UnixTime::from_secs(100).unwrap()).is_some());
        assert!(hot.find(&key("all"), UnixTime::from_secs(101).unwrap()).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_held_after_it() {
        let hot = Hot::new(1 << 20);
        let before = hot.generation();
        hot.forget(|_| false);
        hot.hold(&key("all"), &ready(100), before);
        assert!(hot.find(&key("all"), UnixTime::EPOCH).is_none());
        hot.hold(&key("all"), &ready(100), hot.generation());
        assert!(hot.find(&key("all"), UnixTime::EPOCH).is_some());
    }

    #[test]
    fn forgets_what_it_is_told_to_and_no_more() {
        let hot = Hot::new(1 << 20);
        let crl = HotKey::Document(PcsRequest::PckCrl(PckCa::Platform), Form::AsItIs);
        hot.hold(&crl, &ready(100), hot.generation());
        hot.hold(&key("all"), &ready(100), hot.generation());
        hot.forget(|key| matches!(key, HotKey::Document(..)));
        assert!(hot.find(&crl, UnixTime::EPOCH).is_none());
        assert!(hot.find(&key("all"), UnixTime::EPOCH).is_some());
    }

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_wanted() {
        let bytes = ready(100).bytes();
        let hot = Hot::new(bytes * 2);
        hot.hold(&key("all"), &ready(100), hot.generation());
        hot.hold(&key("client"), &ready(100), hot.generation());
        // Room for the third: nothing is unwanted yet, so any goes; then marks are fresh.
        hot.hold(&key("E3"), &ready(100), hot.generation());
        let names = ["all", "client", "E3"];
        let there = names.iter().filter(|name| hot.find(&key(name), UnixTime::EPOCH).is_some());
        assert_eq!(there.count(), 2);
        assert!(hot.find(&key("E3"), UnixTime::EPOCH).is_some());

        let small = Hot::new(bytes - 1);
        small.hold(&key("all"), &ready(100), small.generation());
        assert!(small.find(&key("all"), UnixTime::EPOCH).is_none());
    }
}
