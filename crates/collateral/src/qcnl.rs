//! `sgx_default_qcnl.conf`: where Intel's quote provider library goes for PCK certificates and collateral.
//!
//! Source: Intel DCAP, `sgx_default_qcnl.conf` and the library that reads it, as observed.
//! Must stay true: the settings are those that Intel's library would take from the same text; wherever it would overlook
//! something, there is a [`Finding`] with line and column.

mod finding;
mod json;
mod legacy;

pub use finding::{Finding, Place, Severity};

use std::time::Duration;

use tdattest_wire::pcs::EvaluationDataSet;

use crate::error::SourceError;
use crate::retry::RetryPolicy;
use crate::source::{Source, shown};
use crate::trust::Trust;
use finding::Findings;

/// Where the file is, unless the environment's [`PATH_VARIABLE`] says otherwise.
pub const PATH: &str = "/etc/sgx_default_qcnl.conf";

/// The environment variable that names another file.
pub const PATH_VARIABLE: &str = "QCNL_CONF_PATH";

/// Largest file that is worth reading, in bytes. Intel's has 5 KB.
pub const FILE_BYTES: usize = 1024 * 1024;

/// Intel's library keeps nothing longer than this.
const LONGEST_HOURS: f64 = 2160.0;

/// Most requests for one document, whatever the file says.
const MOST_ATTEMPTS: u32 = 16;

/// The longest pause of an exponential backoff.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// The settings, as Intel's library has them.
#[derive(Clone, Debug, PartialEq)]
pub struct QcnlConfig {
    /// Where PCK certificates come from.
    pub pccs_url: String,
    /// Whether the certificate of the service is checked.
    pub use_secure_cert: bool,
    /// Where collateral comes from, if not from the same service.
    pub collateral_service: Option<String>,
    /// Which set of TCB info is asked for.
    pub tcb_update_type: EvaluationDataSet,
    /// How CRLs are asked for: `3.0` in hexadecimal, `3.1` in DER.
    pub pccs_api_version: String,
    /// Requests after the first.
    pub retry_times: u32,
    /// Seconds between them; 0 for 1, 2, 4 and so on.
    pub retry_delay: u32,
    /// Where PCK certificates are asked for first.
    pub local_pck_url: Option<String>,
    /// How long PCK certificates are kept; 0 for not at all.
    pub pck_cache_expire_hours: f64,
    /// How long collateral is kept; 0 for not at all.
    pub verify_collateral_cache_expire_hours: f64,
    /// Whether PCK certificates come from prepared files alone.
    pub local_cache_only: bool,
    /// Headers of requests for PCK certificates.
    pub get_cert_headers: Vec<(String, String)>,
    /// Further parameters of requests for PCK certificates.
    pub get_cert_params: Vec<(String, String)>,
}

impl Default for QcnlConfig {
    /// What Intel's library has without a file.
    fn default() -> Self {
        Self {
            pccs_url: "https://localhost:8081/sgx/certification/v4/".into(),
            use_secure_cert: true,
            collateral_service: None,
            tcb_update_type: EvaluationDataSet::Standard,
            pccs_api_version: "3.0".into(),
            retry_times: 0,
            retry_delay: 0,
            local_pck_url: None,
            pck_cache_expire_hours: 0.0,
            verify_collateral_cache_expire_hours: 0.0,
            local_cache_only: false,
            get_cert_headers: Vec::new(),
            get_cert_params: Vec::new(),
        }
    }
}

/// Reads a file's text: JSON with comments, or the older `KEY=VALUE`.
///
/// Always gives settings, as Intel's library does. With a finding of [`Severity::Error`] they are not those that the
/// file's author meant.
///
/// ```
/// use tdattest_collateral::qcnl;
///
/// let (config, findings) = qcnl::read("{ \"use_secure_cert\": \"false\" } // a string");
/// assert!(config.use_secure_cert);
/// assert_eq!(
///     findings[0].to_string(),
///     "line 1, column 22: `use_secure_cert` is a string, expected true or false; Intel's library overlooks it"
/// );
/// ```
pub fn read(text: &str) -> (QcnlConfig, Vec<Finding>) {
    let mut findings = Findings::new(text);
    let config = json::read(text, &mut findings)
        .unwrap_or_else(|fault| legacy::read(text, fault, &mut findings));
    (config, findings.in_order())
}

impl QcnlConfig {
    /// Where collateral comes from.
    ///
    /// # Errors
    /// When the address is none.
    pub fn collateral_source(&self) -> Result<Source, SourceError> {
        self.source(self.collateral_service.as_deref().unwrap_or(&self.pccs_url))
    }

    /// Where PCK certificates come from.
    ///
    /// # Errors
    /// When the address is none.
    pub fn pccs_source(&self) -> Result<Source, SourceError> {
        self.source(&self.pccs_url)
    }

    fn source(&self, address: &str) -> Result<Source, SourceError> {
        if !address.contains("://") {
            let cause = "expected https://HOST or http://HOST".into();
            return Err(SourceError::Address { address: shown(address).into(), cause });
        }
        // Plain HTTP is nothing special to Intel's library; the client warns of it.
        let source = address.parse::<Source>()?.dangerous_allow_http();
        Ok(match self.use_secure_cert {
            true => source,
            false => source.with_trust(Trust::DangerousInsecure),
        })
    }

    /// How often a service is asked, with jitter where Intel's library has none.
    pub fn retry(&self) -> RetryPolicy {
        let attempts = self.retry_times.saturating_add(1).min(MOST_ATTEMPTS);
        let delay = Duration::from_secs(self.retry_delay.into());
        let (first_pause, longest_pause) = match self.retry_delay {
            0 => (Duration::from_secs(1), LONGEST_PAUSE),
            _ => (delay, delay),
        };
        RetryPolicy { attempts, first_pause, longest_pause }
    }
}

#[cfg(test)]
mod tests;
