//! Does the backend open, and how far does it get towards a quote without a TD?

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use tdattest_qgs::config::Config;
use tdattest_qgs::{Failure, Hop};

use super::SEE_THE_LOG;
use super::findings::Finding;
use crate::commands::qgs::serve::backend;

/// How long the backend may take: longer than a quote ever does.
const PATIENCE: Duration = Duration::from_secs(40);

/// The backend, opened and taken as far towards a quote as it goes without a TD.
pub(super) fn look(config: &Config) -> Result<Vec<Finding>> {
    let backend = match backend(config)? {
        Ok(backend) => backend,
        Err(failure) => return Ok(vec![failed("backend", &failure)]),
    };
    let opened = Finding::good("backend", backend.name());
    let (done, tried) = mpsc::channel();
    thread::spawn(move || {
        // If nobody waits any more, it does not matter.
        let _ = done.send(backend.open().and_then(|mut context| context.probe()));
    });
    Ok(vec![
        opened,
        match tried.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Finding::good("a quote", "everything up to the TD's report works".into()),
            Ok(Err(failure)) => failed("a quote", &failure),
            Err(_) => Finding::bad(
                "a quote",
                format!("the backend has said nothing for {} seconds", PATIENCE.as_secs()),
                "see whether the caching service (PCCS) answers, and what the kernel's log says of SGX",
            ),
        },
    ])
}

fn failed(subject: &'static str, failure: &Failure) -> Finding {
    let hop = match failure.hop {
        Hop::Backend => String::new(),
        hop => format!("{hop}: "),
    };
    let says = format!("{hop}{failure} ({})", failure.code);
    Finding::bad(subject, says, failure.remedy.unwrap_or(SEE_THE_LOG))
}
