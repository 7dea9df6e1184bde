//! The store of a database that speaks SQL: each call is one operation, in one transaction.

use std::future::{Future, ready};

use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::pcs::PcsRequest;

use super::operations::{
    Certificates, ChangesSince, CountPlatforms, DefaultPolicies, Documents, OneDocument,
    OnePlatform, Ping, Platforms, PutBack, PutDocument, PutPlatform, PutPolicy, PutToken, Register,
    RemoveToken, SelectCertificate, Selected, TakeRegistrations, Tokens, Unregister,
};
use super::session::Operation;
use super::{
    AppraisalPolicy, Changes, Document, DocumentState, Lease, Pending, Platform,
    PlatformCertificate, PlatformKey, Put, Registration, RegistrationState, Role, Selection, Store,
    StoreError, Token, WithCertificates,
};

/// What differs from one database to another.
pub(super) trait Database: std::fmt::Debug + Send + Sync {
    /// See [`Store::kind`].
    const KIND: &'static str;

    /// Does something in a transaction of its own, whole or not at all.
    fn perform<O: Operation>(
        &self,
        operation: O,
    ) -> impl Future<Output = Result<O::Output, StoreError>> + Send;

    /// Why there is something that it cannot do any more, whatever is asked of it.
    fn broken(&self) -> Option<StoreError> {
        None
    }

    /// See [`Store::try_lease`].
    fn lease(
        &self,
        what: &str,
    ) -> impl Future<Output = Result<Option<Box<dyn Lease>>, StoreError>> + Send;
}

impl<D: Database> Store for D {
    fn kind(&self) -> &'static str {
        D::KIND
    }

    fn ping(&self) -> Pending<'_, ()> {
        match self.broken() {
            Some(fault) => Box::pin(ready(Err(fault))),
            None => Box::pin(self.perform(Ping)),
        }
    }

    fn changes(&self, cursor: i64) -> Pending<'_, Changes> {
        Box::pin(self.perform(ChangesSince(cursor)))
    }

    fn try_lease<'a>(&'a self, what: &'a str) -> Pending<'a, Option<Box<dyn Lease>>> {
        Box::pin(self.lease(what))
    }

    fn document(&self, request: PcsRequest) -> Pending<'_, Option<Document>> {
        Box::pin(self.perform(OneDocument(request)))
    }

    fn documents(&self) -> Pending<'_, Vec<DocumentState>> {
        Box::pin(self.perform(Documents))
    }

    fn put_document<'a>(&'a self, document: &'a Document, replace_newer: bool) -> Pending<'a, Put> {
        Box::pin(self.perform(PutDocument { document: document.clone(), replace_newer }))
    }

    fn platform<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<Platform>> {
        Box::pin(self.perform(OnePlatform(key.clone())))
    }

    fn platforms<'a>(&'a self, of: &'a [Fmspc]) -> Pending<'a, Vec<(Platform, Vec<Selection>)>> {
        Box::pin(self.perform(Platforms(of.into())))
    }

    fn count_platforms(&self) -> Pending<'_, u64> {
        Box::pin(self.perform(CountPlatforms))
    }

    fn put_platform<'a>(
        &'a self,
        platform: &'a Platform,
        certificates: &'a [PlatformCertificate],
    ) -> Pending<'a, ()> {
        let (platform, certificates) = (platform.clone(), certificates.into());
        Box::pin(self.perform(PutPlatform { platform, certificates }))
    }

    fn certificates<'a>(&'a self, key: &'a PlatformKey) -> Pending<'a, Option<WithCertificates>> {
        Box::pin(self.perform(Certificates(key.clone())))
    }

    fn selected<'a>(
        &'a self,
        key: &'a PlatformKey,
        raw: Tcbm,
    ) -> Pending<'a, Option<(Platform, PlatformCertificate)>> {
        Box::pin(self.perform(Selected { key: key.clone(), raw }))
    }

    fn select<'a>(&'a self, key: &'a PlatformKey, selection: Selection) -> Pending<'a, ()> {
        Box::pin(self.perform(SelectCertificate { key: key.clone(), selection }))
    }

    fn register<'a>(
        &'a self,
        registration: &'a Registration,
        state: RegistrationState,
    ) -> Pending<'a, ()> {
        Box::pin(self.perform(Register { registration: registration.clone(), state }))
    }

    fn put_back<'a>(
        &'a self,
        registrations: &'a [Registration],
        state: RegistrationState,
    ) -> Pending<'a, ()> {
        Box::pin(self.perform(PutBack { registrations: registrations.into(), state }))
    }

    fn take_registrations(&self, state: RegistrationState) -> Pending<'_, Vec<Registration>> {
        Box::pin(self.perform(TakeRegistrations(state)))
    }

    fn unregister<'a>(&'a self, registration: &'a Registration) -> Pending<'a, ()> {
        Box::pin(self.perform(Unregister(registration.clone())))
    }

    fn put_policy<'a>(&'a self, policy: &'a AppraisalPolicy) -> Pending<'a, ()> {
        Box::pin(self.perform(PutPolicy(policy.clone())))
    }

    fn default_policies(&self, fmspc: Fmspc) -> Pending<'_, Vec<AppraisalPolicy>> {
        Box::pin(self.perform(DefaultPolicies(fmspc)))
    }

    fn tokens(&self) -> Pending<'_, Vec<Token>> {
        Box::pin(self.perform(Tokens))
    }

    fn put_token<'a>(&'a self, token: &'a Token) -> Pending<'a, ()> {
        Box::pin(self.perform(PutToken(token.clone())))
    }

    fn remove_token<'a>(&'a self, role: Role, name: &'a str) -> Pending<'a, bool> {
        Box::pin(self.perform(RemoveToken { role, name: name.into() }))
    }
}
