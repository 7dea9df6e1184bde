//! Does the caching service (PCCS) answer where Intel's quote provider library will ask it?
//!
//! Asked for the CRL of a PCK CA: every PCCS has it, and it says whose documents those are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tdattest_collateral::qcnl::QcnlConfig;
use tdattest_collateral::wire::pcs::{PckCa, PcsRequest};
use tdattest_collateral::{Client, FetchError, RetryPolicy, Source, SourceError};
use tdattest_verifier::TrustAnchor;

use super::findings::Finding;
use super::provider::Provider;
use crate::authenticate::Authenticator;

const SUBJECT: &str = "caching service";

/// How long one answer may take. Intel's library has no such limit, and waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the service that PCK certificates come from, and the one of collateral if it is another.
pub(super) fn look(provider: &Provider, anchor: &TrustAnchor) -> Result<Vec<Finding>> {
    let Provider { config, file, .. } = provider;
    if config.local_cache_only {
        let says = format!("not asked: {file} has `local_cache_only`");
        return Ok(vec![Finding::good(SUBJECT, says)]);
    }
    let mut findings = vec![ask(config.pccs_source(), "pccs_url", provider, anchor)?];
    if is_another(config) {
        findings.push(ask(config.collateral_source(), "collateral_service", provider, anchor)?);
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
        match client.fetch(PcsRequest::PckCrl(PckCa::Platform)).await {
            // It may have seen no platform but such with one package.
            Err(fault) if fault.is_not_found() => {
                client.fetch(PcsRequest::PckCrl(PckCa::Processor)).await
            }
            answer => answer,
        }
    });
    Ok(match answer {
        Ok(endorsement) => {
            let document = endorsement.request.document();
            Finding::good(SUBJECT, format!("{name} answers, with a {document} that is genuine"))
        }
        Err(fault) if fault.is_not_found() => Finding::doubtful(
            SUBJECT,
            format!("{name} answers, but has nothing yet: {fault}"),
            "it fills itself as it is asked, or has to be filled: see the log and the caching mode of the PCCS",
        ),
        Err(fault) => Finding::bad(SUBJECT, fault.to_string(), remedy(&fault, key, file)),
    })
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
