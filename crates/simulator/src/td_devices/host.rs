//! The host as the TD's kernel sees it: one buffer for all requests, which the host keeps until it has answered.
//!
//! Source: Linux `drivers/virt/coco/tdx-guest/tdx-guest.c`, `tdx_report_new` and `wait_for_quote_completion`.
//! Must stay true: whoever waits is let go by a signal, by the kernel's patience and when the devices go; what was asked
//! stays with the host even so, and until it is answered every request of this TD finds it busy.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fuser::Errno;
use tdattest_wire::td_report::TdReport;

use super::quote_source::Quoting;

/// How long the kernel waits for a quote.
const KERNEL_PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether a signal has come: FUSE would tell, but `fuser` drops what it tells.
const LOOK: Duration = Duration::from_millis(20);

/// Whoever waits in the kernel for a quote: a thread, 0 for one that cannot be seen from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker(pub(super) u32);

impl Asker {
    /// Whether a signal has come that lets it leave the kernel, such as the end of its process.
    fn is_interrupted(self) -> bool {
        // It cannot have gone while it waits: without its status nothing is known.
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let signals = |name: &str| {
            let digits = status.lines().find_map(|line| line.strip_prefix(name));
            digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
        };
        (signals("SigPnd:") | signals("ShdPnd:")) & !signals("SigBlk:") != 0
    }
}

/// The host of one TD.
#[derive(Clone, Debug)]
pub(super) struct Host(Arc<State>);

#[derive(Debug)]
struct State {
    source: Quoting,
    patience: Duration,
    /// Whether the buffer is the host's.
    in_flight: AtomicBool,
    stopped: Mutex<bool>,
    stopping: Condvar,
}

impl Host {
    pub(super) fn new(source: Quoting) -> Self {
        Self::with_patience(source, KERNEL_PATIENCE)
    }

    fn with_patience(source: Quoting, patience: Duration) -> Self {
        Self(Arc::new(State {
            source,
            patience,
            in_flight: AtomicBool::new(false),
            stopped: Mutex::new(false),
            stopping: Condvar::new(),
        }))
    }

    /// Lets nobody wait any more.
    pub(super) fn stop(&self) {
        *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.stopping.notify_all();
    }

    /// Asks for a quote, which takes this much longer than it must.
    pub(super) fn ask(
        &self,
        report: TdReport,
        delay: Duration,
        asker: Asker,
    ) -> Result<Vec<u8>, Errno> {
        let state = Arc::clone(&self.0);
        if state.in_flight.swap(true, Ordering::SeqCst) {
            return Err(Errno::EBUSY);
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let work = move || {
            let quote = if state.wait(delay) { state.source.quote(&report) } else { None };
            // Before anybody hears of the answer, and asks for the next.
            state.in_flight.store(false, Ordering::SeqCst);
            // Whoever asked may have gone.
            let _ = answer.send(quote);
        };
        if thread::Builder::new().name("host".into()).spawn(work).is_err() {
            self.0.in_flight.store(false, Ordering::SeqCst);
            return Err(Errno::ENOMEM);
        }
        self.0.await_answer(&answered, asker)
    }
}

impl State {
    fn await_answer(
        &self,
        answered: &Receiver<Option<Vec<u8>>>,
        asker: Asker,
    ) -> Result<Vec<u8>, Errno> {
        let start = Instant::now();
        loop {
            match answered.recv_timeout(LOOK) {
                Ok(quote) => return quote.ok_or(Errno::EIO),
                Err(RecvTimeoutError::Disconnected) => return Err(Errno::EIO),
                Err(RecvTimeoutError::Timeout) if self.is_stopped() => return Err(Errno::EIO),
                Err(RecvTimeoutError::Timeout) if asker.is_interrupted() => {
                    return Err(Errno::EINTR);
                }
                Err(RecvTimeoutError::Timeout) if start.elapsed() >= self.patience => {
                    return Err(Errno::ETIMEDOUT);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; false if the devices go before that.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stopping.wait_timeout_while(stopped, time, |stopped| !*stopped);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;
    use crate::seed::Seed;
    use crate::td_devices::QuoteSource;
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    use std::process::{Command, Stdio};
    use tdattest_wire::bytes::ReportData;

    #[test]
    fn what_outlasts_the_kernels_patience_keeps_the_buffer() {
        let platform = Platform::new(Seed::of("a host"));
        let source = Quoting::start(&platform, QuoteSource::Platform).unwrap();
        let host = Host::with_patience(source, Duration::from_millis(1));
        let report = platform.launch_td().report(ReportData::default());
        // For longer than any test.
        let hour = Duration::from_secs(3600);
        let ask = |delay| host.ask(report.clone(), delay, Asker(0)).map_err(Errno::code);
        assert_eq!(ask(hour), Err(Errno::ETIMEDOUT.code()));
        assert_eq!(ask(Duration::ZERO), Err(Errno::EBUSY.code()));
        host.stop();
    }

    #[test]
    fn a_signal_interrupts_whom_it_is_for() {
        let mut process = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (asker, pid) = (Asker(process.id()), Pid::from_child(&process));
        assert!(!asker.is_interrupted());
        // Stopped, it cannot take the signal.
        kill_process(pid, Signal::STOP).unwrap();
        waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(asker.is_interrupted());
        assert!(!Asker(std::process::id()).is_interrupted());
        assert!(!Asker(0).is_interrupted(), "nobody who can be seen");
        kill_process(pid, Signal::CONT).unwrap();
        process.wait().unwrap();
    }
}
