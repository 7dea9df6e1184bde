//! What the quote provider says while it works: into the log, and into the cause of what fails meanwhile.
//!
//! The provider calls back in the thread that called it, so that each thread hears what belongs to its own call.
//! Must stay true: what is passed on is printable, and has a bound.

use std::cell::RefCell;
use std::collections::VecDeque;

use tracing::Level;

/// Bytes of a message that are read; Intel's provider makes none longer.
pub(super) const LONGEST: usize = 512;

/// How many of the last errors are kept for the cause. One failure is told by two or three.
const KEPT: usize = 4;

/// The numbers of Intel's levels, `sgx_ql_log_level_t`. The greater, the more talkative.
const ERROR: u32 = 0;
const INFORMATION: u32 = 1;

thread_local! {
    static HEARD: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// Does something, and listens to the errors that the provider tells meanwhile.
pub(super) fn attend<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    HEARD.with_borrow_mut(VecDeque::clear);
    let done = work();
    (done, HEARD.take().into())
}

/// The level to ask the provider for.
///
/// What it calls information is every document that it fetches: of use to whoever debugs, and to nobody else.
pub(super) fn level() -> u32 {
    match tracing::enabled!(target: "provider", Level::DEBUG) {
        true => INFORMATION,
        false => ERROR,
    }
}

/// Takes a message.
pub(super) fn hear(level: u32, message: &[u8]) {
    let text = printable(message);
    match level {
        ERROR => {
            tracing::error!(target: "provider", "{text}");
            HEARD.with_borrow_mut(|heard| {
                if heard.len() >= KEPT {
                    heard.pop_front();
                }
                heard.push_back(text);
            });
        }
        INFORMATION => tracing::debug!(target: "provider", "{text}"),
        _ => tracing::trace!(target: "provider", "{text}"),
    }
}

/// One line, without what would move a terminal's cursor.
fn printable(message: &[u8]) -> String {
    let message = message.get(..LONGEST).unwrap_or(message);
    let text = String::from_utf8_lossy(message);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_one_printable_line_of_bounded_length() {
        assert_eq!(printable(b" [QCNL] 404 \n"), "[QCNL] 404");
        assert_eq!(printable(b"a\x1b[31mb\nc\xff"), "a [31mb c\u{fffd}");
        assert_eq!(printable(&[b'x'; 2 * LONGEST]).len(), LONGEST);
    }

    #[test]
    fn the_last_errors_of_a_call_are_kept_and_those_of_another_are_not() {
        hear(ERROR, b"before");
        let ((), heard) = attend(|| {
            for number in 0..=KEPT {
                hear(ERROR, format!("error {number}").as_bytes());
                hear(INFORMATION, b"chatter");
            }
            std::thread::spawn(|| hear(ERROR, b"elsewhere")).join().unwrap();
        });
        assert_eq!(heard, ["error 1", "error 2", "error 3", "error 4"]);
        assert_eq!(attend(|| ()).1, Vec::<String>::new());
    }
}
