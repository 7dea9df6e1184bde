//! The running TD: one thread has it, everyone else asks.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tdattest_wire::bytes::{Measurement, ReportData};
use tdattest_wire::td_report::TdReport;

use crate::platform::Platform;
use crate::td::TrustDomain;

type Job = Box<dyn FnOnce(&mut TrustDomain<'_>) + Send>;

/// A TD, which runs until this is dropped.
pub(super) struct Guest(Mutex<Sender<Job>>);

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guest")
    }
}

impl Guest {
    pub(super) fn launch(platform: &Platform) -> io::Result<Self> {
        let platform = platform.clone();
        let (jobs, received) = mpsc::channel::<Job>();
        let run = move || {
            let mut td = platform.launch_td();
            received.into_iter().for_each(|job| job(&mut td));
        };
        thread::Builder::new().name("td".into()).spawn(run)?;
        Ok(Self(Mutex::new(jobs)))
    }

    /// Has something done by the TD. `None` if it has crashed.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut TrustDomain<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = Box::new(move |td: &mut TrustDomain<'_>| {
            // Whoever asked may have gone.
            let _ = answer.send(question(td));
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send(job).ok()?;
        answered.recv().ok()
    }

    pub(super) fn report(&self, report_data: ReportData) -> Option<TdReport> {
        self.ask(move |td| td.report(report_data))
    }

    /// Extends a register that there is.
    pub(super) fn extend(&self, index: u8, digest: Measurement) -> Option<()> {
        self.ask(move |td| td.extend_rtmr(index, &digest)).filter(|extended| *extended).map(|_| ())
    }

    pub(super) fn event_log(&self) -> Option<Vec<u8>> {
        self.ask(|td| td.event_log().to_vec())
    }
}
