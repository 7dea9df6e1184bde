//! Does the caching service (PCCS) answer where Intel's quote provider library will ask it?
//!
//! Asked for the CRL of a PCK CA: every PCCS has it, and it says whose documents those are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tdattest_collateral::qcnl::QcnlConfig;
use tdattest_collateral::windows::{State, Window};
use tdattest_collateral::wire::pcs::{PckCa, PcsRequest};
use tdattest_collateral::{Client, FetchError, RetryPolicy, Source, SourceError};
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::time::UnixTime;

use super::findings::Finding;
use super::provider::Provider;
use crate::authenticate::Authenticator;

const SUBJECT: &str = "caching service";

/// How long one answer may take. Intel's library has no such limit, and waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Less than a week is worth a word: a PCCS that works has a new CRL by then.
const WARN_S: u64 = 7 * 24 * 60 * 60;

/// Asks the service that PCK certificates come from, and the one of collateral if it is another.
pub(super) fn look(
    provider: &Provider,
    anchor: &TrustAnchor,
    now: UnixTime,
) -> Result<Vec<Finding>> {
    let Provider { config, file, .. } = provider;
    if config.local_cache_only {
        let says = format!("not asked: {file} has `local_cache_only`");
        return Ok(vec![Finding::good(SUBJECT, says)]);
    }
    let mut findings = vec![ask(config.pccs_source(), "pccs_url", provider, anchor, now)?];
    if is_another(config) {
        findings.push(ask(
            config.collateral_source(),
            "collateral_service",
            provider,
            anchor,
            now,
        )?);
    }
    Ok(findings)
}

fn is_another(config: &QcnlConfig) -> bool {
    config.collateral_service.as_ref().is_some_and(|address| *address != config.pccs_url)
}

fn ask(
    source: Result<Source, SourceError>,
    key: &str,
    provider: &Provider,
    anchor: &TrustAnchor,
    now: UnixTime,
) -> Result<Finding> {
    let file = &provider.file;
    let unusable = |fault: SourceError| {
        Finding::bad(SUBJECT, fault.to_string(), format!("correct `{key}` in {file}"))
    };
    let source = match source {
        Ok(source) => source,
        Err(fault) => return Ok(unusable(fault)),
    };
    let name = source.to_string();
    let client = Client::builder(Arc::new(Authenticator::new(anchor.clone())))
        .source(source)
        .deadline(PATIENCE)
        .retry(RetryPolicy::NONE)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(fault) => return Ok(unusable(fault)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let crl = |ca| client.fetch_accepting(PcsRequest::PckCrl(ca), |_, _| Ok(()));
        match crl(PckCa::Platform).await {
            // It may have seen no platform but such with one package.
            Err(fault) if fault.is_not_found() => crl(PckCa::Processor).await,
            answer => answer,
        }
    });
    // A name that is still being looked up must not keep the command from ending.
    runtime.shutdown_background();
    Ok(match answer {
        Ok((endorsement, validity)) => {
            let request = endorsement.request;
            standing(&name, &Window { request, validity, fetched_at: None }, now)
        }
        Err(fault) if fault.is_not_found() => Finding::doubtful(
            SUBJECT,
            format!("{name} answers, but has nothing yet: {fault}"),
            "it fills itself as it is asked, or has to be filled: see the log and the caching mode of the PCCS",
        ),
        Err(fault) => Finding::bad(SUBJECT, fault.to_string(), remedy(&fault, key, file)),
    })
}

/// Intel's PCCS never looks at the end of what it keeps: where its refresh does not work it serves what has ended.
fn standing(name: &str, window: &Window, now: UnixTime) -> Finding {
    const REFRESH: &str =
        "the refresh of this PCCS does not work: see its log, and what it reaches Intel by";
    let (document, ends) = (window.request.document(), window.validity.ends());
    let issued = window.validity.issued;
    match window.state(now, WARN_S) {
        State::Current => {
            Finding::good(SUBJECT, format!("{name} answers, with a {document} that is genuine"))
        }
        State::Warning => Finding::doubtful(
            SUBJECT,
            format!("{name} answers, with a {document} that ends at {ends}"),
            REFRESH,
        ),
        State::NotYet => Finding::doubtful(
            SUBJECT,
            format!("{name} answers, with a {document} that is issued {issued}, after now"),
            "this machine's clock is behind: see whether it is set by the network (timedatectl)",
        ),
        State::Ended => Finding::bad(
            SUBJECT,
            format!("{name} answers, with a {document} that ended at {ends}"),
            REFRESH,
        ),
    }
}

fn remedy(fault: &FetchError, key: &str, file: &str) -> String {
    match fault {
        FetchError::Unreachable { cause, .. } if cause.contains("certificate") => {
            "Intel's library will refuse it as well: give it a certificate for this name from a CA that this system trusts (update-ca-certificates adds one)".into()
        }
        FetchError::Unreachable { .. } => format!(
            "start it (systemctl start pccs, or tdattest pccs serve), or name the right one as `{key}` in {file}"
        ),
        FetchError::TooSlow { .. } => {
            "Intel's library would wait for ever, and the quote with it: see the log of the PCCS, and what it reaches Intel by".into()
        }
        FetchError::Untrusted { .. } => {
            "its documents are not Intel's: of a pre-production or simulated platform they lead to another root, which --root names".into()
        }
        FetchError::Refused { status: 500.., .. } => {
            "see the log of the PCCS: mostly it cannot reach Intel, or has no API key".into()
        }
        _ => format!("see whether that is a PCCS, and `{key}` in {file}"),
    }
}
