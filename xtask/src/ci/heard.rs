//! Runs a command, passes on what it says, and remembers of it what tells why it failed.
//!
//! Must stay true: what is remembered is bounded, and nothing is held back from whoever watches.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

/// Lines of a command that are kept: the last ones.
const LAST: usize = 12;

/// Most lines that are kept because they name a failure.
const NAMED: usize = 120;

/// Lines after the head of a failure that belong to it: what a panic says.
const BELONGING: usize = 6;

/// How a command ended, and what of its output tells why.
pub(super) struct Heard {
    pub(super) status: ExitStatus,
    pub(super) why: String,
}

/// Runs a command to its end. Both of its outputs are passed on, in their order.
pub(super) fn run(mut command: Command, mut to: impl Write) -> io::Result<Heard> {
    let (output, input) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn()?;
    // It holds the other end of the pipe, which would never be closed.
    drop(command);
    let mut ear = Ear::default();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        ear.hear(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(Heard { status: child.wait()?, why: ear.told() })
}

#[derive(Default)]
struct Ear {
    named: Vec<String>,
    last: VecDeque<String>,
    belonging: usize,
}

impl Ear {
    fn hear(&mut self, line: &str) {
        let heads = names_a_failure(line);
        if heads {
            self.belonging = BELONGING;
        }
        if (heads || self.belonging > 0) && self.named.len() < NAMED {
            self.named.push(line.to_owned());
            if !heads {
                self.belonging = self.belonging.saturating_sub(1);
            }
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    fn told(self) -> String {
        let Self { named, last, .. } = self;
        named.into_iter().chain(["...".into()]).chain(last).collect::<Vec<_>>().join("\n")
    }
}

/// The heads under which Cargo, rustc, the test harness and rustfmt say what is wrong.
fn names_a_failure(line: &str) -> bool {
    line.starts_with("error")
        || line.starts_with("Diff in ")
        || line.ends_with("... FAILED")
        || line.contains(" panicked at ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Heard {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, io::sink()).unwrap()
    }

    #[test]
    fn a_failed_test_among_thousands_of_lines_is_told_with_what_its_panic_says() {
        let heard = shell(
            "echo 'test a ... FAILED'; echo \"thread 'a' (1) panicked at a.rs:1:1:\" >&2
             echo 'left: 1'; for i in $(seq 3000); do echo ok; done; exit 101",
        );
        assert_eq!(heard.status.code(), Some(101));
        let failure = "test a ... FAILED\nthread 'a' (1) panicked at a.rs:1:1:\nleft: 1\nok\n";
        assert!(heard.why.starts_with(failure), "{}", heard.why);
        assert!(heard.why.lines().count() < 30, "{}", heard.why);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let heard = shell("for i in $(seq 3000); do echo error; done");
        assert!(heard.status.success());
        assert_eq!(heard.why.lines().count(), NAMED + 1 + LAST);
    }
}
