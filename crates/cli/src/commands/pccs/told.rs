//! Signals, as they come to a service that waits for many things.

use std::thread;

use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

/// The signals, for those who wait without a thread of their own.
pub(super) struct Told(tokio::sync::mpsc::UnboundedReceiver<i32>);

impl Told {
    /// Waits for these.
    pub(super) fn by(mut signals: Signals) -> Self {
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        thread::spawn(move || {
            let mut ends = false;
            for signal in signals.forever() {
                if ends && signal != SIGHUP {
                    std::process::exit(1);
                }
                ends |= signal != SIGHUP;
                // Nobody waits for another once the service ends.
                let _ = tell.send(signal);
            }
        });
        Self(told)
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Option<i32> {
        self.0.recv().await
    }
}
