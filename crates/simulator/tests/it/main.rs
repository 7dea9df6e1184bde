//! What the simulator mints, read back with the formats crate alone: no verifier has a say here.

mod documents;
mod faults;
mod folder;
mod overrides;
mod pki;
mod quotes;
mod td;

use tdattest_simulator::wire::time::UnixTime;
use tdattest_simulator::{Platform, Seed};

fn platform() -> Platform {
    Platform::new(Seed::of("tests of the simulator"))
}

fn at() -> UnixTime {
    "2026-11-01T12:34:56Z".parse().unwrap()
}
