//! Connections to the file: opened, brought to our shape, and one transaction on them.

use std::fs::OpenOptions;
use std::future::{Future, ready};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rusqlite::types::{Value as SqliteValue, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};

use super::super::StoreError;
use super::super::schema;
use super::super::session::{Operation, Row, Session, Value};
use super::BUSY;

/// The size of a page of a file that is made now.
const PAGE_BYTES: u64 = 4096;

/// Opens the file, made if need be, and brings it to our shape.
pub(super) fn open_for_writing(path: &Path, most_bytes: u64) -> Result<Connection, StoreError> {
    // Made here, and not by SQLite, so that nobody else can read it: files beside it get the same mode.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path);
    let name = path.display();
    made.map_err(|fault| StoreError::Unwritable(format!("{name}: {fault}")))?;

    let mut connection = open(path)?;
    let pages = most_bytes.checked_div(PAGE_BYTES).unwrap_or(0);
    let pragma = format!("PRAGMA max_page_count = {pages}");
    read_pragma(&connection, &pragma)?;
    migrate(&mut connection, schema::SQLITE)?;
    Ok(connection)
}

/// Opens the file, which is there, to read.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(|fault| explain(&fault))?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|fault| explain(&fault))?;
    connection.busy_timeout(BUSY).map_err(|fault| explain(&fault))?;
    read_pragma(&connection, "PRAGMA journal_mode = WAL")?;
    let settings =
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";
    connection.execute_batch(settings).map_err(|fault| explain(&fault))?;
    Ok(connection)
}

/// Sets what answers with its new value.
fn read_pragma(connection: &Connection, pragma: &str) -> Result<(), StoreError> {
    connection.query_row(pragma, [], |_| Ok(())).map_err(|fault| explain(&fault))
}

/// Takes the steps that the database lacks, all or none of them.
fn migrate(connection: &mut Connection, steps: &[&'static str]) -> Result<(), StoreError> {
    in_transaction(connection, true, |connection| {
        refuse_other_programs(connection)?;
        let session = SqliteSession(connection);
        session.change(schema::CREATE_TAKEN, vec![])?;
        let taken = session.query(schema::TAKEN, vec![])?;
        let taken = taken.into_iter().map(|mut row| row.text()).collect::<Result<Vec<_>, _>>()?;
        for step in schema::missing(steps, &taken)? {
            session.0.execute_batch(step.text).map_err(|fault| explain(&fault))?;
            session.change(schema::TAKE, vec![step.version.into(), step.checksum.into()])?;
        }
        Ok(())
    })
}

/// A file with tables, none of which is ours, belongs to somebody else.
fn refuse_other_programs(connection: &Connection) -> Result<(), StoreError> {
    let tables =
        "SELECT count(*), count(*) FILTER (WHERE name = 'schema_steps') FROM sqlite_master";
    let (all, ours): (i64, i64) = connection
        .query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|fault| explain(&fault))?;
    if all > 0 && ours == 0 {
        let text = "the file holds the database of another program (that of Intel's PCCS is read by `tdattest pccs import`)";
        return Err(StoreError::Broken(text.into()));
    }
    Ok(())
}

/// Does something in a transaction of its own. What is taken stays when nobody waits for it any more.
pub(super) fn perform<O: Operation>(
    connection: &mut Connection,
    operation: O,
    is_awaited: &dyn Fn() -> bool,
) -> Result<O::Output, StoreError> {
    in_transaction(connection, O::WRITES, |connection| {
        let done = at_once(operation.run(&mut SqliteSession(connection)));
        if O::TAKES && !is_awaited() {
            return Err(StoreError::Unavailable("nobody waits for it any more".into()));
        }
        done
    })
}

fn in_transaction<T>(
    connection: &mut Connection,
    writes: bool,
    act: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Immediate: a transaction that starts by reading could find the file changed when it comes to write.
    let begin = if writes { "BEGIN IMMEDIATE" } else { "BEGIN" };
    connection.execute_batch(begin).map_err(|fault| explain(&fault))?;
    let done = act(connection).and_then(|value| {
        connection.execute_batch("COMMIT").map_err(|fault| explain(&fault))?;
        Ok(value)
    });
    // After a full disk SQLite may have undone it by itself.
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(|fault| explain(&fault))?;
    }
    done
}

/// The result of a future that never waits.
fn at_once<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StoreError::Broken("an operation waits for something else".into())),
    }
}

/// An open transaction.
struct SqliteSession<'c>(&'c mut Connection);

impl SqliteSession<'_> {
    fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let fault = |fault| explain(&fault);
        let mut prepared = self.0.prepare(statement).map_err(fault)?;
        let columns = prepared.column_count();
        let parameters = params_from_iter(parameters.into_iter().map(to_sqlite));
        let mut rows = prepared.query(parameters).map_err(fault)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let values = (0..columns).map(|column| from_sqlite(row.get_ref(column)?));
            found.push(Row::new(values.collect::<Result<_, _>>().map_err(fault)?));
        }
        Ok(found)
    }

    fn change(&self, statement: &str, parameters: Vec<Value>) -> Result<u64, StoreError> {
        let parameters = params_from_iter(parameters.into_iter().map(to_sqlite));
        let changed = self.0.execute(statement, parameters).map_err(|fault| explain(&fault))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }
}

impl Session for SqliteSession<'_> {
    fn rows(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send {
        ready(self.query(statement, parameters))
    }

    fn execute(
        &mut self,
        statement: &'static str,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        ready(self.change(statement, parameters))
    }
}

fn to_sqlite(value: Value) -> SqliteValue {
    match value {
        Value::Null => SqliteValue::Null,
        Value::Integer(number) => SqliteValue::Integer(number),
        Value::Text(text) => SqliteValue::Text(text),
        Value::Bytes(bytes) => SqliteValue::Blob(bytes),
    }
}

fn from_sqlite(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(_) => return Err(rusqlite::Error::InvalidQuery),
        // Text that is damaged is not text: the one row cannot be read.
        ValueRef::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Bytes(bytes.into()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    })
}

/// What a fault of SQLite means for the store.
fn explain(fault: &rusqlite::Error) -> StoreError {
    let text = fault.to_string();
    match fault.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unavailable(text),
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => StoreError::Unwritable(text),
        _ => StoreError::Broken(text),
    }
}
