//! One transaction of a database that speaks SQL, whichever it is: statements with values in, rows of values out.
//!
//! Must stay true: the parameters of a statement first appear in the order of their numbers, since SQLite numbers them
//! that way.

use std::future::Future;

use super::StoreError;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// Text without a NUL: PostgreSQL does not take one.
    Text(String),
    /// Bytes; also text that comes from outside.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row, read column by column from the left.
#[derive(Clone, Debug)]
pub(super) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column, a number or nothing.
    pub(super) fn optional(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Value::Integer(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            other => Err(unexpected("a number", other.as_ref())),
        }
    }

    /// The next column, a number.
    pub(super) fn integer(&mut self) -> Result<i64, StoreError> {
        self.optional()?.ok_or_else(|| unexpected("a number", Some(&Value::Null)))
    }

    /// The next column, text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        match self.0.next() {
            Some(Value::Text(value)) => Ok(value),
            other => Err(unexpected("text", other.as_ref())),
        }
    }

    /// The next column, bytes.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.0.next() {
            Some(Value::Bytes(value)) => Ok(value),
            other => Err(unexpected("bytes", other.as_ref())),
        }
    }
}

fn unexpected(expected: &str, found: Option<&Value>) -> StoreError {
    let found = match found {
        None => "the end of the row",
        Some(Value::Null) => "nothing",
        Some(Value::Integer(_)) => "a number",
        Some(Value::Text(_)) => "text",
        Some(Value::Bytes(_)) => "bytes",
    };
    StoreError::Broken(format!("a column holds {found}; expected {expected}"))
}

/// A transaction that is open.
pub(super) trait Session: Send {
    /// The rows that a statement gives.
    fn rows(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// How many rows a statement changed.
    fn execute(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// What is done in one transaction.
pub(super) trait Operation: Send + 'static {
    /// What it comes to.
    type Output: Send + 'static;

    /// Whether it changes anything.
    const WRITES: bool;

    /// Whether it reads with several statements that have to fit together.
    const SNAPSHOT: bool = false;

    /// Whether what it comes to is in nobody's hands when whoever asked has gone: then it is undone.
    const TAKES: bool = false;

    /// Does it. The transaction is committed only if it succeeds.
    fn run(
        self,
        session: &mut impl Session,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}
