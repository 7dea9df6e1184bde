//! Are the parts of the Rust toolchain here that not every machine has, and if not, why not?
//!
//! Each answer is `Ok`, or the reason for which a step is skipped.

use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A machine without network may take for ever to say so.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);

/// Sees to it that the standard library of `target` is installed, downloading it if need be.
pub(crate) fn provide_target(target: &str) -> Result<(), String> {
    let installed = output_of(Command::new("rustup").args(["target", "list", "--installed"]))?;
    if lists(&installed, target) {
        return Ok(());
    }
    output_of(Command::new("rustup").args(["target", "add", target]))
        .map(drop)
        .map_err(|why| format!("target {target} cannot be had: {why}"))
}

/// Sees whether nightly Cargo has `subcommand`; `hint` is how to get it.
pub(crate) fn find_nightly(subcommand: &str, hint: &str) -> Result<(), String> {
    output_of(Command::new("cargo").args(["+nightly", "--version"]))
        .map_err(|why| format!("no nightly toolchain: {why}"))?;
    output_of(Command::new("cargo").args(["+nightly", subcommand, "--version"]))
        .map(drop)
        .map_err(|why| format!("no cargo {subcommand} (`{hint}` installs it): {why}"))
}

fn lists(installed: &str, target: &str) -> bool {
    installed.lines().any(|line| line.trim() == target)
}

/// What a command prints; or, when it fails or outlasts the limit, why.
fn output_of(command: &mut Command) -> Result<String, String> {
    let output = wait_within(command, DOWNLOAD_LIMIT)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(last_line(&said).map_or_else(|| output.status.to_string(), str::to_owned))
}

/// Errors are printed last, below progress and warnings.
fn last_line(text: &str) -> Option<&str> {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.strip_prefix("error: ").unwrap_or(line))
}

/// Only for commands that print little: nothing reads their pipes until they end.
fn wait_within(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if start.elapsed() > limit {
            // It may have ended just now, and then there is nothing left to kill.
            drop(child.kill());
            drop(child.wait());
            return Err(format!("no answer within {} s", limit.as_secs()));
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_listed_only_by_its_whole_name() {
        assert!(lists("wasm32-unknown-unknown\nx86_64-unknown-none\n", "x86_64-unknown-none"));
        assert!(!lists("wasm32-unknown-unknown\n", "wasm32"));
    }

    #[test]
    fn the_reason_is_the_last_thing_said() {
        assert_eq!(last_line("info: downloading\nerror: offline\n\n"), Some("offline"));
        assert_eq!(last_line("\n"), None);
    }

    #[test]
    fn a_command_that_is_not_there_is_a_reason_not_a_panic() {
        let why = output_of(&mut Command::new("no-such-command-of-tdattest"));
        assert!(why.unwrap_err().starts_with("no-such-command-of-tdattest: "));
    }
}
