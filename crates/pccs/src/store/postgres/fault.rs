//! What a fault of PostgreSQL means for the store.

use std::error::Error;

use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// Says what went wrong, without the values of columns.
pub(super) fn explain(fault: &tokio_postgres::Error) -> StoreError {
    let Some(answer) = fault.as_db_error() else {
        return StoreError::Unavailable(with_causes(fault));
    };
    let code = answer.code();
    // The detail of an answer may repeat what was to be stored; the message does not.
    let text = format!("{} (SQLSTATE {})", answer.message(), code.code());
    if *code == SqlState::DISK_FULL || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return StoreError::Unwritable(text);
    }
    // The role, its password, the database that was named; a right that it lacks.
    let is_refused = ["28", "3D", "42501"].iter().any(|class| code.code().starts_with(class));
    if is_refused {
        return StoreError::Refused(text);
    }
    // Connections, resources, interventions of the operator; a rival's lock; to be tried again.
    let passes = ["08", "53", "57", "55P03", "40"];
    if passes.iter().any(|class| code.code().starts_with(class)) {
        return StoreError::Unavailable(text);
    }
    StoreError::Broken(text)
}

fn with_causes(fault: &tokio_postgres::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}
