//! Two replicas of `tdattest pccs serve` on one PostgreSQL, and 200 clients, while one replica is killed and the database
//! goes and comes back.
//!
//! What is proven: no answer is wrong, what is cached is answered without the database, nothing that was acknowledged is
//! lost, and what two replicas keep is fetched once.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout)] // the counts, for whoever wants to see them

mod client;
#[path = "../../../pccs/tests/stores/postgres_server.rs"]
mod postgres_server;
mod replica;
#[path = "../samples/mod.rs"]
mod samples;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use postgres_server::PostgresServer;
use replica::{Replica, Replicas};
use samples::Sandbox;
use tally::{Phase, Tally};
use tdattest_simulator::pcs_server::PcsServer;
use tdattest_simulator::{Platform, Seed};
use tdattest_verifier::wire::time::UnixTime;

const CLIENTS: usize = 200;

/// Cached answers, and registrations, that a phase lasts at least.
const CACHED: usize = CLIENTS * client::ASKS - CLIENTS / 2; // each on the killed one is broken off once
const REGISTERED: usize = CLIENTS / client::REGISTERS;

/// Clients that ask for what the killed replica is fetching.
const WAITING: usize = 20;

/// What nobody has asked for before.
const COLD: &str = "/tdx/certification/v4/qe/identity?update=early";

#[test]
fn a_killed_replica_and_a_restarted_database_cost_no_answer_that_is_kept() {
    let Some(database) = PostgresServer::start() else { return };
    let sandbox = Sandbox::new("pccs_replicas");
    let platform = Platform::new(Seed::of("two replicas"));
    let upstream = upstream(&platform);
    let setup = Replicas::new(&sandbox, &platform, &upstream.url(), &database.new_database());
    let killed = setup.start("a");
    let other = setup.start("b");

    let cached = setup.warm(&["a", "b"]);
    let tally = Tally::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (setup, tally, cached) = (&setup, &tally, &cached);
            scope.spawn(move || client::run(number, setup, cached, tally));
        }
        // However the rest ends, the clients are to end.
        let _stop = tally.stop_when_dropped();
        tally.wait(Phase::Both, CACHED, REGISTERED);

        kill_while_it_fetches(&setup, killed, &upstream, &tally);
        tally.wait(Phase::OneKilled, CACHED, REGISTERED);

        tally.enter(Phase::DatabaseAway);
        database.crash();
        tally.wait(Phase::DatabaseAway, CACHED, 0);

        database.resume();
        tally.enter(Phase::DatabaseBack);
        tally.wait(Phase::DatabaseBack, CACHED, REGISTERED);
    });

    println!("{tally}");
    assert_eq!(tally.wrong(), Vec::<String>::new());
    let registered = setup.registered("b");
    let lost: Vec<_> =
        tally.acknowledged().into_iter().filter(|id| !registered.contains(id)).collect();
    assert_eq!(lost, Vec::<String>::new(), "acknowledged, and lost");
    assert_eq!(fetched_too_often(&upstream, &tally), Vec::<String>::new());

    // And all of it is in the database: one that starts now and fetches nothing has it.
    drop(other);
    let _third = setup.start_offline("c");
    for (path, answer) in &cached {
        assert_eq!(setup.get("c", path), *answer, "{path}");
    }
    assert!(setup.registered("c").is_superset(&tally.acknowledged()));
}

/// The PCS, at today's time: its clock is the replicas'.
fn upstream(platform: &Platform) -> PcsServer {
    let now = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        UnixTime::from_secs(now.as_secs()).unwrap()
    };
    PcsServer::start(platform.clone(), &"127.0.0.1:0".parse().unwrap(), Arc::new(now)).unwrap()
}

/// Kills a replica while it waits for the upstream, and clients wait for it; the other one answers them.
fn kill_while_it_fetches(setup: &Replicas, killed: Replica, upstream: &PcsServer, tally: &Tally) {
    upstream.fail("qe-identity=slow:3s,times=1".parse().unwrap());
    let calls = || upstream.requests().iter().filter(|request| request.path == COLD).count();
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..WAITING).map(|_| scope.spawn(|| setup.try_get("a", COLD))).collect();
        while calls() == 0 {
            thread::yield_now();
        }
        tally.enter(Phase::OneKilled);
        drop(killed);
        for client in waiting {
            let heard = client.join().unwrap();
            // It may have been answered, if this machine was busier than the upstream was slow.
            assert!(heard.is_none_or(|answer| answer.status == 200));
        }
        let answered: Vec<_> = (0..WAITING).map(|_| scope.spawn(|| setup.get("b", COLD))).collect();
        for client in answered {
            assert_eq!(client.join().unwrap().status, 200);
        }
    });
    assert!((1..=2).contains(&calls()), "{} calls for one item", calls());
}

/// What the upstream was asked for more often than the failures explain.
fn fetched_too_often(upstream: &PcsServer, tally: &Tally) -> Vec<String> {
    let mut calls = BTreeMap::<String, usize>::new();
    for request in upstream.requests() {
        *calls.entry(request.path).or_default() += 1;
    }
    let interrupted = tally.interrupted();
    let allowed = |path: &str| match path == COLD || {
        let path = path.to_ascii_lowercase();
        interrupted.iter().any(|ppid| path.contains(ppid))
    } {
        true => 2,
        false => 1,
    };
    calls.retain(|path, calls| *calls > allowed(path));
    calls.into_iter().map(|(path, calls)| format!("{calls} calls for {path:.120}")).collect()
}
