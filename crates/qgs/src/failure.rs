//! Why somebody got no answer, for three listeners: the guest, who hears a code of the protocol; the operator, who reads
//! the cause and the remedy; and the counters.

use std::fmt;

use tdattest_wire::qgs::QgsError;

/// Where on the way to a quote something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// The connection to the peer.
    Connection,
    /// The bytes of the request.
    Request,
    /// The TDREPORT in it.
    Report,
    /// The queue of this service.
    Queue,
    /// The backend itself: its libraries, its context.
    Backend,
    /// Loading or running Intel's quoting enclave.
    Enclave,
    /// Intel's provisioning certification enclave.
    Pce,
    /// The quote provider library, which brings PCK certificates.
    Provider,
    /// The caching service that the provider asks.
    Pccs,
    /// Intel's provisioning certification service behind it.
    Pcs,
}

impl Hop {
    /// All, in the order of the way.
    pub const ALL: [Self; 10] = [
        Self::Connection,
        Self::Request,
        Self::Report,
        Self::Queue,
        Self::Backend,
        Self::Enclave,
        Self::Pce,
        Self::Provider,
        Self::Pccs,
        Self::Pcs,
    ];

    /// Its name in logs and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Request => "request",
            Self::Report => "report",
            Self::Queue => "queue",
            Self::Backend => "backend",
            Self::Enclave => "enclave",
            Self::Pce => "pce",
            Self::Provider => "provider",
            Self::Pccs => "pccs",
            Self::Pcs => "pcs",
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// Where.
    pub hop: Hop,
    /// Stable, for machines: `report.type`.
    pub code: &'static str,
    /// What was expected and what was found, in words.
    pub cause: String,
    /// What the operator can do about it.
    pub remedy: Option<&'static str>,
    /// What the guest is told, the most that the protocol can say.
    pub answer: QgsError,
    /// Whether the context that failed must not be used again.
    pub spoils_context: bool,
}

impl Failure {
    /// A failure of which the guest learns no more than that there is one.
    pub fn new(hop: Hop, code: &'static str, cause: impl Into<String>) -> Self {
        Self {
            hop,
            code,
            cause: cause.into(),
            remedy: None,
            answer: QgsError::UNEXPECTED,
            spoils_context: false,
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn with_remedy(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    /// The same, told to the guest by another code.
    #[must_use]
    pub fn told_as(self, answer: QgsError) -> Self {
        Self { answer, ..self }
    }

    /// The same, and the context is not used again.
    #[must_use]
    pub fn spoiling(self) -> Self {
        Self { spoils_context: true, ..self }
    }
}
