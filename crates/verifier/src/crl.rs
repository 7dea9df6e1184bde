//! Is this CRL by that CA, and what does it revoke?
//!
//! Source: RFC 5280, "CRL Validation"; Intel QVL `PckCrlVerifier`.
//! Must stay true: a [`VerifiedCrl`] is bound to the key that signed it, not to a name alone.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use tdattest_wire::certificate::{SerialNumber, oid};
use tdattest_wire::crl::Crl;
use tdattest_wire::time::UnixTime;

use crate::chain::Link;
use crate::check::{Checks, Sides};
use crate::error::{Artefact, CrlFault, VerifyError};

/// A CRL whose signature is its CA's.
pub(crate) struct VerifiedCrl {
    pub(crate) artefact: Artefact,
    pub(crate) issuer: String,
    pub(crate) point: [u8; 65],
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: UnixTime,
    pub(crate) number: Vec<u8>,
    revoked: Vec<SerialNumber>,
}

impl VerifiedCrl {
    /// Verifies the DER of a CRL against the CA that must have issued it.
    pub(crate) fn verify(
        artefact: Artefact,
        der: &[u8],
        ca: &Link,
        checks: &mut Checks,
    ) -> Result<Self, VerifyError> {
        let error = |fault| VerifyError::Crl { crl: artefact, fault };
        let crl = Crl::parse(der)
            .map_err(|fault| checks.unreadable("", error(CrlFault::Malformed(fault))))?;
        require_issuer(artefact, &crl, ca, checks)?;
        let good = crl.signature.algorithm == oid::ECDSA_WITH_SHA_256
            && crl.signature.signed_algorithm == oid::ECDSA_WITH_SHA_256;
        let found = if good { "ECDSA with SHA-256" } else { "another algorithm" };
        let sides = Sides::new("algorithm", "ECDSA with SHA-256", found);
        checks.require(good, sides, error(CrlFault::Algorithm))?;
        require_extensions(artefact, &crl, checks)?;
        let named = crl.extensions.authority_key_id().unwrap_or_default();
        let sides = Sides::new("authority key identifier", &*ca.subject_key_id, &*named);
        checks.require(named == ca.subject_key_id, sides, error(CrlFault::KeyIdentifier))?;
        let good = ca.key.verify_der(crl.tbs, crl.signature.bytes);
        checks.require(good, Sides::signature("signature", good), error(CrlFault::Signature))?;
        Ok(Self {
            artefact,
            issuer: ca.common_name.clone(),
            point: ca.point,
            this_update: crl.this_update,
            next_update: crl.next_update,
            number: crl.extensions.crl_number().unwrap_or_default().to_vec(),
            revoked: crl.revoked,
        })
    }

    /// Whether the CA has revoked the certificate with this serial number.
    pub(crate) fn revokes(&self, serial: &SerialNumber) -> bool {
        self.revoked.binary_search(serial).is_ok()
    }

    /// How many certificates it revokes.
    pub(crate) fn len(&self) -> usize {
        self.revoked.len()
    }
}

fn require_issuer(
    artefact: Artefact,
    crl: &Crl<'_>,
    ca: &Link,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    let by_ca = ca.is_subject(&crl.issuer);
    let expected = ca.common_name.clone();
    // Shown in full only where it differs: that costs as much as half a signature.
    let found = if by_ca { expected.clone() } else { crl.issuer.to_string() };
    checks.require(
        by_ca,
        Sides::new("issuer", expected.clone(), found.clone()),
        VerifyError::Crl { crl: artefact, fault: CrlFault::Issuer { expected, found } },
    )
}

fn require_extensions(
    artefact: Artefact,
    crl: &Crl<'_>,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    let known = [oid::CRL_NUMBER, oid::AUTHORITY_KEY_ID];
    let wrong = if crl.extensions.crl_number().is_none() {
        Some(("cRLNumber", "missing or malformed"))
    } else if crl.extensions.authority_key_id().is_none_or(|id| id.is_empty()) {
        Some(("authorityKeyIdentifier", "missing or malformed"))
    } else if crl.extensions.iter().any(|found| found.critical && !known.contains(&found.oid)) {
        // An issuing distribution point or a delta indicator: the list would not be the whole list.
        Some(("that is critical", "unknown"))
    } else {
        None
    };
    let (extension, problem) = wrong.unwrap_or(("", ""));
    let found = match wrong {
        None => "those of a complete CRL".into(),
        Some(_) => alloc::format!("{extension} is {problem}"),
    };
    checks.require(
        wrong.is_none(),
        Sides::new("extensions", "those of a complete CRL", found),
        VerifyError::Crl { crl: artefact, fault: CrlFault::Extension { extension, problem } },
    )
}
