//! What the verifier does with what the simulator mints, beside the faults: statuses, and what a peer says.

mod case;
mod convergence;
mod evaluator;
mod peer;
mod relaunch;
