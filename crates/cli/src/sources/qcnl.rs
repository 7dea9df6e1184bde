//! The service that `sgx_default_qcnl.conf` names: where Intel's own library would fetch collateral.

use std::path::Path;

use anyhow::{Result, anyhow};
use tdattest_collateral::Source;
use tdattest_collateral::qcnl::{self, Severity};
use tdattest_verifier::wire::pcs::EvaluationDataSet;

use crate::input;
use crate::output::{self, Hinted};

/// The service, and the set that the file asks for.
///
/// # Errors
/// When the file cannot be read, or Intel's library would not take it as it was meant.
pub(super) fn source(path: &Path) -> Result<(Source, EvaluationDataSet)> {
    let text = input::read(path, CONFIG_BYTES).map_err(|problem| anyhow!(problem))?;
    let name = input::shown(path);
    let text = String::from_utf8(text).map_err(|_| anyhow!("{name} is no text"))?;
    let (config, findings) = qcnl::read(&text);
    for finding in findings {
        let text = format!("{name}: {finding}");
        if finding.severity == Severity::Error {
            return Err(Hinted::error(text, "put it right, or name the service with --source"));
        }
        output::note(&output::warning(&text));
    }
    if !config.use_secure_cert {
        let text = format!(
            "{name}: use_secure_cert is false, anybody can pretend to be the service; the documents are verified all the same"
        );
        output::note(&output::warning(&text));
    }
    Ok((config.collateral_source()?, config.tcb_update_type))
}

/// Largest file, in bytes: Intel's has about 4,000.
const CONFIG_BYTES: usize = 1024 * 1024;
