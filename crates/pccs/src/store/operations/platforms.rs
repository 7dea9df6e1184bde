//! Platforms, their PCK certificates, and which of those was chosen for a raw TCB.

use std::collections::{BTreeMap, BTreeSet};

use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pck_certificates::Tcbm;

use super::super::session::{Operation, Row, Session, Value};
use super::super::{
    Changed, MOST_SELECTIONS, Platform, PlatformCertificate, PlatformKey, Selection, StoreError,
    WithCertificates, spelling, statements,
};
use super::{note, one, readable};

/// See [`Store::platform`](super::super::Store::platform).
pub(in super::super) struct OnePlatform(pub(in super::super) PlatformKey);

impl Operation for OnePlatform {
    type Output = Option<Platform>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let key = spelling::key_columns(&self.0).to_vec();
        let rows = session.rows(statements::PLATFORM, key).await?;
        rows.into_iter().next().map(|mut row| platform(&mut row)).transpose()
    }
}

fn platform(row: &mut Row) -> Result<Platform, StoreError> {
    Ok(Platform {
        key: spelling::key(row)?,
        manifest: row.bytes()?,
        encrypted_ppid: row.bytes()?,
        fmspc: spelling::fmspc(row)?,
        ca: spelling::ca(row)?,
        issuer_chain: row.bytes()?,
        fetched_at: spelling::time(row)?,
    })
}

/// See [`Store::platforms`](super::super::Store::platforms).
pub(in super::super) struct Platforms(pub(in super::super) Vec<Fmspc>);

type WithSelections = BTreeMap<PlatformKey, (Platform, Vec<Selection>)>;

impl Operation for Platforms {
    type Output = Vec<(Platform, Vec<Selection>)>;
    const WRITES: bool = false;
    const SNAPSHOT: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let mut found = WithSelections::new();
        if self.0.is_empty() {
            let platforms = session.rows(statements::PLATFORMS, vec![]).await?;
            let selections = session.rows(statements::SELECTIONS, vec![]).await?;
            gather(&mut found, platforms, selections);
        }
        for fmspc in self.0.into_iter().collect::<BTreeSet<_>>() {
            let family = || vec![fmspc.as_ref().into()];
            let platforms = session.rows(statements::PLATFORMS_OF, family()).await?;
            let selections = session.rows(statements::SELECTIONS_OF, family()).await?;
            gather(&mut found, platforms, selections);
        }
        Ok(found.into_values().collect())
    }
}

fn gather(found: &mut WithSelections, platforms: Vec<Row>, selections: Vec<Row>) {
    for platform in readable("platforms", platforms, |mut row| platform(&mut row)) {
        found.insert(platform.key.clone(), (platform, Vec::new()));
    }
    for (key, selection) in readable("selections", selections, selection) {
        if let Some((_, selections)) = found.get_mut(&key) {
            selections.push(selection);
        }
    }
    for (_, selections) in found.values_mut() {
        selections.sort_by_key(|selection| selection.raw);
    }
}

fn selection(mut row: Row) -> Result<(PlatformKey, Selection), StoreError> {
    let key = spelling::key(&mut row)?;
    let (raw, chosen) = (spelling::tcbm(&mut row)?, spelling::tcbm(&mut row)?);
    Ok((key, Selection { raw, chosen }))
}

/// See [`Store::count_platforms`](super::super::Store::count_platforms).
pub(in super::super) struct CountPlatforms;

impl Operation for CountPlatforms {
    type Output = u64;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<u64, StoreError> {
        let mut rows = session.rows(statements::COUNT_PLATFORMS, vec![]).await?;
        let count = one(&mut rows)?.integer()?;
        u64::try_from(count).map_err(|_| StoreError::Broken(format!("{count} is no count")))
    }
}

/// See [`Store::put_platform`](super::super::Store::put_platform).
pub(in super::super) struct PutPlatform {
    pub(in super::super) platform: Platform,
    pub(in super::super) certificates: Vec<PlatformCertificate>,
}

impl Operation for PutPlatform {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let Self { platform, certificates } = self;
        let names = spelling::key_columns(&platform.key);
        if certificates.is_empty()
            && session.execute(statements::ADD_PLATFORM, columns(&platform)).await? == 0
        {
            // It is locked before its certificates are looked for.
            session.execute(statements::LOCK_PLATFORM, names.to_vec()).await?;
            if !session.rows(statements::CERTIFICATES, names.to_vec()).await?.is_empty() {
                return touch(session, platform).await;
            }
        }
        if session.execute(statements::PUT_PLATFORM, columns(&platform)).await? == 0 {
            // What is there was fetched later.
            return Ok(());
        }
        session.execute(statements::FORGET_CERTIFICATES, names.to_vec()).await?;
        for PlatformCertificate { tcbm, certificate } in certificates {
            let mut columns = names.to_vec();
            columns.extend([spelling::tcbm_bytes(tcbm), certificate.into()]);
            session.execute(statements::PUT_CERTIFICATE, columns).await?;
        }
        note(session, &Changed::Platform(platform.key)).await
    }
}

fn columns(platform: &Platform) -> Vec<Value> {
    let mut columns = spelling::key_columns(&platform.key).to_vec();
    columns.extend([
        platform.manifest.clone().into(),
        platform.encrypted_ppid.clone().into(),
        platform.fmspc.as_ref().into(),
        platform.ca.name().into(),
        platform.issuer_chain.clone().into(),
        spelling::seconds(platform.fetched_at),
    ]);
    columns
}

/// Notes when a platform's certificates were fetched.
async fn touch(session: &mut impl Session, platform: Platform) -> Result<(), StoreError> {
    let mut columns = vec![spelling::seconds(platform.fetched_at)];
    columns.extend(spelling::key_columns(&platform.key));
    match session.execute(statements::TOUCH_PLATFORM, columns).await? {
        0 => Ok(()),
        _ => note(session, &Changed::Platform(platform.key)).await,
    }
}

/// See [`Store::certificates`](super::super::Store::certificates).
pub(in super::super) struct Certificates(pub(in super::super) PlatformKey);

impl Operation for Certificates {
    type Output = Option<WithCertificates>;
    const WRITES: bool = false;
    const SNAPSHOT: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let key = spelling::key_columns(&self.0).to_vec();
        let rows = session.rows(statements::PLATFORM, key.clone()).await?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let platform = platform(&mut row)?;
        let rows = session.rows(statements::CERTIFICATES, key).await?;
        let found = rows.into_iter().map(|mut row| certificate(&mut row));
        let mut found: Vec<_> = found.collect::<Result<_, _>>()?;
        found.sort_by_key(|found| found.tcbm);
        Ok(Some((platform, found)))
    }
}

fn certificate(row: &mut Row) -> Result<PlatformCertificate, StoreError> {
    Ok(PlatformCertificate { tcbm: spelling::tcbm(row)?, certificate: row.bytes()? })
}

/// See [`Store::selected`](super::super::Store::selected).
pub(in super::super) struct Selected {
    pub(in super::super) key: PlatformKey,
    pub(in super::super) raw: Tcbm,
}

impl Operation for Selected {
    type Output = Option<(Platform, PlatformCertificate)>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let mut columns = spelling::key_columns(&self.key).to_vec();
        columns.push(spelling::tcbm_bytes(self.raw));
        let rows = session.rows(statements::SELECTED, columns).await?;
        let found = rows.into_iter().next();
        found.map(|mut row| Ok((platform(&mut row)?, certificate(&mut row)?))).transpose()
    }
}

/// See [`Store::select`](super::super::Store::select).
pub(in super::super) struct SelectCertificate {
    pub(in super::super) key: PlatformKey,
    pub(in super::super) selection: Selection,
}

impl Operation for SelectCertificate {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let names = spelling::key_columns(&self.key);
        let (raw, chosen) = (self.selection.raw, self.selection.chosen);
        let (raw, chosen) = (spelling::tcbm_bytes(raw), spelling::tcbm_bytes(chosen));
        // Looked at before anything is written, so that what is not remembered costs no write.
        if !has_room(session, &names, &raw).await? {
            return Ok(());
        }
        let [qe_id, pce_id] = names.clone();
        session.execute(statements::LOCK_PLATFORM, names.to_vec()).await?;
        // Once more, now that no other replica can add one.
        if !has_room(session, &names, &raw).await? {
            return Ok(());
        }
        let asked = vec![qe_id, pce_id, chosen.clone()];
        if session.rows(statements::CERTIFICATE_EXISTS, asked).await?.is_empty() {
            return Ok(());
        }
        let [qe_id, pce_id] = names;
        session.execute(statements::SELECT, vec![qe_id, pce_id, raw, chosen]).await?;
        note(session, &Changed::Platform(self.key)).await
    }
}

/// Whether a raw TCB may be remembered: it is already, or there are not too many.
async fn has_room(
    session: &mut impl Session,
    names: &[Value; 2],
    raw: &Value,
) -> Result<bool, StoreError> {
    let mut asked = names.to_vec();
    asked.push(i64::try_from(MOST_SELECTIONS).unwrap_or(i64::MAX).into());
    let known = session.rows(statements::SELECTED_TCBS, asked).await?;
    if known.len() < MOST_SELECTIONS {
        return Ok(true);
    }
    for mut row in known {
        if Value::from(row.bytes()?) == *raw {
            return Ok(true);
        }
    }
    Ok(false)
}
