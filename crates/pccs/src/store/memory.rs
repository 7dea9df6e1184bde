//! A store that keeps everything in memory, for tests and for trying the service out.
//!
//! Must stay true: it behaves as the others do, save that nothing outlives the process. Clones share what they keep.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::PcsRequest;

use super::edition::is_older;
use super::process_leases::ProcessLeases;
use super::{
    AppraisalPolicy, CHANGES_KEPT, Changed, Changes, Document, DocumentState, Lease,
    MOST_SELECTIONS, Pending, Platform, PlatformCertificate, PlatformKey, Put, Registration,
    RegistrationState, Role, Selection, Store, StoreError, Token, WithCertificates,
};

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
    leases: ProcessLeases,
}

impl Memory {
    /// A store with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each call changes plain collections, whole or not at all: what a panic left is as good as ever.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Kept {
    documents: BTreeMap<PcsRequest, Document>,
    platforms: BTreeMap<PlatformKey, KeptPlatform>,
    registrations: Vec<(Registration, RegistrationState)>,
    policies: Vec<AppraisalPolicy>,
    tokens: BTreeMap<(Role, String), Token>,
    changes: VecDeque<Changed>,
    /// How many changes there were, those no longer kept included.
    changed: i64,
}

#[derive(Debug)]
struct KeptPlatform {
    platform: Platform,
    certificates: BTreeMap<Tcbm, Vec<u8>>,
    selections: BTreeMap<Tcbm, Tcbm>,
}

impl Kept {
    fn note(&mut self, change: Changed) {
        self.changed = self.changed.saturating_add(1);
        self.changes.push_back(change);
        while self.changes.len() > CHANGES_KEPT {
            self.changes.pop_front();
        }
    }

    fn changes(&self, cursor: i64) -> Changes {
        let newest = self.changed.saturating_add(1);
        let behind = newest.saturating_sub(cursor);
        let list = match usize::try_from(behind) {
            _ if cursor == 0 => Vec::new(),
            Ok(behind) if behind <= self.changes.len() => {
                let known = self.changes.len().saturating_sub(behind);
                self.changes.iter().skip(known).cloned().collect()
            }
            _ => vec![Changed::Everything],
        };
        Changes { list, cursor: newest }
    }

    fn put_document(&mut self, document: &Document, replace_newer: bool) -> Put {
        let request = document.endorsement.request;
        if let Some(Document { validity: kept, .. }) = self.documents.get(&request)
            && !replace_newer
            && is_older(&document.validity, kept)
        {
            return Put::OlderThanKept { kept: *kept };
        }
        self.documents.insert(request, document.clone());
        self.note(Changed::Document(request));
        Put::Stored
    }

    fn put_platform(&mut self, platform: &Platform, certificates: &[PlatformCertificate]) {
        match self.platforms.get_mut(&platform.key) {
            Some(kept) if certificates.is_empty() && !kept.certificates.is_empty() => {
                if kept.platform.fetched_at < platform.fetched_at {
                    kept.platform.fetched_at = platform.fetched_at;
                    self.note(Changed::Platform(platform.key.clone()));
                }
                return;
            }
            Some(kept) if kept.platform.fetched_at > platform.fetched_at => return,
            _ => {}
        }
        let kept = KeptPlatform {
            platform: platform.clone(),
            certificates: certificates
                .iter()
                .map(|found| (found.tcbm, found.certificate.clone()))
                .collect(),
            selections: BTreeMap::new(),
        };
        self.platforms.insert(platform.key.clone(), kept);
        self.note(Changed::Platform(platform.key.clone()));
    }

    fn with_certificates(&self, key: &PlatformKey) -> Option<WithCertificates> {
        let kept = self.platforms.get(key)?;
        let certificates = kept.certificates.iter().map(|(tcbm, certificate)| {
            PlatformCertificate { tcbm: *tcbm, certificate: certificate.clone() }
        });
        Some((kept.platform.clone(), certificates.collect()))
    }

    fn selected(&self, key: &PlatformKey, raw: Tcbm) -> Option<(Platform, PlatformCertificate)> {
        let kept = self.platforms.get(key)?;
        let tcbm = *kept.selections.get(&raw)?;
        let certificate = kept.certificates.get(&tcbm)?.clone();
        Some((kept.platform.clone(), PlatformCertificate { tcbm, certificate }))
    }

    fn select(&mut self, key: &PlatformKey, selection: Selection) {
        let Some(kept) = self.platforms.get_mut(key) else { return };
        let has_room =
            kept.selections.len() < MOST_SELECTIONS || kept.selections.contains_key(&selection.raw);
        if has_room && kept.certificates.contains_key(&selection.chosen) {
            kept.selections.insert(selection.raw, selection.chosen);
            self.note(Changed::Platform(key.clone()));
        }
    }

    fn register(&mut self, registration: &Registration, state: RegistrationState) {
        let entry = (registration.clone(), state);
        match self.registrations.iter_mut().find(|(kept, _)| is_same(kept, registration)) {
            Some(kept) => *kept = entry,
            None => self.registrations.push(entry),
        }
    }

    fn put_back(&mut self, registration: &Registration, state: RegistrationState) {
        if !self.registrations.iter().any(|(kept, _)| is_same(kept, registration)) {
            self.registrations.push((registration.clone(), state));
        }
    }

    fn take_registrations(&mut self, state: RegistrationState) -> Vec<Registration> {
        let mut taken = Vec::new();
        self.registrations.retain(|(registration, of)| {
            if *of == state {
                taken.push(registration.clone());
            }
            *of != state
        });
        taken
    }

    fn put_policy(&mut self, policy: &AppraisalPolicy) {
        if policy.is_default {
            let family = self.policies.iter_mut().filter(|kept| kept.fmspc == policy.fmspc);
            family.for_each(|kept| kept.is_default = false);
        }
        match self.policies.iter_mut().find(|kept| kept.id == policy.id) {
            Some(kept) => kept.clone_from(policy),
            None => self.policies.push(policy.clone()),
        }
        self.note(Changed::Policies);
    }
}

/// Whether two registrations are of one platform and TCB.
fn is_same(one: &Registration, other: &Registration) -> bool {
    (&one.key, one.cpu_svn, one.pce_svn) == (&other.key, other.cpu_svn, other.pce_svn)
}

fn done<'a, T: Send + 'a>(value: T) -> Pending<'a, T> {
    Box::pin(ready(Ok::<T, StoreError>(value)))
}

impl Store for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn ping(&self) -> Pending<'_, ()> {
        done(())
    }

    fn changes(&self, cursor: i64) -> Pending<'_, Changes> {
        done(self.kept().changes(cursor))
    }

    fn try_lease<'a>(&'a self, what: &'a str) -> Pending<'a, Option<Box<dyn Lease>>> {
        done(self.leases.try_take(what).map(|lease| Box::new(lease) as Box<dyn Lease>))
    }

    fn document(&self, request: PcsRequest) -> Pending<'_, Option<Document>> {
        done(self.kept().documents.get(&request).cloned())
    }

    fn documents(&self) -> Pending<'_, Vec<DocumentState>> {
        let state = |(request, document): (&PcsRequest, &Document)| DocumentState {
            request: *request,
            validity: document.validity,
            fetched_at: document.fetched_at,
        };
        done(self.kept().documents.iter().map(state).collect())
    }

    fn put_document<'a>(&'a self, document: &'a Document, replace_newer: bool) -> Pending<'a, Put> {
        done(self.kept().put_document(document, replace_newer))
    }

    fn platform<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<Platform>> {
        done(self.kept().platforms.get(key).map(|kept| kept.platform.clone()))
    }

    fn platforms<'a>(&'a self, of: &'a [Fmspc]) -> Pending<'a, Vec<(Platform, Vec<Selection>)>> {
        let with_selections = |kept: &KeptPlatform| {
            let selections = kept.selections.iter();
            let selections =
                selections.map(|(raw, chosen)| Selection { raw: *raw, chosen: *chosen });
            (kept.platform.clone(), selections.collect())
        };
        let kept = self.kept();
        let platforms = kept.platforms.values();
        let asked = platforms.filter(|kept| of.is_empty() || of.contains(&kept.platform.fmspc));
        done(asked.map(with_selections).collect())
    }

    fn count_platforms(&self) -> Pending<'_, u64> {
        done(u64::try_from(self.kept().platforms.len()).unwrap_or(u64::MAX))
    }

    fn put_platform<'a>(
        &'a self,
        platform: &'a Platform,
        certificates: &'a [PlatformCertificate],
    ) -> Pending<'a, ()> {
        self.kept().put_platform(platform, certificates);
        done(())
    }

    fn certificates<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<WithCertificates>> {
        done(self.kept().with_certificates(key))
    }

    fn selected<'a>(
        &'a self,
        key: &'a PlatformKey,
        raw: Tcbm,
    ) -> Pending<'a, Option<(Platform, PlatformCertificate)>> {
        done(self.kept().selected(key, raw))
    }

    fn select<'a>(&'a self, key: &'a PlatformKey, selection: Selection) -> Pending<'a, ()> {
        self.kept().select(key, selection);
        done(())
    }

    fn register<'a>(
        &'a self,
        registration: &'a Registration,
        state: RegistrationState,
    ) -> Pending<'a, ()> {
        self.kept().register(registration, state);
        done(())
    }

    fn put_back<'a>(
        &'a self,
        registrations: &'a [Registration],
        state: RegistrationState,
    ) -> Pending<'a, ()> {
        let mut kept = self.kept();
        registrations.iter().for_each(|registration| kept.put_back(registration, state));
        done(())
    }

    fn take_registrations(&self, state: RegistrationState) -> Pending<'_, Vec<Registration>> {
        done(self.kept().take_registrations(state))
    }

    fn unregister<'a>(&'a self, registration: &'a Registration) -> Pending<'a, ()> {
        let done_with = |(kept, state): &(Registration, RegistrationState)| {
            *state == RegistrationState::New && is_same(kept, registration)
        };
        self.kept().registrations.retain(|kept| !done_with(kept));
        done(())
    }

    fn put_policy<'a>(&'a self, policy: &'a AppraisalPolicy) -> Pending<'a, ()> {
        self.kept().put_policy(policy);
        done(())
    }

    fn default_policies(&self, fmspc: Fmspc) -> Pending<'_, Vec<AppraisalPolicy>> {
        let kept = self.kept();
        let policies = kept.policies.iter();
        done(policies.filter(|kept| kept.is_default && kept.fmspc == fmspc).cloned().collect())
    }

    fn tokens(&self) -> Pending<'_, Vec<Token>> {
        done(self.kept().tokens.values().cloned().collect())
    }

    fn put_token<'a>(&'a self, token: &'a Token) -> Pending<'a, ()> {
        let mut kept = self.kept();
        kept.tokens.insert((token.role, token.name.clone()), token.clone());
        kept.note(Changed::Tokens);
        done(())
    }

    fn remove_token<'a>(&'a self, role: Role, name: &'a str) -> Pending<'a, bool> {
        let mut kept = self.kept();
        let was_there = kept.tokens.remove(&(role, name.into())).is_some();
        if was_there {
            kept.note(Changed::Tokens);
        }
        done(was_there)
    }
}
