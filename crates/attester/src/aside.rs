//! A call that may block for longer than its caller wants to wait: somebody else makes it.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

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
    within_and_tidied(deadline, || (call(), ()))
}

/// The same for a call that leaves something to tidy up, by dropping it, which may block as well.
///
/// That happens after the answer is out, in the same thread, and is waited for until the deadline: it can cost time, but
/// never the answer.
///
/// # Errors
/// Those of [`within`].
pub(crate) fn within_and_tidied<T: Send + 'static, L>(
    deadline: &Deadline,
    call: impl FnOnce() -> (T, L) + Send + 'static,
) -> io::Result<T> {
    let left = deadline.left().ok_or(io::ErrorKind::TimedOut)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let (answer, leftover) = call();
        // Nobody may be there any more.
        let _ = sender.send(answer);
        drop(leftover);
        drop(sender);
    })?;
    let answer = receiver.recv_timeout(left).map_err(|fault| match fault {
        RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
        RecvTimeoutError::Disconnected => io::Error::other("the call was given up"),
    })?;
    // Ends with the sender: no second answer ever comes.
    let _ = receiver.recv_timeout(deadline.left().unwrap_or(Duration::ZERO));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc::Receiver};

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

    #[test]
    fn tidying_up_is_waited_for() {
        struct Tidied(Arc<AtomicBool>);
        impl Drop for Tidied {
            fn drop(&mut self) {
                thread::yield_now();
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let tidied = Arc::new(AtomicBool::new(false));
        let leftover = Tidied(Arc::clone(&tidied));
        let deadline = Deadline::after(Deadline::DEFAULT);
        assert_eq!(within_and_tidied(&deadline, || (7, leftover)).unwrap(), 7);
        assert!(tidied.load(Ordering::SeqCst));
    }

    #[test]
    fn tidying_up_that_does_not_end_costs_the_rest_of_the_deadline_and_not_the_answer() {
        struct Stuck(Receiver<()>);
        impl Drop for Stuck {
            fn drop(&mut self) {
                let _ = self.0.recv();
            }
        }
        let (_held, never) = mpsc::channel();
        // Long enough for the answer on a busy machine.
        let deadline = Deadline::after(Duration::from_secs(1));
        assert_eq!(within_and_tidied(&deadline, || (7, Stuck(never))).unwrap(), 7);
    }
}
