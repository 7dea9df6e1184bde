//! What the calls of a store do in a database that speaks SQL: documents and changes here, the rest below.
//!
//! Must stay true: what is changed is noted in the same transaction, and noted last, but for the policies.

mod access;
mod platforms;
mod registrations;

use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::PcsRequest;

use super::edition::is_older;
use super::session::{Operation, Row, Session, Value};
use super::{CHANGES_KEPT, Changed, Changes, Document, DocumentState, Put, StoreError};
use super::{spelling, statements};

pub(super) use access::{DefaultPolicies, PutPolicy, PutToken, RemoveToken, Tokens};
pub(super) use platforms::{
    Certificates, CountPlatforms, OnePlatform, Platforms, PutPlatform, SelectCertificate, Selected,
};
pub(super) use registrations::{PutBack, Register, TakeRegistrations, Unregister};

/// Notes a change for the other replicas.
async fn note(session: &mut impl Session, change: &Changed) -> Result<(), StoreError> {
    let mut raised = session.rows(statements::RAISE_CHANGE_COUNTER, vec![]).await?;
    let number = one(&mut raised)?.integer()?;
    let [kind, name, pce_id] = spelling::changed_columns(change);
    session.execute(statements::NOTE_CHANGE, vec![number.into(), kind, name, pce_id]).await?;
    let kept = i64::try_from(CHANGES_KEPT).unwrap_or(i64::MAX);
    let forgotten = number.saturating_sub(kept);
    session.execute(statements::FORGET_CHANGES, vec![forgotten.into()]).await?;
    Ok(())
}

/// The only row that there can be.
fn one(rows: &mut Vec<Row>) -> Result<Row, StoreError> {
    rows.pop().ok_or_else(|| StoreError::Broken("a row that is always there is gone".into()))
}

/// What can be read of rows. One that a newer version has written, or that is damaged, hides no other.
fn readable<T>(
    of: &'static str,
    rows: Vec<Row>,
    read: impl FnMut(Row) -> Result<T, StoreError>,
) -> Vec<T> {
    let mut unreadable = 0_usize;
    let mut first = None;
    let mut keep = |read: Result<T, StoreError>| {
        read.map_err(|fault| {
            unreadable = unreadable.saturating_add(1);
            first.get_or_insert(fault);
        })
        .ok()
    };
    let found = rows.into_iter().map(read).filter_map(&mut keep).collect();
    if let Some(cause) = first {
        tracing::warn!(of, rows = unreadable, %cause, "left out what cannot be read");
    }
    found
}

/// Whether the database answers.
pub(super) struct Ping;

impl Operation for Ping {
    type Output = ();
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        one(&mut session.rows(statements::NEWEST_CHANGE, vec![]).await?).map(drop)
    }
}

/// See [`Store::changes`](super::Store::changes).
pub(super) struct ChangesSince(pub(super) i64);

impl Operation for ChangesSince {
    type Output = Changes;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Changes, StoreError> {
        let Self(since) = self;
        let newest = one(&mut session.rows(statements::NEWEST_CHANGE, vec![]).await?)?.integer()?;
        if since == 0 {
            return Ok(Changes { list: Vec::new(), cursor: newest });
        }
        let parameters = vec![since.into(), newest.into()];
        let rows = session.rows(statements::CHANGES, parameters).await?;
        // The numbers have no gaps: fewer rows than numbers, and some were forgotten.
        let expected = newest.checked_sub(since).and_then(|behind| usize::try_from(behind).ok());
        let list = if expected == Some(rows.len()) {
            rows.into_iter().map(|mut row| spelling::changed(&mut row)).collect()
        } else {
            vec![Changed::Everything]
        };
        Ok(Changes { list, cursor: newest })
    }
}

/// See [`Store::document`](super::Store::document).
pub(super) struct OneDocument(pub(super) PcsRequest);

impl Operation for OneDocument {
    type Output = Option<Document>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let parameters = vec![self.0.path().into()];
        let rows = session.rows(statements::DOCUMENT, parameters).await?;
        rows.into_iter().next().map(document).transpose()
    }
}

fn document(mut row: Row) -> Result<Document, StoreError> {
    let request = spelling::request(&mut row)?;
    let endorsement = Endorsement { request, body: row.bytes()?, issuer_chain: row.bytes()? };
    let validity = spelling::validity(&mut row)?;
    Ok(Document { endorsement, validity, fetched_at: spelling::time(&mut row)? })
}

/// See [`Store::documents`](super::Store::documents).
pub(super) struct Documents;

impl Operation for Documents {
    type Output = Vec<DocumentState>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let state = |mut row: Row| {
            let request = spelling::request(&mut row)?;
            let validity = spelling::validity(&mut row)?;
            Ok(DocumentState { request, validity, fetched_at: spelling::time(&mut row)? })
        };
        let rows = session.rows(statements::DOCUMENTS, vec![]).await?;
        let mut states = readable("documents", rows, state);
        states.sort_by_key(|state| state.request);
        Ok(states)
    }
}

/// See [`Store::put_document`](super::Store::put_document).
pub(super) struct PutDocument {
    pub(super) document: Document,
    pub(super) replace_newer: bool,
}

impl PutDocument {
    /// Body, chain, validity and time: what another edition changes.
    fn columns(&self) -> Vec<Value> {
        let Document { endorsement, validity, fetched_at } = &self.document;
        let mut columns =
            vec![endorsement.body.as_slice().into(), endorsement.issuer_chain.as_slice().into()];
        columns.extend(spelling::validity_columns(validity));
        columns.push(spelling::seconds(*fetched_at));
        columns
    }
}

impl Operation for PutDocument {
    type Output = Put;
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<Put, StoreError> {
        let request = self.document.endorsement.request;
        let path = Value::from(request.path());
        let mut added = vec![path.clone()];
        added.extend(self.columns());
        if session.execute(statements::ADD_DOCUMENT, added).await? == 0 {
            let locked = session.rows(statements::LOCK_DOCUMENT, vec![path.clone()]).await;
            let kept = spelling::validity(&mut one(&mut locked?)?)?;
            if !self.replace_newer && is_older(&self.document.validity, &kept) {
                return Ok(Put::OlderThanKept { kept });
            }
            let mut replaced = self.columns();
            replaced.push(path);
            session.execute(statements::REPLACE_DOCUMENT, replaced).await?;
        }
        note(session, &Changed::Document(request)).await?;
        Ok(Put::Stored)
    }
}
