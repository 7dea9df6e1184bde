//! The `tdattest` command.
fn main() {}
