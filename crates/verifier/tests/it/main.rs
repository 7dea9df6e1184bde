//! What the verifier does with production quotes, whole and tampered with.
//!
//! One binary, so that its tests share the machine's threads. `S17` in a test's comment is the row
//! of the list of flaws that verifiers of this kind have had (`docs/past-failures.md`).

mod appraisal;
mod chains;
mod corpus;
mod crypto;
mod documents;
mod flipped_bits;
mod own_chains;
mod own_pki;
mod own_quotes;
mod own_tcb;
mod peer;
mod prepared;
mod samples;
mod swapped;
mod time;
