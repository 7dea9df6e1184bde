//! The queue of platforms that ask to be registered.

use super::super::session::{Operation, Row, Session, Value};
use super::super::{Registration, RegistrationState, StoreError, spelling, statements};

/// See [`Store::register`](super::super::Store::register).
pub(in super::super) struct Register {
    pub(in super::super) registration: Registration,
    pub(in super::super) state: RegistrationState,
}

impl Operation for Register {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let columns = columns(self.registration, self.state);
        session.execute(statements::REGISTER, columns).await.map(drop)
    }
}

fn columns(registration: Registration, state: RegistrationState) -> Vec<Value> {
    let Registration { key, cpu_svn, pce_svn, encrypted_ppid, manifest } = registration;
    let mut columns = spelling::key_columns(&key).to_vec();
    columns.extend(spelling::registered_tcb_columns(cpu_svn, pce_svn));
    columns.extend([encrypted_ppid.into(), manifest.into(), spelling::state_name(state)]);
    columns
}

/// See [`Store::put_back`](super::super::Store::put_back).
pub(in super::super) struct PutBack {
    pub(in super::super) registrations: Vec<Registration>,
    pub(in super::super) state: RegistrationState,
}

impl Operation for PutBack {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        for registration in self.registrations {
            let columns = columns(registration, self.state);
            session.execute(statements::PUT_BACK_REGISTRATION, columns).await?;
        }
        Ok(())
    }
}

/// See [`Store::take_registrations`](super::super::Store::take_registrations).
pub(in super::super) struct TakeRegistrations(pub(in super::super) RegistrationState);

impl Operation for TakeRegistrations {
    type Output = Vec<Registration>;
    const WRITES: bool = true;
    const TAKES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let state = vec![spelling::state_name(self.0)];
        let rows = session.rows(statements::TAKE_REGISTRATIONS, state).await?;
        let mut taken: Vec<(i64, Registration)> =
            rows.into_iter().map(numbered).collect::<Result<_, _>>()?;
        taken.sort_by_key(|(number, _)| *number);
        Ok(taken.into_iter().map(|(_, registration)| registration).collect())
    }
}

fn numbered(mut row: Row) -> Result<(i64, Registration), StoreError> {
    let number = row.integer()?;
    let key = spelling::key(&mut row)?;
    let (cpu_svn, pce_svn) = spelling::registered_tcb(&mut row)?;
    let (encrypted_ppid, manifest) = (row.bytes()?, row.bytes()?);
    Ok((number, Registration { key, cpu_svn, pce_svn, encrypted_ppid, manifest }))
}

/// See [`Store::unregister`](super::super::Store::unregister).
pub(in super::super) struct Unregister(pub(in super::super) Registration);

impl Operation for Unregister {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let Registration { key, cpu_svn, pce_svn, .. } = self.0;
        let mut columns = spelling::key_columns(&key).to_vec();
        columns.extend(spelling::registered_tcb_columns(cpu_svn, pce_svn));
        columns.push(spelling::state_name(RegistrationState::New));
        session.execute(statements::UNREGISTER, columns).await.map(drop)
    }
}
