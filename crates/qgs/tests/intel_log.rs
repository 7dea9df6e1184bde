//! What Intel's quote provider says reaches the log.
//!
//! One test in a program of its own: whether an event is wanted, `tracing` remembers from the first thread that asks.
#![cfg(all(target_os = "linux", not(target_feature = "crt-static")))]
mod intel_library;

use std::fmt;
use std::sync::{Arc, Mutex};

use intel_library::StandIn;
use tdattest_qgs::backend::Backend as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// What was logged by the provider.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Logged {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "provider"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn what_the_provider_says_is_in_the_log_at_its_level() {
    let logged = Logged::default();
    tracing::subscriber::with_default(logged.clone(), || {
        for level in 0..4 {
            let script = format!("init always 0x11001\nsays {level} message {level}\\n\n");
            let (_stand_in, backend) = StandIn::backend(&script);
            assert!(backend.open().unwrap().probe().is_err());
        }
    });
    let expected = [
        (Level::ERROR, "message 0".to_owned()),
        (Level::DEBUG, "message 1".to_owned()),
        (Level::TRACE, "message 2".to_owned()),
        (Level::TRACE, "message 3".to_owned()),
    ];
    assert_eq!(*logged.0.lock().unwrap(), expected);
}
