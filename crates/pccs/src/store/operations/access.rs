//! Appraisal policies, and the tokens of those who may change things.

use tdattest_wire::bytes::Fmspc;

use super::super::session::{Operation, Row, Session};
use super::super::{AppraisalPolicy, Changed, Role, StoreError, Token, spelling, statements};
use super::{note, readable};

/// See [`Store::put_policy`](super::super::Store::put_policy).
pub(in super::super) struct PutPolicy(pub(in super::super) AppraisalPolicy);

impl Operation for PutPolicy {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let AppraisalPolicy { id, text, is_default, fmspc, kind } = self.0;
        // Noted first: that makes one wait for the other, so that of two default policies one remains.
        note(session, &Changed::Policies).await?;
        if is_default {
            let family = vec![fmspc.as_ref().into()];
            session.execute(statements::FORGET_DEFAULT_POLICIES, family).await?;
        }
        let columns = vec![
            id.into(),
            text.into(),
            i64::from(is_default).into(),
            fmspc.as_ref().into(),
            i64::from(kind).into(),
        ];
        session.execute(statements::PUT_POLICY, columns).await.map(drop)
    }
}

/// See [`Store::default_policies`](super::super::Store::default_policies).
pub(in super::super) struct DefaultPolicies(pub(in super::super) Fmspc);

impl Operation for DefaultPolicies {
    type Output = Vec<AppraisalPolicy>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let family = vec![self.0.as_ref().into()];
        let rows = session.rows(statements::DEFAULT_POLICIES, family).await?;
        Ok(readable("appraisal policies", rows, policy))
    }
}

fn policy(mut row: Row) -> Result<AppraisalPolicy, StoreError> {
    let (id, text) = (row.text()?, row.text()?);
    let is_default = row.integer()? != 0;
    let fmspc = spelling::fmspc(&mut row)?;
    let kind = row.integer()?;
    let kind = u8::try_from(kind)
        .map_err(|_| StoreError::Broken(format!("{kind} is no kind of an appraisal policy")))?;
    Ok(AppraisalPolicy { id, text, is_default, fmspc, kind })
}

/// See [`Store::tokens`](super::super::Store::tokens).
pub(in super::super) struct Tokens;

impl Operation for Tokens {
    type Output = Vec<Token>;
    const WRITES: bool = false;

    async fn run(self, session: &mut impl Session) -> Result<Self::Output, StoreError> {
        let rows = session.rows(statements::TOKENS, vec![]).await?;
        let mut tokens = readable("tokens", rows, token);
        tokens.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
        Ok(tokens)
    }
}

fn token(mut row: Row) -> Result<Token, StoreError> {
    let role = spelling::role(&mut row)?;
    let (name, hash) = (row.text()?, row.text()?);
    Ok(Token { name, role, hash, created: spelling::time(&mut row)? })
}

/// See [`Store::put_token`](super::super::Store::put_token).
pub(in super::super) struct PutToken(pub(in super::super) Token);

impl Operation for PutToken {
    type Output = ();
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<(), StoreError> {
        let Token { name, role, hash, created } = self.0;
        let columns =
            vec![spelling::role_name(role), name.into(), hash.into(), spelling::seconds(created)];
        session.execute(statements::PUT_TOKEN, columns).await?;
        note(session, &Changed::Tokens).await
    }
}

/// See [`Store::remove_token`](super::super::Store::remove_token).
pub(in super::super) struct RemoveToken {
    pub(in super::super) role: Role,
    pub(in super::super) name: String,
}

impl Operation for RemoveToken {
    type Output = bool;
    const WRITES: bool = true;

    async fn run(self, session: &mut impl Session) -> Result<bool, StoreError> {
        let columns = vec![spelling::role_name(self.role), self.name.into()];
        let was_there = session.execute(statements::REMOVE_TOKEN, columns).await? > 0;
        if was_there {
            note(session, &Changed::Tokens).await?;
        }
        Ok(was_there)
    }
}
