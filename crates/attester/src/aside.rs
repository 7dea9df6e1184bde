//! A call that may block for longer than its caller wants to wait: somebody else makes it.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::deadline::Deadline;

/// Makes the call in a thread of its own and waits for it until the deadline.
///
/// A call that is not back by then goes on by itself, with all that it owns.
///
/// # Errors
/// `TimedOut` when the deadline has passed; else why there is no thread for it.
pub(crate) fn within<T: Send + 'static>(
    deadline: &Deadline,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let left = deadline.left().ok_or(io::ErrorKind::TimedOut)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        // Nobody may be there any more.
        let _ = sender.send(call());
    })?;
    receiver.recv_timeout(left).map_err(|fault| match fault {
        RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
        RecvTimeoutError::Disconnected => io::Error::other("the call was given up"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_that_does_not_come_back_costs_no_more_than_the_deadline() {
        let (_held, never) = mpsc::channel::<()>();
        let deadline = Deadline::after(Duration::from_millis(5));
        let kind = within(&deadline, move || never.recv().is_ok()).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_call_that_comes_back_brings_what_it_found() {
        let deadline = Deadline::after(Deadline::DEFAULT);
        assert_eq!(within(&deadline, || 7).unwrap(), 7);
    }

    #[test]
    fn nothing_is_begun_after_the_deadline() {
        let deadline = Deadline::after(Duration::ZERO);
        let kind = within(&deadline, || ()).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }
}
