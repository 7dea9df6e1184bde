//! Any bytes as an event log: no panic, and its events written anew are the same events.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::event_log::{EventLog, write_header};

fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = EventLog::parse(bytes) else { return };
    assert!(log.length <= bytes.len());
    let mut written = Vec::new();
    write_header(&mut written);
    log.events.iter().for_each(|event| event.write(&mut written));
    // Written with one digest each, they may be longer than they were, and beyond the bound.
    let Ok(again) = EventLog::parse(&written) else { return };
    assert_eq!((again.events, again.length), (log.events, written.len()));
});
