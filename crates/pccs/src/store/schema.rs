//! The steps that bring a database to the shape that this version writes, each known by its checksum.
//!
//! Must stay true: a step that was published is never changed, only followed by another; the texts of one version do
//! the same in both databases.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::StoreError;

/// The steps for SQLite, from version 1 on.
pub(super) const SQLITE: &[&str] =
    &[include_str!("migrations/sqlite/1.sql"), include_str!("migrations/sqlite/2.sql")];

/// The steps for PostgreSQL, from version 1 on.
pub(super) const POSTGRES: &[&str] =
    &[include_str!("migrations/postgres/1.sql"), include_str!("migrations/postgres/2.sql")];

/// The table of the steps that were taken.
pub(super) const CREATE_TAKEN: &str =
    "CREATE TABLE IF NOT EXISTS schema_steps (version BIGINT PRIMARY KEY, checksum TEXT NOT NULL)";

/// The checksums of the steps that were taken, in their order.
pub(super) const TAKEN: &str = "SELECT checksum FROM schema_steps ORDER BY version";

/// Remembers that a step was taken.
pub(super) const TAKE: &str = "INSERT INTO schema_steps (version, checksum) VALUES ($1, $2)";

/// A step that has to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The version that it leads to.
    pub(super) version: i64,
    /// What to do.
    pub(super) text: &'static str,
    /// What it is known by.
    pub(super) checksum: String,
}

/// The steps that a database still lacks.
///
/// # Errors
/// When it has steps that this version does not know.
pub(super) fn missing(steps: &[&'static str], taken: &[String]) -> Result<Vec<Step>, StoreError> {
    if taken.len() > steps.len() {
        return Err(StoreError::Schema { found: count(taken), expected: count(steps) });
    }
    let mut missing = Vec::new();
    for ((version, text), index) in (1_i64..).zip(steps).zip(0_usize..) {
        let checksum = checksum(text);
        match taken.get(index) {
            Some(taken) if *taken == checksum => {}
            Some(_) => return Err(StoreError::Migration { version }),
            None => missing.push(Step { version, text, checksum }),
        }
    }
    Ok(missing)
}

fn checksum(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

fn count<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[&str] = &["one", "two"];

    fn taken(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| checksum(text)).collect()
    }

    #[test]
    fn takes_the_steps_that_are_missing_and_no_others() {
        let versions = |texts: &[&str]| -> Vec<i64> {
            missing(STEPS, &taken(texts)).unwrap().iter().map(|step| step.version).collect()
        };
        assert_eq!(versions(&[]), [1, 2]);
        assert_eq!(versions(&["one"]), [2]);
        assert_eq!(versions(&["one", "two"]), [0; 0]);
    }

    #[test]
    fn refuses_steps_that_it_does_not_know() {
        assert_eq!(
            missing(STEPS, &taken(&["one", "two", "three"])),
            Err(StoreError::Schema { found: 3, expected: 2 })
        );
        assert_eq!(
            missing(STEPS, &taken(&["one", "deux"])),
            Err(StoreError::Migration { version: 2 })
        );
    }

    #[test]
    fn both_databases_have_the_same_versions() {
        assert_eq!(SQLITE.len(), POSTGRES.len());
    }

    /// Fails when a step that databases already have was changed: write another step instead.
    #[test]
    fn published_steps_are_as_they_were() {
        let known = |steps: &[&str]| -> Vec<String> {
            steps.iter().map(|step| checksum(step)[..16].to_owned()).collect()
        };
        assert_eq!(known(SQLITE), ["27b6ff82e5b45a63", "d3d35f142bd65dc5"]);
        assert_eq!(known(POSTGRES), ["d58bb88dded95643", "d3d35f142bd65dc5"]);
    }
}
