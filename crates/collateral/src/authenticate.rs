//! Who says whether a document is Intel's: a seam, so that what fetches and keeps does not know what verifies.

use tdattest_wire::endorsement::{Endorsement, PckCertificate, Validity};

/// Verifies documents before they are kept. Products hand in the verifier.
pub trait Authenticate: Send + Sync {
    /// Verifies a signed document up to the root, and that it answers its request. Judges no dates.
    ///
    /// # Errors
    /// What does not hold, in words.
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String>;

    /// Verifies a PCK certificate with the chain above it, PEM, leaf first.
    ///
    /// # Errors
    /// What does not hold, in words.
    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String>;
}
