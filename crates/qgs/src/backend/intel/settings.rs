//! Where Intel's libraries and enclaves are.

use std::path::PathBuf;

/// Which library is loaded, and where its parts are that are not at their usual places.
///
/// The enclaves and libraries of a path are found by Intel's library when a context is opened, not when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntelSettings {
    /// The TD quoting library: a path, or a name on the loader's search path.
    pub library: PathBuf,
    /// The TD quoting enclave.
    pub tdqe: Option<PathBuf>,
    /// The provisioning certification enclave. There is one for the whole process.
    pub pce: Option<PathBuf>,
    /// The quote provider library.
    pub provider: Option<PathBuf>,
    /// The enclave that makes the platform's id.
    pub id_enclave: Option<PathBuf>,
}

impl Default for IntelSettings {
    fn default() -> Self {
        Self {
            library: "libsgx_tdx_logic.so.1".into(),
            tdqe: None,
            pce: None,
            provider: None,
            id_enclave: None,
        }
    }
}
