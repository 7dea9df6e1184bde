//! What reading a file may cost, by its size.
//!
//! Must stay true: whatever is done over the whole of an import is charged, however short each statement is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement, StatementStatus};

use super::ImportError;

/// Steps of SQLite's machine after which the budget is looked at within a statement.
const STEPS_AT_ONCE: u16 = 10_000;

/// Steps for a file of any size, and for each byte of it. Tables with Intel's indexes take less than one a byte.
const STEPS: (u64, u64) = (10_000_000, 50);

/// What a statement costs besides its steps: it is parsed.
const STATEMENT: u64 = 1_000;

/// What a byte costs that is read. Every one of a file may be read a few times, and checked to be genuine.
const BYTE_READ: u64 = 10;

/// The steps that are left; cloned, the same ones.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    /// That of a file.
    pub(super) fn of(path: &Path) -> Self {
        // What was written last may stand in a file beside it.
        let mut beside = path.as_os_str().to_owned();
        beside.push("-wal");
        let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let bytes = size(path).saturating_add(size(Path::new(&beside)));
        let (least, a_byte) = STEPS;
        Self(Arc::new(AtomicU64::new(least.saturating_add(bytes.saturating_mul(a_byte)))))
    }

    /// Ends a statement of a connection that goes on when nothing is left.
    pub(super) fn bound(&self, connection: &Connection) -> rusqlite::Result<()> {
        let budget = self.clone();
        let is_used_up = move || budget.charge(STEPS_AT_ONCE.into()).is_err();
        connection.progress_handler(STEPS_AT_ONCE.into(), Some(is_used_up))
    }

    /// Charges a statement that was run for what the connection has not yet charged it for.
    pub(super) fn charge_statement(&self, statement: &Statement<'_>) -> Result<(), ImportError> {
        let steps = statement.get_status(StatementStatus::VmStep);
        let rest = u64::try_from(steps).unwrap_or(0) % u64::from(STEPS_AT_ONCE);
        self.charge(STATEMENT.saturating_add(rest))
    }

    /// Charges for the values of a row.
    pub(super) fn charge_row(&self, row: &Row<'_>) -> Result<(), ImportError> {
        let sizes = (0..row.as_ref().column_count()).map(|column| match row.get_ref(column) {
            Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
            _ => 0,
        });
        let bytes = u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX);
        self.charge(bytes.saturating_mul(BYTE_READ))
    }

    fn charge(&self, steps: u64) -> Result<(), ImportError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(steps);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(ImportError::TooMuchWork) } else { Ok(()) }
    }
}
