//! The API in front of a simulated PCS: what clients get, what reaches the upstream, and Intel's own recorded answers.

mod altered;
mod away;
mod bundle;
mod cases;
mod certificates;
mod faulty;
mod fetching;
mod keeping;
mod not_available;
mod outage;
mod platforms;
mod refreshing;
mod transcript;
mod transcripts;
