//! What a simulated platform is: its hardware, its TDX module, its TD and enclave, its PKI, and what Intel says of it.
//!
//! A [`Platform`] is a plain value, the same as its `platform.toml`. Everything is minted from it and a time, and from
//! nothing else.

mod check;
mod defaults;
mod description;
mod names;
mod overrides;
mod tcb;

pub use description::{
    Enclave, Event, Hardware, PkiSettings, Revoked, Td, TdxModule, Window, Windows,
};
pub use overrides::OverrideError;
pub use tcb::{EvaluationSet, IsvLevel, ModuleIdentity, PlatformLevel};

use serde::{Deserialize, Serialize};
use tdattest_wire::pcs::EvaluationDataSet;

use crate::pki::KeyRing;
use crate::seed::Seed;

/// The version of the form of `platform.toml`.
pub const FORM: u32 = 1;

/// A simulated platform with everything around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// The version of the form: [`FORM`].
    pub form: u32,
    /// Where every key comes from.
    pub seed: Seed,
    /// The CPU and its firmware.
    pub hardware: Hardware,
    /// The TDX module that runs.
    pub tdx_module: TdxModule,
    /// The TD.
    pub td: Td,
    /// The SGX enclave.
    pub enclave: Enclave,
    /// Certificates and CRLs.
    pub pki: PkiSettings,
    /// The set of TCB info that is in force for everybody.
    pub standard: EvaluationSet,
    /// The newest set, public since the day of disclosure.
    pub early: EvaluationSet,
    #[serde(skip)]
    pub(crate) keys: KeyRing,
}

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// Not TOML, or not of this shape; the text says where.
    #[error("{0}")]
    Toml(String),
    /// Of another version.
    #[error("is of form {found}, and this version reads form {FORM}")]
    Form {
        /// The form it is of.
        found: String,
    },
    /// Well formed, and not possible.
    #[error("{0}")]
    Impossible(String),
}

impl Platform {
    /// A platform with the default description: current under the standard set, out of date under the early one.
    pub fn new(seed: Seed) -> Self {
        defaults::platform(seed)
    }

    /// Parses `platform.toml`.
    ///
    /// # Errors
    /// When it is not TOML, of another form, or something in it is unknown or cannot be.
    pub fn from_toml(text: &str) -> Result<Self, PlatformError> {
        let table: toml::Table =
            text.parse().map_err(|fault: toml::de::Error| toml_error(text, &fault))?;
        // Before anything else: another form has other keys, whose names would only confuse.
        match table.get("form") {
            Some(toml::Value::Integer(found)) if *found == i64::from(FORM) => {}
            Some(found) => return Err(PlatformError::Form { found: found.to_string() }),
            // Told below, with the line.
            None => {}
        }
        let platform: Self = toml::from_str(text).map_err(|fault| toml_error(text, &fault))?;
        platform.checked()
    }

    /// Writes `platform.toml`.
    ///
    /// # Errors
    /// Never for a platform that was parsed; TOML cannot say every value of a type.
    pub fn to_toml(&self) -> Result<String, PlatformError> {
        let text = toml::to_string(self).map_err(|fault| PlatformError::Toml(fault.to_string()))?;
        Ok(format!("{}{text}", defaults::COMMENT))
    }

    /// The set of TCB info that a request names; `None` for a number that nobody has.
    pub fn set(&self, set: EvaluationDataSet) -> Option<&EvaluationSet> {
        match set {
            EvaluationDataSet::Standard => Some(&self.standard),
            EvaluationDataSet::Early => Some(&self.early),
            EvaluationDataSet::Number(number) => [&self.standard, &self.early]
                .into_iter()
                .find(|set| set.tcb_evaluation_data_number == number),
        }
    }
}

/// One line: where, and what.
fn toml_error(text: &str, fault: &toml::de::Error) -> PlatformError {
    let line = fault.span().and_then(|span| text.get(..span.start));
    let line = line.map(|before| before.matches('\n').count().saturating_add(1));
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    // A list of what was expected may stand on lines of its own.
    let message: Vec<&str> = fault.message().lines().map(str::trim).collect();
    PlatformError::Toml(format!("{place}{}", message.join(", ")))
}
