//! The attester outside a TD: what it reads, what it asks, and what it says when it gets nothing.

mod config;
mod no_td;
mod run_time_log;
mod scripted_qgs;
