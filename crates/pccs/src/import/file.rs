//! The file: opened to read, its version and tables looked at, its rows read within bounds.
//!
//! Must stay true: what is called like a table of Intel's is a table; no value is read before its size is known.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::percent_decode;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, ToSql};
use tdattest_collateral::Authenticate;
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::limits;
use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

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

/// The root's place among the certificates.
pub(super) const ROOT: i64 = 1;

/// Takes one thing; whether more are wanted.
pub(super) type Take<'a> = dyn FnMut(Item) -> bool + 'a;

/// A database of Intel's PCCS.
pub(super) struct Source {
    connection: Connection,
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
        let settings = "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000; BEGIN";
        connection.execute_batch(settings).map_err(|fault| read(&fault))?;
        let certificates = BTreeMap::new();
        let mut source = Self { connection, authenticate, now, certificates, version: 0 };
        source.version = source.known_version()?;
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
        for table in ["pcs_version"].into_iter().chain(TABLES) {
            if !found.iter().any(|found| found == table) {
                return Err(ImportError::NotIntels { table });
            }
        }
        let mut version = 0;
        self.rows("SELECT db_version FROM pcs_version LIMIT 1", &[], &mut |row| {
            version = integer(row, 0).unwrap_or(0);
            true
        })?;
        let has_policies = found.iter().any(|found| found == "appraisal_policies");
        match version {
            3 => Ok(version),
            4 | 5 if has_policies => Ok(version),
            4 | 5 => Err(ImportError::NotIntels { table: "appraisal_policies" }),
            found => Err(ImportError::Version { found }),
        }
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

    /// Reads the rows of a statement, until no more are wanted.
    pub(super) fn rows(
        &self,
        statement: &str,
        parameters: &[&dyn ToSql],
        take: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Result<(), ImportError> {
        let fault = |fault| read(&fault);
        let mut prepared = self.connection.prepare(statement).map_err(fault)?;
        let mut rows = prepared.query(parameters).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            if !take(row) {
                break;
            }
        }
        Ok(())
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
    Item::Refused(Refused { what: what.into(), why: why.into() })
}

fn read(fault: &rusqlite::Error) -> ImportError {
    ImportError::Unreadable(fault.to_string())
}
