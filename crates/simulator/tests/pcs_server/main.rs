//! The PCS of the simulator: what it answers, how it fails, and that it leaves nothing behind.
//!
//! What it says is tested as a function, how it says it over sockets: TCP on loopback, and Unix.

mod client;
mod endpoints;
mod failures;
mod lies;
mod parameters;
mod serving;

use std::sync::Arc;

use tdattest_simulator::pcs_server::{Answer, PcsServer, Request, api};
use tdattest_simulator::{Platform, Seed};
use tdattest_wire::time::UnixTime;

fn platform() -> Platform {
    Platform::new(Seed::of("the tests of the PCS"))
}

fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn server() -> PcsServer {
    PcsServer::start(platform(), &"127.0.0.1:0".parse().unwrap(), Arc::new(now)).unwrap()
}

/// The answer to a GET, without a server.
fn answer(path: &str) -> Answer {
    api::answer(&platform(), now(), &Request::get(path))
}

/// The status of the answer to a GET, without a server.
fn status(path: &str) -> u16 {
    answer(path).status
}
