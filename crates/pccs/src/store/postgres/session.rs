//! A connection on which a transaction may be open.
//!
//! Must stay true: it goes back to the pool only when all that it was asked was answered.

use deadpool_postgres::Object;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::super::StoreError;
use super::super::session::{Row, Session, Value};
use super::fault::explain;

type Fault = Box<dyn std::error::Error + Sync + Send>;

/// A connection in use.
pub(super) struct PostgresSession {
    client: Option<Object>,
    is_done: bool,
}

impl PostgresSession {
    pub(super) fn new(client: Object) -> Self {
        Self { client: Some(client), is_done: false }
    }

    /// Nothing is open on it any more.
    pub(super) fn done(&mut self) {
        self.is_done = true;
    }

    fn client(&self) -> Result<&Object, StoreError> {
        let gone = || StoreError::Unavailable("the connection is gone".into());
        self.client.as_ref().ok_or_else(gone)
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&mut self, statements: &str) -> Result<(), StoreError> {
        self.client()?.batch_execute(statements).await.map_err(|fault| explain(&fault))
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        let client = self.client.take();
        if !self.is_done {
            // Closed: an answer that nobody waits for, or an open transaction, is not for the next one.
            drop(client.map(Object::take));
        }
    }
}

impl Session for PostgresSession {
    async fn rows(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let fault = |fault| explain(&fault);
        let parameters: Vec<_> = parameters.into_iter().map(parameter).collect();
        let client = self.client()?;
        let prepared = client.prepare_cached(statement).await.map_err(fault)?;
        let rows = client.query(&prepared, &borrowed(&parameters)).await.map_err(fault)?;
        let values = |row: tokio_postgres::Row| {
            let values = (0..row.len()).map(|column| row.try_get::<_, Value>(column));
            values.collect::<Result<_, _>>().map(Row::new)
        };
        let rows: Result<_, _> = rows.into_iter().map(values).collect();
        rows.map_err(|fault| StoreError::Broken(fault.to_string()))
    }

    async fn execute(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let fault = |fault| explain(&fault);
        let parameters: Vec<_> = parameters.into_iter().map(parameter).collect();
        let client = self.client()?;
        let prepared = client.prepare_cached(statement).await.map_err(fault)?;
        client.execute(&prepared, &borrowed(&parameters)).await.map_err(fault)
    }
}

type Parameter = Box<dyn ToSql + Sync + Send>;

fn parameter(value: Value) -> Parameter {
    match value {
        // Of the columns, only numbers may be absent.
        Value::Null => Box::new(None::<i64>),
        Value::Integer(number) => Box::new(number),
        Value::Text(text) => Box::new(text),
        Value::Bytes(bytes) => Box::new(bytes),
    }
}

fn borrowed(parameters: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        match *of {
            Type::INT8 => i64::from_sql(of, raw).map(Self::Integer),
            Type::TEXT => String::from_sql(of, raw).map(Self::Text),
            _ => <&[u8]>::from_sql(of, raw).map(Self::from),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Fault> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::INT8 | Type::TEXT | Type::BYTEA)
    }
}
