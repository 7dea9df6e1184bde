//! What only the store in PostgreSQL has to stand: a database that goes away, hangs or says no; several replicas.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tdattest_pccs::store::postgres::{Postgres, PostgresSettings};
use tdattest_pccs::store::{Changed, RegistrationState, Store, StoreError};

use crate::postgres_server::{PostgresServer, own};
use crate::suite::{Anything, certificate, key, platform, registration, run};

async fn connect(address: &str) -> Result<Postgres, StoreError> {
    Postgres::connect(&PostgresSettings::new(address)).await
}

fn name(address: &str) -> &str {
    address.rsplit_once('/').unwrap().1
}

#[test]
fn what_was_kept_is_there_after_a_crash_of_the_database() {
    let Some(server) = PostgresServer::start() else { return };
    let address = server.new_database();
    run(async {
        let store = connect(&address).await.unwrap();
        store.put_platform(&platform("A", 1), &[certificate(1)]).await.unwrap();
        let lease = store.try_lease("refresh").await.unwrap();
        assert!(lease.is_some());

        server.crash();
        let fault = store.platform(&key("A")).await.unwrap_err();
        assert!(matches!(fault, StoreError::Unavailable(_)), "{fault}");
        let fault = store.try_lease("another").await.map(|_| ()).unwrap_err();
        assert!(matches!(fault, StoreError::Unavailable(_)), "{fault}");
        let fault = connect(&address).await.unwrap_err();
        assert!(matches!(fault, StoreError::Unavailable(_)), "{fault}");

        server.resume();
        let (_, kept) = store.certificates(&key("A")).await.unwrap().unwrap();
        assert_eq!(kept, [certificate(1)]);
        store.put("https://a/", b"").await.unwrap();
        // The lease went with the session that it belonged to.
        let other = connect(&address).await.unwrap();
        assert!(other.try_lease("refresh").await.unwrap().is_some());
        assert!(store.try_lease("another").await.unwrap().is_some());
        drop(lease);
    });
}

#[test]
fn gives_up_at_its_deadline_when_the_database_hangs() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    run(async {
        let settings = PostgresSettings {
            deadline: Duration::from_secs(3),
            ..PostgresSettings::new(&address)
        };
        let store = Postgres::connect(&settings).await.unwrap();
        store.put("https://a/", b"").await.unwrap();

        // Another client holds what every change needs.
        let (rival, connection) =
            tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        rival.batch_execute("BEGIN; UPDATE change_counter SET newest = newest").await.unwrap();
        let fault = store.put("https://a/", b"changed").await.unwrap_err();
        assert!(matches!(fault, StoreError::Unavailable(_)), "{fault}");
        // Whoever does not need it goes on.
        assert_eq!(store.found("https://a/").await.unwrap().as_deref(), Some(&b""[..]));
        rival.batch_execute("COMMIT").await.unwrap();
        store.put("https://a/", b"changed").await.unwrap();
        drop(rival);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_call_that_nobody_waits_for_disturbs_no_other() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    run(async {
        let settings = PostgresSettings { connections: 2, ..PostgresSettings::new(&address) };
        let store = Arc::new(Postgres::connect(&settings).await.unwrap());
        for number in 0..40 {
            let uri = number.to_string();
            // Begun, and given up after a few steps.
            for _ in 0..number % 5 {
                let put = store.put(&uri, b"");
                let _ = tokio::time::timeout(Duration::from_millis(number), put).await;
                let lease = store.try_lease("refresh");
                let _ = tokio::time::timeout(Duration::from_micros(number * 50), lease).await;
            }
            assert_eq!(store.found("https://unknown/").await.unwrap(), None);
        }
        store.put("https://a/", b"").await.unwrap();
        while store.try_lease("refresh").await.unwrap().is_none() {}
    });
}

/// A store that gives nothing up on a machine that is slow, and another client that has done this.
async fn beside(address: &str, rival_does: &str) -> (Arc<Postgres>, tokio_postgres::Client) {
    let deadline = Duration::from_secs(120);
    let settings = PostgresSettings { deadline, ..PostgresSettings::new(address) };
    let store = Arc::new(Postgres::connect(&settings).await.unwrap());
    let (rival, connection) =
        tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    rival.batch_execute(rival_does).await.unwrap();
    (store, rival)
}

/// The server's process of the one connection that waits for another client.
fn until_one_waits(server: &PostgresServer, database: &str) -> String {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
    );
    loop {
        let pid = server.sql("postgres", &sql);
        if !pid.is_empty() {
            return pid;
        }
    }
}

/// Waits until a process is done; whether its connection is still there.
fn stays(server: &PostgresServer, pid: &str) -> bool {
    let sql = format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}");
    loop {
        match &*server.sql("postgres", &sql) {
            "idle" => return true,
            "" => return false,
            _ => {}
        }
    }
}

#[test]
fn whoever_stops_waiting_costs_no_connection() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    drop(run(connect(&address)).unwrap());
    run(async {
        let holds = "BEGIN; UPDATE change_counter SET newest = newest";
        let (store, rival) = beside(&address, holds).await;
        let putting = Arc::clone(&store);
        let put = tokio::spawn(async move { putting.put("https://a/", b"").await });
        let pid = until_one_waits(&server, name(&address));
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        rival.batch_execute("COMMIT").await.unwrap();
        assert!(stays(&server, &pid));
        // What was begun was done.
        assert_eq!(store.found("https://a/").await.unwrap().as_deref(), Some(&b""[..]));
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_not_taken() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    run(async {
        let (state, queued) = (RegistrationState::New, registration("A", 1));
        let store = connect(&address).await.unwrap();
        store.register(&queued, state).await.unwrap();
        let holds = "BEGIN; SELECT * FROM registrations FOR UPDATE";
        let (store, rival) = beside(&address, holds).await;
        let taking = Arc::clone(&store);
        let take = tokio::spawn(async move { taking.take_registrations(state).await });
        let pid = until_one_waits(&server, name(&address));
        take.abort();
        assert!(take.await.unwrap_err().is_cancelled());
        rival.batch_execute("COMMIT").await.unwrap();
        assert!(stays(&server, &pid));
        assert_eq!(store.take_registrations(state).await.unwrap(), [queued]);
    });
}

#[test]
fn more_calls_than_there_is_room_for_wait_and_leave_nothing_behind() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    drop(run(connect(&address)).unwrap());
    run(async {
        let holds = "BEGIN; UPDATE change_counter SET newest = newest";
        let (store, rival) = beside(&address, holds).await;
        let mut waiting = Vec::new();
        for _ in 0..400 {
            let mut put = store.put("https://a/", b"");
            let polled = poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
            assert!(polled.is_pending());
            waiting.push(put);
        }
        // What nobody waits for is not begun, and those who wait behind it have their turn.
        let last = waiting.pop().unwrap();
        drop(waiting);
        rival.batch_execute("COMMIT").await.unwrap();
        last.await.unwrap();
        store.ping().await.unwrap();
    });
}

#[test]
fn replicas_that_start_at_once_make_the_schema_once() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    run(async {
        let mut replicas = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let address = address.clone();
            replicas.spawn(async move { connect(&address).await.map(drop) });
        }
        for replica in replicas.join_all().await {
            replica.unwrap();
        }
    });
    assert_eq!(server.sql(name(&address), "SELECT count(*) FROM schema_steps"), "2");
}

#[test]
fn refuses_a_schema_that_it_does_not_know() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    let refused = || run(connect(&address)).unwrap_err();
    drop(run(connect(&address)).unwrap());
    server.sql(name(&address), "INSERT INTO schema_steps VALUES (3, 'newer')");
    assert_eq!(refused(), StoreError::Schema { found: 3, expected: 2 });
    server.sql(name(&address), "DELETE FROM schema_steps WHERE version = 3");
    server.sql(name(&address), "UPDATE schema_steps SET checksum = ''");
    assert_eq!(refused(), StoreError::Migration { version: 1 });
}

#[test]
fn a_database_that_only_reads_says_so() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    drop(run(connect(&address)).unwrap());
    let name = name(&address);
    server
        .sql("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    run(async {
        // A replica that could keep nothing does not start.
        let fault = connect(&address).await.err();
        assert!(matches!(fault, Some(StoreError::Unwritable(_))), "{fault:?}");
    });
}

#[test]
fn writes_again_once_its_database_does() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    let name = name(&address);
    run(async {
        let store = connect(&address).await.unwrap();
        let reads_only = |is: &str| {
            let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {is}");
            server.sql("postgres", &sql);
        };
        reads_only("on");
        let ended = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        server.sql("postgres", &ended);
        // Until the connection that was ended is noticed and there is a new one.
        while !matches!(store.put("https://a/", b"").await, Err(StoreError::Unwritable(_))) {}
        reads_only("off");
        store.put("https://b/", b"").await.unwrap();
    });
}

#[test]
fn tells_whoever_is_too_far_behind_to_drop_everything() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    run(async {
        let store = connect(&address).await.unwrap();
        let start = store.changes(0).await.unwrap().cursor;
        store.put("https://a/", b"").await.unwrap();
        server.sql(name(&address), "UPDATE change_counter SET newest = newest + 10000");
        store.put("https://b/", b"").await.unwrap();
        let changes = store.changes(start).await.unwrap();
        assert_eq!(changes.list, [Changed::Everything]);
        assert_eq!(server.sql(name(&address), "SELECT count(*) FROM changes"), "1");
        let newest = store.changes(changes.cursor - 1).await.unwrap();
        assert_eq!(newest.list, [Changed::Platform(key("https://b/"))]);
    });
}

#[test]
fn tells_a_mistake_in_the_address_from_what_the_server_refuses() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    drop(run(connect(&address)).unwrap());
    let refused = |address: &str| {
        let fault = run(connect(address)).unwrap_err();
        assert!(matches!(fault, StoreError::Refused(_)), "{fault}");
    };
    let mistaken = run(connect("postgres://a:b:c")).unwrap_err();
    assert!(matches!(mistaken, StoreError::Misconfigured(_)), "{mistaken}");
    refused(&address.replace(name(&address), "no_such_database"));
    // A role without rights to the tables.
    let role = format!("guest_of_{}", name(&address));
    server.sql(name(&address), &format!("CREATE ROLE {role} LOGIN"));
    refused(&address.replace("tdattest@", &format!("{role}@")));
}

#[test]
fn keeps_its_password_to_itself() {
    let Some(server) = PostgresServer::shared() else { return };
    let address = server.new_database();
    let elsewhere = address.replace("tdattest@", "nobody-there:swordfish@");
    let fault = run(connect(&elsewhere)).unwrap_err();
    assert!(matches!(fault, StoreError::Refused(_)), "{fault}");
    assert!(!format!("{fault} {fault:?}").contains("swordfish"), "{fault}");
    let with_password = address.replace("tdattest@", "tdattest:swordfish@");
    let store = run(connect(&with_password)).unwrap();
    assert!(!format!("{store:?}").contains("swordfish"), "{store:?}");
}

/// A certificate for a name, PEM, with its key; it is its own authority.
fn certificate_for(host: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn speaks_tls_with_the_server_that_it_knows_and_with_no_other() {
    let (certificate, private_key) = certificate_for("localhost");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = [format!("port={port}"), "listen_addresses=127.0.0.1".into(), "ssl=on".into()];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = PostgresServer::start_with(&settings, |data| {
        for (name, text) in [("server.crt", &certificate), ("server.key", &private_key)] {
            std::fs::write(data.join(name), text).unwrap();
            own(&data.join(name));
        }
    });
    let Some(_server) = server else { return };
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let connect = |host: &str, ca: &str| {
        std::fs::write(&ca_file, ca).unwrap();
        let address = format!(
            "host={host} hostaddr=127.0.0.1 port={port} user=tdattest dbname=postgres sslmode=verify-full"
        );
        let ca_file = Some(ca_file.clone());
        run(async {
            let settings = PostgresSettings { ca_file, ..PostgresSettings::new(&address) };
            Postgres::connect(&settings).await?.ping().await
        })
    };
    assert_eq!(connect("localhost", &certificate), Ok(()));
    for (host, ca) in
        [("example.org", &certificate), ("localhost", &certificate_for("localhost").0)]
    {
        let fault = connect(host, ca).unwrap_err();
        assert!(matches!(fault, StoreError::Unavailable(_)), "{fault}");
    }
    assert!(matches!(connect("localhost", "").unwrap_err(), StoreError::Misconfigured(_)));
}
