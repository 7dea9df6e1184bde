//! One suite for all stores: in memory, in a file, in a database.

#[path = "stores/postgres.rs"]
mod only_postgres;
#[path = "stores/sqlite.rs"]
mod only_sqlite;
#[path = "stores/postgres_server.rs"]
mod postgres_server;
#[path = "stores/suite.rs"]
mod suite;

use std::sync::Arc;

use postgres_server::PostgresServer;
use suite::{Place, run};
use tdattest_pccs::store::memory::Memory;
use tdattest_pccs::store::postgres::{Postgres, PostgresSettings};
use tdattest_pccs::store::sqlite::Sqlite;
use tdattest_pccs::store::{Pending, Store};

/// A module of tests for a store: the whole suite.
macro_rules! whole_suite {
    ($store:ident, $place:expr, [$($test:ident),* $(,)?]) => {
        mod $store {
            use super::*;
            $(
                #[test]
                fn $test() {
                    let Some(place) = $place else { return };
                    run(suite::$test(&place));
                }
            )*
        }
    };
}

macro_rules! every_store {
    ($tests:tt) => {
        whole_suite!(memory, Some(InMemory::default()), $tests);
        whole_suite!(sqlite, Some(InFile::new()), $tests);
        whole_suite!(postgres, InDatabase::new(), $tests);
    };
}

every_store!([
    has_nothing_at_first,
    keeps_each_document_as_it_came,
    keeps_the_newer_edition_unless_told_otherwise,
    keeps_the_newest_of_many_put_at_once,
    keeps_platforms_whatever_their_names,
    replaces_a_platform_with_its_certificates,
    keeps_the_certificates_that_were_fetched_last,
    replaces_certificates_by_none_never,
    remembers_which_certificate_was_chosen,
    remembers_a_bounded_number_of_choices,
    lists_the_platforms_of_families,
    changes_one_platform_from_two_replicas_at_once,
    serves_many_new_platforms_at_once,
    queues_registrations,
    puts_registrations_back_that_did_not_come_anew,
    hands_each_registration_to_one_taker,
    keeps_one_default_policy_of_a_family,
    keeps_one_of_default_policies_put_at_once,
    keeps_tokens_by_role_and_name,
    tells_other_replicas_what_changed,
    tells_whoever_is_elsewhere_to_drop_everything,
    no_reader_of_changes_misses_one,
    gives_a_lease_to_one_holder,
    gives_a_lease_back_when_its_replica_ends,
]);

#[derive(Default)]
struct InMemory(Memory);

impl Place for InMemory {
    fn open(&self) -> Pending<'_, Arc<dyn Store>> {
        let store: Arc<dyn Store> = Arc::new(self.0.clone());
        Box::pin(async { Ok(store) })
    }
}

struct InFile(tempfile::TempDir);

impl InFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Place for InFile {
    fn open(&self) -> Pending<'_, Arc<dyn Store>> {
        let opened = Sqlite::open(&self.0.path().join("pccs.db"));
        Box::pin(async { Ok(Arc::new(opened?) as Arc<dyn Store>) })
    }
}

struct InDatabase {
    settings: PostgresSettings,
    _server: Arc<PostgresServer>,
}

impl InDatabase {
    fn new() -> Option<Self> {
        let server = PostgresServer::shared()?;
        let settings = PostgresSettings::new(&server.new_database());
        Some(Self { settings, _server: server })
    }
}

impl Place for InDatabase {
    fn open(&self) -> Pending<'_, Arc<dyn Store>> {
        Box::pin(async { Ok(Arc::new(Postgres::connect(&self.settings).await?) as Arc<dyn Store>) })
    }
}
