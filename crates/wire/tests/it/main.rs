//! What the formats promise: what is written is read back, what is damaged is refused by name and
//! place, and nothing hostile panics or costs more than its bound.
//!
//! `S28` in a test's comment is the row of the list of flaws that verifiers of this kind have had
//! (`docs/past-failures.md`).

mod bounds;
mod certificates;
mod corpus;
mod damaged_quotes;
mod documents;
mod hostile;
mod lenient;
mod lenient_der;
mod made_der;
mod made_documents;
mod made_quotes;
mod no_panic;
mod round_trip;
