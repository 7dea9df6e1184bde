//! Answers held in memory, ready to be sent: what makes a cached document cheap, and what goes on without the store.
//!
//! Must stay true: it never holds more than its bound; what a change made doubtful is not served before the store was
//! asked again, unless the store fails.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tdattest_wire::bytes::CpuSvn;
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::time::UnixTime;

use super::window::Window;
use super::{evaluation_data_number, with_set};
use crate::answer::Answer;
use crate::store::{Changed, PlatformKey};

/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 512;

/// How long a doubtful answer is served without asking the store again, once that has failed, in seconds.
const TRUSTED_FOR: u64 = 2;

/// No second comes after it.
const NEVER: u64 = u64::MAX;

/// What an answer is to. In this order, so that what one change is about stands together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HotKey {
    /// A document, in a form.
    Document(PcsRequest, Form),
    /// The PCK certificate for a raw TCB.
    Pck(PlatformKey, Tcbm),
    /// A list of platform families.
    Families(&'static str),
}

/// How a document is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// As Intel sent it.
    AsItIs,
    /// In hexadecimal, which is how Intel's service sends CRLs unless it is asked for DER.
    Hexadecimal,
    /// A CRL as from its place of publication: without the chain beside it.
    Download,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::AsItIs, Self::Hexadecimal, Self::Download];
}

/// An answer, and until when it is good.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) answer: Answer,
    pub(crate) window: Window,
    /// The evaluation data number of the document, by which it is asked for, too.
    pub(crate) number: Option<u32>,
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
    /// From which second on it is doubtful: the store is to be asked first.
    doubtful_from: AtomicU64,
}

impl Entry {
    fn is_sure(&self, now: u64) -> bool {
        now < self.doubtful_from.load(Ordering::Relaxed)
    }

    fn is_sure_for_good(&self) -> bool {
        self.doubtful_from.load(Ordering::Relaxed) == NEVER
    }
}

/// What is held.
#[derive(Debug)]
pub(crate) struct Hot {
    held: RwLock<Held>,
    bound: usize,
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    entries: BTreeMap<HotKey, Entry>,
    /// The sum of their bytes.
    bytes: usize,
}

/// How things stood before something was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// An answer that is held.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Nothing has changed since it was read from the store.
    Sure(Arc<Ready>),
    /// Something has: the store is to be asked, and this is for when it fails.
    Doubtful(Arc<Ready>),
}

impl Hot {
    pub(crate) fn new(bound: usize) -> Self {
        Self { held: RwLock::default(), bound, generation: AtomicU64::new(0) }
    }

    /// The answer that is held, whatever its age.
    pub(crate) fn look(&self, key: &HotKey, now: UnixTime) -> Option<Found> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let entry = held.entry(key)?;
        // Most of the time it is set, and writing would take the line of memory from the other cores.
        if !entry.wanted.load(Ordering::Relaxed) {
            entry.wanted.store(true, Ordering::Relaxed);
        }
        let ready = Arc::clone(&entry.ready);
        match entry.is_sure(now.as_secs()) {
            true => Some(Found::Sure(ready)),
            false => Some(Found::Doubtful(ready)),
        }
    }

    /// An answer that is good now, past its due time included.
    pub(crate) fn find(&self, key: &HotKey, now: UnixTime) -> Option<Arc<Ready>> {
        match self.look(key, now) {
            Some(Found::Sure(ready)) if now <= ready.window.ends => Some(ready),
            _ => None,
        }
    }

    /// Whether there is an answer under this very key, whatever it is worth.
    pub(crate) fn holds(&self, key: &HotKey) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).entries.contains_key(key)
    }

    /// To be taken before the store is read.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Holds an answer; whether it is a sure one. One that was read before a change is doubtful, and takes no place
    /// from a sure one.
    pub(crate) fn hold(&self, key: &HotKey, ready: &Arc<Ready>, read_at: Generation) -> bool {
        let bytes = ready.bytes();
        if bytes > self.bound {
            return false;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_sure = self.generation() == read_at;
        let doubtful_from = if is_sure { NEVER } else { 0 };
        if !is_sure && held.entries.get(key).is_some_and(Entry::is_sure_for_good) {
            return false;
        }
        held.remove(key);
        held.make_room(bytes, self.bound);
        held.bytes = held.bytes.saturating_add(bytes);
        let (wanted, doubtful_from) = (true.into(), doubtful_from.into());
        let entry = Entry { ready: Arc::clone(ready), bytes, wanted, doubtful_from };
        held.entries.insert(key.clone(), entry);
        is_sure
    }

    /// What a change is about is doubtful from now on.
    pub(crate) fn doubt(&self, changed: &Changed) {
        let about = match changed {
            Changed::Document(request) => Some(forms(*request)),
            Changed::Platform(platform) => Some(tcbs(platform)),
            Changed::Everything => None,
            // Nothing of these is held here.
            Changed::Policies | Changed::Tokens => return,
        };
        // While it looks, nobody holds anything: what was read before is either marked here, or finds the new generation.
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let mark = |entry: &Entry| entry.doubtful_from.store(0, Ordering::Relaxed);
        match about {
            Some(keys) => held.entries.range(keys).for_each(|(_, entry)| mark(entry)),
            None => held.entries.values().for_each(mark),
        }
    }

    /// The store failed: what is doubtful is served for a moment without asking it again.
    pub(crate) fn trust_for_now(&self, key: &HotKey, now: UnixTime) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let until = now.as_secs().saturating_add(TRUSTED_FOR);
        if let Some(entry) = held.entry(key).filter(|entry| !entry.is_sure(now.as_secs())) {
            entry.doubtful_from.store(until, Ordering::Relaxed);
        }
    }
}

impl Held {
    /// What is asked for by its evaluation data number may be held as the standard edition, or as the early one.
    fn entry(&self, key: &HotKey) -> Option<&Entry> {
        if let HotKey::Document(request, form) = key
            && let Some(number) = evaluation_data_number(*request)
        {
            let sets = [EvaluationDataSet::Standard, EvaluationDataSet::Early];
            let keys = sets.map(|set| HotKey::Document(with_set(*request, set), *form));
            let mut named = keys.iter().filter_map(|key| self.entries.get(key));
            let named = named.find(|entry| entry.ready.number == Some(number));
            return named.or_else(|| self.entries.get(key));
        }
        self.entries.get(key)
    }

    fn remove(&mut self, key: &HotKey) {
        if let Some(gone) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(gone.bytes);
        }
    }

    /// Drops entries when there is no room for so many bytes: first those that nobody wanted since the last time. More
    /// than is needed, since it looks at all of them.
    fn make_room(&mut self, needed: usize, bound: usize) {
        if self.bytes.saturating_add(needed) <= bound {
            return;
        }
        let left = bound.saturating_sub(needed).min(bound.saturating_sub(bound / 8));
        let mut bytes = self.bytes;
        for whatever in [false, true] {
            self.entries.retain(|_, entry| {
                let is_wanted = entry.wanted.swap(false, Ordering::Relaxed);
                let drop = bytes > left && (whatever || !is_wanted);
                if drop {
                    bytes = bytes.saturating_sub(entry.bytes);
                }
                !drop
            });
            if bytes <= left {
                break;
            }
        }
        self.bytes = bytes;
    }
}

/// A document in every form.
fn forms(request: PcsRequest) -> RangeInclusive<HotKey> {
    HotKey::Document(request, Form::AsItIs)..=HotKey::Document(request, Form::Download)
}

/// A platform at every TCB.
fn tcbs(platform: &PlatformKey) -> RangeInclusive<HotKey> {
    let all = |byte, pce_svn| Tcbm { cpu_svn: CpuSvn([byte; 16]), pce_svn };
    let [first, last] = [all(0, 0), all(u8::MAX, u16::MAX)];
    HotKey::Pck(platform.clone(), first)..=HotKey::Pck(platform.clone(), last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tdattest_wire::bytes::Fmspc;
    use tdattest_wire::pcs::PckCa;
    use tdattest_wire::quote::TeeType;

    const CRL: HotKey = HotKey::Document(PcsRequest::PckCrl(PckCa::Platform), Form::AsItIs);

    fn key(name: &'static str) -> HotKey {
        HotKey::Families(name)
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds).unwrap()
    }

    fn ready(ends: u64) -> Arc<Ready> {
        let window = Window { fetched_at: at(0), overdue_at: at(ends), ends: at(ends) };
        Arc::new(Ready { answer: Answer::ok("text/plain", vec![0; 1000]), window, number: None })
    }

    fn hold(hot: &Hot, key: &HotKey) {
        assert!(hot.hold(key, &ready(100), hot.generation()));
    }

    fn is_sure(hot: &Hot, key: &HotKey, now: u64) -> Option<bool> {
        hot.look(key, at(now)).map(|found| matches!(found, Found::Sure(_)))
    }

    #[test]
    fn nothing_is_good_past_its_end() {
        let hot = Hot::new(1 << 20);
        hold(&hot, &key("all"));
        assert!(hot.find(&key("all"), at(100)).is_some());
        assert!(hot.find(&key("all"), at(101)).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_doubtful_and_takes_no_place_from_what_was_read_after() {
        let hot = Hot::new(1 << 20);
        let before = hot.generation();
        hot.doubt(&Changed::Document(PcsRequest::RootCaCrl));
        assert!(!hot.hold(&key("all"), &ready(100), before));
        assert_eq!(is_sure(&hot, &key("all"), 0), Some(false));
        hold(&hot, &key("all"));
        assert!(!hot.hold(&key("all"), &ready(7), before));
        assert_eq!(is_sure(&hot, &key("all"), 0), Some(true));
        assert_eq!(hot.find(&key("all"), at(0)).unwrap().window.ends, at(100));
    }

    #[test]
    fn a_change_makes_doubtful_what_it_is_about_and_no_more() {
        let platform = |id: &str| PlatformKey { qe_id: id.into(), pce_id: "0000".into() };
        let pck = |id, pce_svn| {
            HotKey::Pck(platform(id), Tcbm { cpu_svn: CpuSvn([pce_svn as u8; 16]), pce_svn })
        };
        let of_crl =
            Form::ALL.map(|form| HotKey::Document(PcsRequest::PckCrl(PckCa::Platform), form));
        let of_platform = [pck("AB", 0), pck("AB", u16::MAX)];
        let others = [
            HotKey::Document(PcsRequest::PckCrl(PckCa::Processor), Form::Download),
            HotKey::Document(PcsRequest::RootCaCrl, Form::AsItIs),
            pck("AA", u16::MAX),
            pck("AC", 0),
            key("all"),
        ];
        let hot = Hot::new(1 << 20);
        let all = || of_crl.iter().chain(&of_platform).chain(&others);
        all().for_each(|key| hold(&hot, key));
        hot.doubt(&Changed::Document(PcsRequest::PckCrl(PckCa::Platform)));
        hot.doubt(&Changed::Platform(platform("AB")));
        hot.doubt(&Changed::Tokens);
        for key in all() {
            assert_eq!(is_sure(&hot, key, 0), Some(others.contains(key)), "{key:?}");
        }
        hot.doubt(&Changed::Everything);
        assert!(all().all(|key| is_sure(&hot, key, 0) == Some(false)));
    }

    #[test]
    fn what_is_doubtful_is_trusted_for_a_moment_when_the_store_has_failed() {
        let hot = Hot::new(1 << 20);
        hold(&hot, &CRL);
        hot.doubt(&Changed::Everything);
        hot.trust_for_now(&CRL, at(50));
        assert_eq!(is_sure(&hot, &CRL, 51), Some(true));
        assert_eq!(is_sure(&hot, &CRL, 52), Some(false));
        hot.trust_for_now(&CRL, at(60));
        hot.doubt(&Changed::Document(PcsRequest::PckCrl(PckCa::Platform)));
        assert_eq!(is_sure(&hot, &CRL, 60), Some(false));
        // What is sure stays so.
        hold(&hot, &CRL);
        hot.trust_for_now(&CRL, at(60));
        assert_eq!(is_sure(&hot, &CRL, 1000), Some(true));
    }

    #[test]
    fn a_number_finds_the_edition_that_has_it() {
        let of = |set| {
            let request = PcsRequest::TcbInfo(TeeType::Tdx, Fmspc([0; 6]), set);
            HotKey::Document(request, Form::AsItIs)
        };
        let numbered = |number: u32| {
            let Ready { answer, window, .. } = Arc::into_inner(ready(number.into())).unwrap();
            Arc::new(Ready { answer, window, number: Some(number) })
        };
        let hot = Hot::new(1 << 20);
        for (set, number) in [
            (EvaluationDataSet::Standard, 17),
            (EvaluationDataSet::Early, 18),
            (EvaluationDataSet::Number(16), 16),
        ] {
            assert!(hot.hold(&of(set), &numbered(number), hot.generation()));
        }
        for number in [16, 17, 18] {
            let found = hot.find(&of(EvaluationDataSet::Number(number)), at(0));
            assert_eq!(found.unwrap().number, Some(number));
        }
        assert!(hot.find(&of(EvaluationDataSet::Number(19)), at(0)).is_none());
    }

    #[test]
    fn stays_within_its_bound_and_drops_what_nobody_wants_first() {
        const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let bytes = ready(100).bytes();
        let hot = Hot::new(bytes * 8);
        NAMES[..8].iter().for_each(|name| hold(&hot, &key(name)));
        let count = |hot: &Hot| hot.held.read().unwrap().entries.len();
        // All are wanted alike, so that any goes; the marks are fresh then.
        hold(&hot, &key(NAMES[8]));
        assert_eq!(count(&hot), 8);
        assert_eq!(hot.held.read().unwrap().bytes, bytes * 8);

        // Only these are wanted since.
        let hot = Hot::new(bytes * 8);
        NAMES[..8].iter().for_each(|name| hold(&hot, &key(name)));
        for (held, entry) in &hot.held.read().unwrap().entries {
            entry.wanted.store(*held != key("c"), Ordering::Relaxed);
        }
        hold(&hot, &key(NAMES[8]));
        assert_eq!(count(&hot), 8);
        assert!(hot.look(&key("c"), at(0)).is_none());
    }

    #[test]
    fn what_is_larger_than_all_there_is_room_for_is_not_held() {
        let small = Hot::new(ready(100).bytes() - 1);
        assert!(!small.hold(&key("all"), &ready(100), small.generation()));
        assert!(small.look(&key("all"), at(0)).is_none());
        assert_eq!(small.held.read().unwrap().bytes, 0);
    }
}
