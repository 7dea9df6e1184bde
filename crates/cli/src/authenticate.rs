//! The verifier as what fetches and keeps sees it: it says whether a document is genuine.

use tdattest_collateral::Authenticate;
use tdattest_verifier::wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

/// Documents are genuine that lead to this anchor.
pub(crate) struct Authenticator(Verifier);

impl Authenticator {
    pub(crate) fn new(anchor: TrustAnchor) -> Self {
        Self(Verifier::new(anchor, crypto::aws_lc()))
    }
}

impl Authenticate for Authenticator {
    fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, String> {
        self.0.endorsement(endorsement).map_err(|fault| fault.to_string())
    }

    fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, String> {
        self.0.pck_certificate(chain).map_err(|fault| fault.to_string())
    }
}
