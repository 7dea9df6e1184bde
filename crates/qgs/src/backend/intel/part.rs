//! What Intel's library looks for in a place of its own.

use std::ffi::c_int;

/// A part that can have a path, `tee_att_ae_type_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The TD quoting enclave.
    Tdqe,
    /// The provisioning certification enclave.
    Pce,
    /// The quote provider library.
    Provider,
    /// The enclave that makes the platform's id.
    IdEnclave,
}

impl Part {
    /// Its number in Intel's header.
    pub(super) fn number(self) -> c_int {
        match self {
            Self::Tdqe => 0,
            Self::Pce => 1,
            Self::Provider => 2,
            Self::IdEnclave => 3,
        }
    }

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tdqe => "TD quoting enclave",
            Self::Pce => "provisioning certification enclave",
            Self::Provider => "quote provider",
            Self::IdEnclave => "id enclave",
        }
    }
}
