//! What only the store in a file has to stand: other processes, a full disk, a killed process, other files.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tdattest_pccs::store::sqlite::Sqlite;
use tdattest_pccs::store::{Changed, RegistrationState, Role, Store, StoreError, Token};
use tdattest_pccs::wire::pcs::{PckCa, PcsRequest};
use tokio::time::timeout;

use crate::suite::{Anything, at, certificate, document, key, platform, registration, run};

fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("pccs.db")
}

/// The database as another program sees it.
fn raw(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

#[test]
fn what_was_kept_is_there_after_opening_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    run(store.put_platform(&platform("A", 1), &[certificate(1)])).unwrap();
    let cursor = run(store.changes(0)).unwrap().cursor;
    drop(store);
    let store = Sqlite::open(&file(&folder)).unwrap();
    let (_, kept) = run(store.certificates(&key("A"))).unwrap().unwrap();
    assert_eq!(kept, [certificate(1)]);
    assert_eq!(run(store.changes(cursor)).unwrap().list, []);
}

#[test]
fn nobody_else_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    run(store.put("https://a/", b"")).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{:?} {mode:o}", file.path());
        assert_eq!(mode & 0o020, 0, "{:?} {mode:o}", file.path());
    }
}

#[test]
fn is_not_made_by_whoever_looks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let fault = Sqlite::open_existing(&file(&folder)).unwrap_err();
    assert_eq!(fault, StoreError::Absent(file(&folder).display().to_string()));
    assert!(!file(&folder).exists());
    drop(Sqlite::open(&file(&folder)).unwrap());
    Sqlite::open_existing(&file(&folder)).unwrap();
}

#[test]
fn a_database_of_version_1_loses_a_table_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    run(Sqlite::open(&file(&folder)).unwrap().put("A", b"kept")).unwrap();
    let older =
        "CREATE TABLE crls (uri BLOB PRIMARY KEY, crl BLOB NOT NULL, fetched_at INTEGER NOT NULL);
        DELETE FROM schema_steps WHERE version = 2;";
    raw(&file(&folder)).execute_batch(older).unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    assert_eq!(run(store.found("A")).unwrap().as_deref(), Some(&b"kept"[..]));
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'crls'";
    let tables: i64 = raw(&file(&folder)).query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn refuses_a_schema_that_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    drop(Sqlite::open(&file(&folder)).unwrap());
    raw(&file(&folder)).execute("INSERT INTO schema_steps VALUES (3, 'newer')", []).unwrap();
    let fault = Sqlite::open(&file(&folder)).unwrap_err();
    assert_eq!(fault, StoreError::Schema { found: 3, expected: 2 });
    let changed =
        "DELETE FROM schema_steps WHERE version = 3; UPDATE schema_steps SET checksum = ''";
    raw(&file(&folder)).execute_batch(changed).unwrap();
    let fault = Sqlite::open(&file(&folder)).unwrap_err();
    assert_eq!(fault, StoreError::Migration { version: 1 });
}

#[test]
fn refuses_files_that_are_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Sqlite::open(path).unwrap_err();
    raw(&folder.path().join("other.db")).execute("CREATE TABLE pck_cert (a)", []).unwrap();
    assert!(matches!(refused(&folder.path().join("other.db")), StoreError::Broken(_)));
    std::fs::write(folder.path().join("text"), "no database, but a text of some length").unwrap();
    assert!(matches!(refused(&folder.path().join("text")), StoreError::Broken(_)));
    assert!(matches!(refused(folder.path()), StoreError::Unwritable(_)));
    assert!(matches!(refused(&folder.path().join("no/folder")), StoreError::Unwritable(_)));
}

#[test]
fn waits_for_another_process_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&file(&folder)).unwrap());
    let other = raw(&file(&folder));
    other.execute_batch("BEGIN IMMEDIATE; UPDATE change_counter SET newest = newest").unwrap();
    run(async {
        let here = Arc::clone(&store);
        let put = tokio::spawn(async move { here.put("https://a/", b"").await });
        // Readers are not kept waiting.
        assert_eq!(store.names().await.unwrap(), [""; 0]);
        assert!(!put.is_finished());
        other.execute_batch("COMMIT").unwrap();
        put.await.unwrap().unwrap();
        assert_eq!(store.names().await.unwrap(), ["https://a/"]);
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    let other = raw(&file(&folder));
    run(async {
        store.register(&registration("A", 1), RegistrationState::New).await.unwrap();
        other.execute_batch("BEGIN IMMEDIATE; UPDATE change_counter SET newest = newest").unwrap();
        // The first may have begun, and waits for the file; the others wait for their turn.
        let gone = timeout(Duration::ZERO, store.take_registrations(RegistrationState::New)).await;
        assert!(gone.is_err(), "{gone:?}");
        let gone = timeout(Duration::ZERO, store.put("https://a/", b"")).await;
        assert!(gone.is_err(), "{gone:?}");
        let gone = timeout(Duration::ZERO, store.take_registrations(RegistrationState::New)).await;
        assert!(gone.is_err(), "{gone:?}");
        other.execute_batch("COMMIT").unwrap();

        let taken = store.take_registrations(RegistrationState::New).await.unwrap();
        assert_eq!(taken, [registration("A", 1)], "nobody heard of it before");
        assert_eq!(store.names().await.unwrap(), [""; 0]);
        assert_eq!(store.take_registrations(RegistrationState::New).await.unwrap(), []);
    });
}

#[test]
fn a_lease_that_cannot_be_made_as_a_file_holds_in_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    std::fs::write(folder.path().join("pccs.db-leases"), "no folder").unwrap();
    run(async {
        let held = store.try_lease("refresh").await.unwrap();
        assert!(held.is_some(), "fetching goes on");
        assert!(store.try_lease("refresh").await.unwrap().is_none(), "one at a time");
        assert!(store.try_lease("another").await.unwrap().is_some());
        drop(held);
        assert!(store.try_lease("refresh").await.unwrap().is_some());
    });
}

#[test]
fn a_full_disk_is_an_answer_and_costs_nothing_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open_bounded(&file(&folder), 512 * 1024).unwrap();
    run(async {
        store.put("https://a/", b"kept").await.unwrap();
        let fault = store.put("https://b/", &[0; 1024 * 1024]).await.unwrap_err();
        assert!(matches!(fault, StoreError::Unwritable(_)), "{fault}");
        assert_eq!(store.found("https://a/").await.unwrap().as_deref(), Some(&b"kept"[..]));
        assert_eq!(store.found("https://b/").await.unwrap(), None);
        store.put("https://c/", b"small").await.unwrap();
    });
}

#[test]
fn tells_whoever_is_too_far_behind_to_drop_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    run(async {
        let start = store.changes(0).await.unwrap().cursor;
        store.put("https://a/", b"").await.unwrap();
        raw(&file(&folder))
            .execute("UPDATE change_counter SET newest = newest + 10000", [])
            .unwrap();
        store.put("https://b/", b"").await.unwrap();
        let changes = store.changes(start).await.unwrap();
        assert_eq!(changes.list, [Changed::Everything]);
        let kept = "SELECT count(*) FROM changes";
        let kept: i64 = raw(&file(&folder)).query_row(kept, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1, "the older one is forgotten");
        let newest = store.changes(changes.cursor - 1).await.unwrap();
        assert_eq!(newest.list, [Changed::Platform(key("https://b/"))]);
    });
}

#[test]
fn a_row_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder)).unwrap();
    run(async {
        let kept = document(PcsRequest::RootCaCrl, 1, None);
        store.put_document(&kept, false).await.unwrap();
        store
            .put_document(&document(PcsRequest::PckCrl(PckCa::Platform), 1, None), false)
            .await
            .unwrap();
        for name in ["A", "B"] {
            store.put_platform(&platform(name, 1), &[certificate(1)]).await.unwrap();
        }
        for name in ["alice", "bob"] {
            let (role, hash) = (Role::User, "hash".into());
            let token = Token { name: name.into(), role, hash, created: at(0) };
            store.put_token(&token).await.unwrap();
        }
        let start = store.changes(0).await.unwrap().cursor;
        let newer = "UPDATE documents SET request = '/sgx/certification/v9/x' WHERE request LIKE '%pckcrl%';
            UPDATE platforms SET ca = 'moon' WHERE qe_id = CAST('A' AS BLOB);
            UPDATE tokens SET role = 'auditor' WHERE name = 'alice';
            UPDATE change_counter SET newest = newest + 1;
            INSERT INTO changes SELECT newest, 'document', CAST('/sgx/certification/v9/x' AS BLOB), x''
                FROM change_counter;";
        raw(&file(&folder)).execute_batch(newer).unwrap();
        let token = store.tokens().await.unwrap().remove(0);
        store.put_token(&token).await.unwrap();

        let documents = store.documents().await.unwrap();
        let documents: Vec<_> = documents.iter().map(|state| state.request).collect();
        assert_eq!(documents, [PcsRequest::RootCaCrl]);
        let platforms = store.platforms(&[]).await.unwrap();
        assert_eq!(platforms, [(platform("B", 1), vec![])]);
        let tokens = store.tokens().await.unwrap();
        assert_eq!(tokens.iter().map(|token| &*token.name).collect::<Vec<_>>(), ["bob"]);
        let changes = store.changes(start).await.unwrap();
        assert_eq!(changes.list, [Changed::Everything, Changed::Tokens]);
    });
}

/// The file of the process that is going to be killed.
const KILLED: &str = "TDATTEST_TEST_KILLED_STORE";

/// Not a test of its own: what the next one starts as another process, and kills.
#[test]
#[allow(clippy::print_stdout)] // that is how it acknowledges
fn keeps_and_tells_until_it_is_killed() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let store = Sqlite::open(Path::new(&path)).unwrap();
    run(async {
        let _lease = store.try_lease("refresh").await.unwrap().unwrap();
        for number in 0_u64.. {
            let crl = vec![7; 20_000];
            store.put(&format!("https://{number}/"), &crl).await.unwrap();
            println!("kept https://{number}/");
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "only_sqlite::keeps_and_tells_until_it_is_killed", "--nocapture"])
        .env(KILLED, file(&folder))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(killed.stdout.take().unwrap()).lines().map(Result::unwrap);
    let kept = lines.filter_map(|line| line.split_once("kept ").map(|(_, uri)| uri.to_owned()));
    let mut kept = kept.fuse();
    let mut acknowledged: Vec<String> = kept.by_ref().take(60).collect();
    assert_eq!(acknowledged.len(), 60);
    killed.kill().unwrap();
    killed.wait().unwrap();
    acknowledged.extend(kept);

    let store = Sqlite::open(&file(&folder)).unwrap();
    run(async {
        for uri in &acknowledged {
            let crl = store.found(uri).await.unwrap();
            assert_eq!(crl, Some(vec![7; 20_000]), "{uri} was acknowledged");
        }
        assert!(store.try_lease("refresh").await.unwrap().is_some(), "it is nobody's now");
    });
    let check = "PRAGMA integrity_check";
    let check: String = raw(&file(&folder)).query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
