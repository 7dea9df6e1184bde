//! A caching service for Intel's collateral, with the API of Intel's PCCS, which verifies what it keeps.
//!
//! ```text
//! HTTP ──▶ api ──▶ cache ──▶ store (SQLite, PostgreSQL, memory)
//!                    │ ▲
//!                    ▼ └ refresh, ahead of every nextUpdate
//!                 upstream ──▶ Intel's PCS, or a PCCS
//! ```
//!
//! Source: Intel's PCCS as observed; PCS API v4. Where it departs from Intel's service, `docs/reference/pccs.md` says why.
//! Must stay true: nothing is stored or served that was not verified; one failed document spoils no other; no client
//! waits longer than its deadline.
#![forbid(unsafe_code)]

mod access;
mod answer;
mod api;
pub mod bring;
mod cache;
pub mod config;
mod ending;
mod fill_mode;
mod health;
pub mod import;
mod metrics;
mod openapi;
mod pck_selection;
mod records;
mod refresh;
mod request;
mod server;
mod service;
pub mod store;
pub mod tls;
pub mod tokens;

pub use answer::Answer;
pub use api::{Admission, Clock, Notice, Pccs, Settings, Watcher};
pub use fill_mode::FillMode;
pub use refresh::{RefreshItem, RefreshOutcome, RefreshReport};
pub use request::Request;
pub use server::{Answering, Answers, Limits, ListenAt, ListenError, Listener};
pub use service::{Counters, Parts, Rhythm, Service};
pub use tdattest_collateral as collateral;
pub use tdattest_collateral::wire;
