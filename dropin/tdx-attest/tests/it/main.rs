//! The replacement of `libtdx_attest`, from the outside and through its seam.
#![allow(clippy::print_stderr, reason = "says what was skipped, and why")]

mod c_compiler;
mod library;
mod order;
mod programs;
mod scripted_td;
mod shared_entry;
mod statuses;
