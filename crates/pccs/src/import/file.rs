//! The file: opened to read, its version and tables looked at, its rows read within bounds.
//!
//! Must stay true: what is called like a table of Intel's is a table, and holds what it says; every page is read as a
//! part of one table alone; values, rows and the work for all of them have bounds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::percent_decode;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql};
use tdattest_collateral::Authenticate;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::limits;
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use super::budget::Budget;
use super::{ImportError, Item, Refused};
use crate::store::Document;

/// The tables without which it is not Intel's.
const TABLES: [&str; 10] = [
    "crl_cache",
    "enclave_identities",
    "fmspc_tcbs",
    "pck_cert",
    "pck_certchain",
    "pck_crl",
    "pcs_certificates",
    "platform_tcbs",
    "platforms",
    "platforms_registered",
];

/// Largest value, in bytes, and largest row.
const VALUE_BYTES: i32 = 4 * 1024 * 1024;

/// Largest default value of a column, in bytes. Intel's have a word.
const DEFAULT_BYTES: usize = 100;

/// Most rows of a table. A store has room for as many platforms.
const ROWS: usize = 1_000_000;

/// The table that says the version of a database.
const VERSION: &str = "pcs_version";

/// The table that databases have from version 4 on.
const POLICIES: &str = "appraisal_policies";

/// The root's place among the certificates.
pub(super) const ROOT: i64 = 1;

/// Takes one thing; whether more are wanted.
pub(super) type Take<'a> = dyn FnMut(Item) -> bool + 'a;

/// A database of Intel's PCCS.
pub(super) struct Source {
    connection: Connection,
    budget: Budget,
    pub(super) authenticate: Arc<dyn Authenticate>,
    pub(super) now: UnixTime,
    /// The CA certificates, PEM.
    certificates: BTreeMap<i64, Vec<u8>>,
    version: i64,
}

impl Source {
    /// Opens a database and sees whether it is Intel's.
    pub(super) fn open(
        path: &Path,
        authenticate: Arc<dyn Authenticate>,
        now: UnixTime,
    ) -> Result<Self, ImportError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|fault| read(&fault))?;
        // Before it looks at anything.
        connection
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)
            .map_err(|fault| read(&fault))?;
        let budget = Budget::of(path);
        budget.bound(&connection).map_err(|fault| read(&fault))?;
        let settings = "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000; BEGIN";
        connection.execute_batch(settings).map_err(|fault| read(&fault))?;
        let certificates = BTreeMap::new();
        let mut source = Self { connection, budget, authenticate, now, certificates, version: 0 };
        source.version = source.known_version()?;
        source.check_pages()?;
        source.certificates = source.ca_certificates()?;
        Ok(source)
    }

    /// Reads everything.
    pub(super) fn read(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        self.documents(take)?;
        self.platforms(take)?;
        self.registrations(take)?;
        if self.version >= 4 {
            self.policies(take)?;
        }
        Ok(())
    }

    fn known_version(&self) -> Result<i64, ImportError> {
        // A view could be without an end, a virtual table anything.
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%' LIMIT 1000";
        let mut found = Vec::new();
        self.rows(tables, &[], &mut |row| {
            found.extend(text(row, 0));
            true
        })?;
        for table in [VERSION].into_iter().chain(TABLES) {
            if !found.iter().any(|found| found == table) {
                return Err(ImportError::NotIntels { table });
            }
        }
        let has_policies = found.iter().any(|found| found == POLICIES);
        let read = [VERSION].into_iter().chain(TABLES).chain(has_policies.then_some(POLICIES));
        for table in read {
            self.check_columns(table)?;
        }
        let mut version = 0;
        self.rows("SELECT db_version FROM pcs_version LIMIT 1", &[], &mut |row| {
            version = integer(row, 0).unwrap_or(0);
            true
        })?;
        match version {
            3 => Ok(version),
            4 | 5 if has_policies => Ok(version),
            4 | 5 => Err(ImportError::NotIntels { table: POLICIES }),
            found => Err(ImportError::Version { found }),
        }
    }

    /// What is computed can be of any size, and take any time; a default value stands once, for any number of rows.
    fn check_columns(&self, table: &'static str) -> Result<(), ImportError> {
        let mut is_computed = false;
        let computed = format!(
            "SELECT 1 FROM pragma_table_xinfo($1) \
             WHERE hidden <> 0 OR octet_length(dflt_value) > {DEFAULT_BYTES} LIMIT 1"
        );
        self.rows(&computed, &[&table], &mut |_| {
            is_computed = true;
            false
        })?;
        if is_computed { Err(ImportError::Computed { table }) } else { Ok(()) }
    }

    /// A page that stands in a table twice, again and again perhaps, would be rows without an end.
    fn check_pages(&self) -> Result<(), ImportError> {
        let mut said = String::from("its pages cannot be checked");
        self.rows("PRAGMA quick_check(1)", &[], &mut |row| {
            // Names stand in it as the file spells them: anything.
            said = shown(row, 0);
            false
        })?;
        if said == "ok" { Ok(()) } else { Err(ImportError::Unreadable(said)) }
    }

    /// The rows of a table by their numbers, oldest first: sorted without what they hold.
    pub(super) fn oldest_first(&self, rows_of: &str) -> Result<Vec<i64>, ImportError> {
        let limit = ROWS.saturating_add(1);
        let statement = format!(
            "SELECT rowid FROM {rows_of} ORDER BY substr(created_time, 1, 40) LIMIT {limit}"
        );
        let mut found = Vec::new();
        self.rows(&statement, &[], &mut |row| {
            found.extend(integer(row, 0));
            true
        })?;
        Ok(found)
    }

    /// Reads rows of a table, one after the other, until no more are wanted.
    pub(super) fn each(
        &self,
        numbers: &[i64],
        statement: &str,
        take: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Result<(), ImportError> {
        for number in numbers {
            let mut more = true;
            self.rows(statement, &[number], &mut |row| {
                more = take(row);
                more
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The column that tells early from standard; older databases have but the one set.
    pub(super) fn update_type(&self) -> &'static str {
        if self.version >= 5 { "update_type" } else { "'STANDARD'" }
    }

    fn ca_certificates(&self) -> Result<BTreeMap<i64, Vec<u8>>, ImportError> {
        let mut certificates = BTreeMap::new();
        let cert = bounded("cert", limits::CHAIN_BYTES);
        let statement = format!("SELECT id, {cert} FROM pcs_certificates LIMIT 100");
        self.rows(&statement, &[], &mut |row| {
            if let (Some(id), Some(cert)) = (integer(row, 0), bytes(row, 1)) {
                // As it came in a header.
                certificates.insert(id, percent_decode(&cert).collect());
            }
            true
        })?;
        Ok(certificates)
    }

    /// The chain of a signer, PEM, the signer first.
    pub(super) fn chain(&self, signer: Option<i64>, root: Option<i64>) -> Option<Vec<u8>> {
        let mut chain = self.certificates.get(&signer?)?.clone();
        if chain.last() != Some(&b'\n') {
            chain.push(b'\n');
        }
        chain.extend_from_slice(self.certificates.get(&root?)?);
        Some(chain)
    }

    /// The root certificate, PEM.
    pub(super) fn root(&self) -> Option<Vec<u8>> {
        self.certificates.get(&ROOT).cloned()
    }

    /// A document with its chain, if it is Intel's.
    pub(super) fn judge(
        &self,
        request: PcsRequest,
        body: Option<Vec<u8>>,
        chain: Option<Vec<u8>>,
        fetched_at: UnixTime,
    ) -> Item {
        let what = || request.path();
        let Some(body) = body else { return refuse(what(), "it is missing, or larger than any") };
        let Some(issuer_chain) = chain else {
            return refuse(what(), "the certificates of its signer are missing");
        };
        let endorsement = Endorsement { request, body, issuer_chain };
        match self.authenticate.endorsement(&endorsement) {
            Ok(validity) => Item::Document(Document { endorsement, validity, fetched_at }),
            Err(why) => refuse(what(), why),
        }
    }

    /// Reads the rows of a statement, until no more are wanted. More than [`ROWS`] are an error.
    pub(super) fn rows(
        &self,
        statement: &str,
        parameters: &[&dyn ToSql],
        take: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Result<(), ImportError> {
        let fault = |fault| read(&fault);
        let mut prepared = self.connection.prepare(statement).map_err(fault)?;
        let mut rows = prepared.query(parameters).map_err(fault)?;
        let mut left = ROWS;
        while let Some(row) = rows.next().map_err(fault)? {
            left = left.checked_sub(1).ok_or_else(|| {
                ImportError::Unreadable(format!("a table has more than {ROWS} rows"))
            })?;
            self.budget.charge_row(row)?;
            if !take(row) {
                break;
            }
        }
        drop(rows);
        self.budget.charge_statement(&prepared)
    }

    /// When a row was written last; now, if it does not say, or says a time to come.
    pub(super) fn time(&self, row: &Row<'_>, column: usize) -> UnixTime {
        let time = text(row, column).and_then(|text| {
            // `2026-01-31 23:59:59.000 +00:00`
            let (date, rest) = text.split_once(' ')?;
            format!("{date}T{}Z", rest.get(..8)?).parse().ok()
        });
        time.unwrap_or(self.now).min(self.now)
    }
}

/// Selects a column only where its size is within a bound.
pub(super) fn bounded(column: &str, most_bytes: usize) -> String {
    // Counted without reading it.
    format!("CASE WHEN octet_length({column}) <= {most_bytes} THEN {column} END")
}

pub(super) fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    row.get_ref(column).ok()?.as_i64().ok()
}

/// Bytes, or the bytes of a text: Intel's service writes either into the same column.
pub(super) fn bytes(row: &Row<'_>, column: usize) -> Option<Vec<u8>> {
    match row.get_ref(column).ok()? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

pub(super) fn text(row: &Row<'_>, column: usize) -> Option<String> {
    String::from_utf8(bytes(row, column)?).ok()
}

/// A value as it stands in a row, for a message.
pub(super) fn shown(row: &Row<'_>, column: usize) -> String {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).chars().take(100).collect(),
        _ => "nothing".into(),
    }
}

pub(super) fn refuse(what: impl Into<String>, why: impl Into<String>) -> Item {
    Item::Refused(Refused::new(&what.into(), &why.into()))
}

fn read(fault: &rusqlite::Error) -> ImportError {
    match fault.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => ImportError::TooMuchWork,
        _ => ImportError::Unreadable(fault.to_string()),
    }
}
