//! A client: asks for what is cached, registers platforms, and moves over when its replica is gone.

use std::collections::BTreeMap;

use super::replica::{Answer, Replicas, encrypted_ppid, qe_id};
use super::tally::{Phase, Tally};

/// Of so many clients one registers platforms.
pub(crate) const REGISTERS: usize = 4;

/// What a client asks for in a phase. It does not ask on and on: then it would be the load that is tested.
pub(crate) const ASKS: usize = 20;

/// Platforms that a client may register.
const PLATFORMS: usize = 1_000;

/// Asks in every phase until it is told to stop, and notes what was wrong.
pub(crate) fn run(
    number: usize,
    setup: &Replicas,
    cached: &BTreeMap<String, Answer>,
    tally: &Tally,
) {
    let mut client = Client { replica: ["a", "b"][number % 2], setup, tally };
    let paths: Vec<_> = cached.iter().collect();
    let registers = number.is_multiple_of(REGISTERS);
    let mut next = number * PLATFORMS + 1;
    let mut current = Some(tally.phase());
    while let Some(phase) = current {
        for round in 0..ASKS {
            let (path, expected) = paths[(number + round) % paths.len()];
            client.ask_cached(path, expected);
        }
        while registers && tally.phase() == phase {
            let acknowledged = client.register(next);
            if acknowledged {
                next += 1;
            }
            // Without a database it is refused again and again.
            if acknowledged || phase == Phase::DatabaseAway {
                break;
            }
        }
        current = tally.phase_after(phase);
    }
}

struct Client<'a> {
    replica: &'static str,
    setup: &'a Replicas,
    tally: &'a Tally,
}

impl Client<'_> {
    fn ask_cached(&mut self, path: &str, expected: &Answer) {
        match self.setup.try_get(self.replica, path) {
            Some(answer) if answer == *expected => self.tally.cached(),
            Some(answer) => self.tally.wrong_answer(&format!("{path:.80}: {answer:?}")),
            None => self.broken(),
        }
    }

    /// Whether it was acknowledged.
    fn register(&mut self, number: usize) -> bool {
        match self.setup.register(self.replica, number) {
            Some(Answer { status: 200, .. }) => {
                self.tally.registered(qe_id(number));
                return true;
            }
            Some(Answer { status: 503, body, warning }) if body.is_empty() => {
                self.tally.interrupt(encrypted_ppid(number));
                let phase = self.tally.phase();
                if phase == Phase::Both || phase == Phase::OneKilled {
                    self.tally.wrong_answer(&format!("registration: 503 {warning:?}"));
                }
            }
            Some(answer) => self.tally.wrong_answer(&format!("registration: {answer:?}")),
            None => {
                self.tally.interrupt(encrypted_ppid(number));
                self.broken();
            }
        }
        false
    }

    /// Only the one that was killed may break connections.
    fn broken(&mut self) {
        if self.replica == "b" || self.tally.phase() == Phase::Both {
            self.tally.wrong_answer(&format!("{} broke a connection", self.replica));
        }
        self.replica = "b";
    }
}
