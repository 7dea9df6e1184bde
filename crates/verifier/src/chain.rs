//! Is this certificate chain Intel's, and does each certificate have the rights of its role?
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification; Intel QVL `VerifyPCKCertificate`,
//! `VerifyTCBInfo`; RFC 5280, "Certification Path Validation". Stricter than Intel: contents of extensions, key
//! identifiers, algorithms, unknown critical extensions.
//! Must stay true: a chain comes out of here only if its root is the trust anchor and every other certificate is signed
//! by the one above it. Dates and revocation are judged per verification, not here.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use tdattest_wire::certificate::{Certificate, Name, SerialNumber, oid};
use tdattest_wire::error::ParseError;
use tdattest_wire::pem;
use tdattest_wire::time::UnixTime;

use crate::check::{Checks, Sides};
use crate::crypto::{Crypto, VerifyingKey};
use crate::error::{Artefact, ChainFault, Position, VerifyError};
use crate::trust_anchor::TrustAnchor;

/// A chain that leads to the trust anchor, leaf first.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) artefact: Artefact,
    pub(crate) links: Vec<Arc<Link>>,
}

/// A certificate whose signature and rights were checked.
pub(crate) struct Link {
    pub(crate) position: Position,
    pub(crate) der: Vec<u8>,
    pub(crate) common_name: String,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    pub(crate) serial: SerialNumber,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) subject_key_id: Vec<u8>,
    pub(crate) sgx_extension: Option<Vec<u8>>,
    pub(crate) point: [u8; 65],
    pub(crate) key: Box<dyn VerifyingKey>,
}

/// What all chains of one verification share: the anchor, the provider, and the links already checked.
pub(crate) struct ChainVerifier<'a> {
    pub(crate) anchor: &'a TrustAnchor,
    pub(crate) crypto: &'static dyn Crypto,
    /// Links checked before: nothing about them is read or checked twice.
    pub(crate) known: Vec<Arc<Link>>,
}

impl Link {
    /// Whether `name` is this certificate's subject, byte for byte.
    pub(crate) fn is_subject(&self, name: &Name<'_>) -> bool {
        name.as_bytes() == self.subject
    }
}

impl Chain {
    /// The certificate the chain is about.
    pub(crate) fn leaf(&self) -> Option<&Arc<Link>> {
        self.links.first()
    }

    /// The trust anchor's certificate.
    pub(crate) fn root(&self) -> Option<&Arc<Link>> {
        self.links.last()
    }
}

impl ChainVerifier<'_> {
    /// Verifies the PEM text of a chain whose certificates have the roles of `positions`, leaf first.
    pub(crate) fn verify(
        &mut self,
        artefact: Artefact,
        positions: &[Position],
        text: &[u8],
        checks: &mut Checks,
    ) -> Result<Chain, VerifyError> {
        let error = |fault| VerifyError::Chain { chain: artefact, fault };
        let ders = pem::certificates(text)
            .map_err(|fault| checks.unreadable("", error(ChainFault::Malformed(fault))))?;
        let (expected, found) = (positions.len(), ders.len());
        checks.require(
            expected == found,
            Sides::new("certificates", count(expected), count(found)),
            error(ChainFault::Length { expected, found }),
        )?;
        let candidates: Vec<Candidate<'_>> = ders
            .iter()
            .map(|der| self.candidate(der))
            .collect::<Result<_, _>>()
            .map_err(|fault| checks.unreadable("", error(ChainFault::Malformed(fault))))?;
        let ordered = ordered(candidates, positions).map_err(|position| {
            checks.unreadable(position.name(), error(ChainFault::Issuer(position)))
        })?;

        let mut links: Vec<Arc<Link>> = Vec::with_capacity(positions.len());
        // From the root down, so that each key is trusted before it is used.
        for (candidate, position) in ordered.iter().zip(positions.iter().rev()) {
            let link = match candidate {
                Candidate::Known(link) if link.position == *position => link.clone(),
                // In another role than before: checked from the start, to say what is wrong with it.
                Candidate::Known(link) => {
                    let certificate = Certificate::parse(&link.der).map_err(|fault| {
                        checks.unreadable("", error(ChainFault::Malformed(fault)))
                    })?;
                    let step = Step { artefact, position: *position, certificate: &certificate };
                    self.link(&step, links.last(), checks)?
                }
                Candidate::New(certificate) => {
                    let step = Step { artefact, position: *position, certificate };
                    self.link(&step, links.last(), checks)?
                }
            };
            links.push(link);
        }
        links.reverse();
        Ok(Chain { artefact, links })
    }

    /// A certificate checked before, or one to check. Only roles directly under the one root are remembered: for a PCK
    /// certificate the same bytes do not yet mean the same issuer.
    fn candidate<'d>(&self, der: &'d [u8]) -> Result<Candidate<'d>, ParseError> {
        let same = |known: &&Arc<Link>| known.position != Position::Pck && known.der == der;
        match self.known.iter().find(same) {
            Some(known) => Ok(Candidate::Known(known.clone())),
            None => Certificate::parse(der).map(Candidate::New),
        }
    }

    fn link(
        &mut self,
        step: &Step<'_, '_>,
        issuer: Option<&Arc<Link>>,
        checks: &mut Checks,
    ) -> Result<Arc<Link>, VerifyError> {
        step.require_algorithm(checks)?;
        if issuer.is_none() {
            self.require_anchor(step, checks)?;
        }
        step.require_role(checks)?;
        step.require_rights(checks)?;
        if let Some(issuer) = issuer {
            step.require_signature(issuer, checks)?;
        }
        let link = Arc::new(step.to_link(self.crypto, checks)?);
        // A root for the anchor's key that is not the anchor's own certificate: its content is as good as its signature.
        if issuer.is_none() && !self.anchor.is(step.certificate) {
            step.require_signature(&link, checks)?;
        }
        self.known.push(link.clone());
        Ok(link)
    }

    fn require_anchor(&self, step: &Step<'_, '_>, checks: &mut Checks) -> Result<(), VerifyError> {
        let trusted = self.anchor.has_key_of(step.certificate);
        let found = step.certificate.subject.common_name();
        let shown = if trusted { found.clone() } else { alloc::format!("another `{found}`") };
        checks.require(
            trusted,
            Sides::new(step.position.name(), String::from(self.anchor.name()), shown),
            step.error(ChainFault::Untrusted { expected: self.anchor.name().into(), found }),
        )
    }
}

/// A certificate of a chain's text.
#[allow(clippy::large_enum_variant, reason = "three of them live for one call")]
enum Candidate<'d> {
    /// Checked before, by its exact bytes.
    Known(Arc<Link>),
    /// Still to be checked.
    New(Certificate<'d>),
}

impl Candidate<'_> {
    fn issuer(&self) -> &[u8] {
        match self {
            Self::Known(link) => &link.issuer,
            Self::New(certificate) => certificate.issuer.as_bytes(),
        }
    }

    fn subject(&self) -> &[u8] {
        match self {
            Self::Known(link) => &link.subject,
            Self::New(certificate) => certificate.subject.as_bytes(),
        }
    }
}

/// One certificate on its way to become a [`Link`].
struct Step<'c, 'd> {
    artefact: Artefact,
    position: Position,
    certificate: &'c Certificate<'d>,
}

impl Step<'_, '_> {
    fn error(&self, fault: ChainFault) -> VerifyError {
        VerifyError::Chain { chain: self.artefact, fault }
    }

    fn require_algorithm(&self, checks: &mut Checks) -> Result<(), VerifyError> {
        let Certificate { signature, public_key, .. } = self.certificate;
        let good = signature.algorithm == oid::ECDSA_WITH_SHA_256
            && signature.signed_algorithm == oid::ECDSA_WITH_SHA_256
            && public_key.algorithm == oid::EC_PUBLIC_KEY
            && public_key.curve == Some(oid::P_256);
        let found = if good { "ECDSA P-256 with SHA-256" } else { "another algorithm or curve" };
        checks.require(
            good,
            Sides::new(self.position.name(), "ECDSA P-256 with SHA-256", found),
            self.error(ChainFault::Algorithm(self.position)),
        )
    }

    fn require_role(&self, checks: &mut Checks) -> Result<(), VerifyError> {
        let found = self.certificate.subject.common_name();
        let (expected, good) = match self.position {
            Position::Root => ("SGX Root CA", found.contains("SGX Root CA")),
            Position::PckCa => (
                "SGX PCK Processor CA or SGX PCK Platform CA",
                found.contains("SGX PCK") && found.ends_with("CA"),
            ),
            Position::Pck => ("SGX PCK Certificate", found.contains("SGX PCK Certificate")),
            Position::TcbSigning => ("SGX TCB Signing", found.contains("SGX TCB Signing")),
        };
        let position = self.position;
        checks.require(
            good,
            Sides::new(position.name(), expected, found.clone()),
            self.error(ChainFault::Role { position, expected, found }),
        )
    }

    /// A CA signs certificates and CRLs, a leaf neither; nothing critical is unknown.
    fn require_rights(&self, checks: &mut Checks) -> Result<(), VerifyError> {
        let problem = self.wrong_extension();
        let (extension, problem) = problem.unwrap_or(("", ""));
        let found = if problem.is_empty() {
            "those of its role".into()
        } else {
            alloc::format!("{extension} is {problem}")
        };
        let position = self.position;
        checks.require(
            problem.is_empty(),
            Sides::new(position.name(), "those of its role", found),
            self.error(ChainFault::Extension { position, extension, problem }),
        )
    }

    fn wrong_extension(&self) -> Option<(&'static str, &'static str)> {
        let extensions = &self.certificate.extensions;
        for (name, oid) in REQUIRED {
            if extensions.get(oid).is_none() {
                return Some((name, "missing"));
            }
        }
        let known =
            |oid| oid == oid::SGX_EXTENSION || REQUIRED.iter().any(|(_, known)| *known == oid);
        if extensions.iter().any(|extension| extension.critical && !known(extension.oid)) {
            return Some(("that is critical", "unknown"));
        }
        if extensions.subject_key_id().is_none_or(|id| id.is_empty()) {
            return Some(("subjectKeyIdentifier", "malformed"));
        }
        if extensions.authority_key_id().is_none_or(|id| id.is_empty()) {
            return Some(("authorityKeyIdentifier", "malformed"));
        }
        self.wrong_basic_constraints().or_else(|| self.wrong_key_usage())
    }

    fn wrong_basic_constraints(&self) -> Option<(&'static str, &'static str)> {
        const NAME: &str = "basicConstraints";
        let Some((is_ca, _)) = self.certificate.extensions.basic_constraints() else {
            return Some((NAME, "malformed"));
        };
        let must_be_ca = matches!(self.position, Position::Root | Position::PckCa);
        match (must_be_ca, is_ca) {
            (true, false) => Some((NAME, "not that of a CA")),
            (false, true) => Some((NAME, "that of a CA")),
            // No path length binds: below the PCK CA stands no other CA, and the constraints of a trust anchor are not
            // applied (RFC 5280, section 6.1.1). One of Intel's root certificates has a path length of 0 and yet a CA
            // below it. What a path length would limit, the number of certificates, is fixed for each chain.
            _ => None,
        }
    }

    fn wrong_key_usage(&self) -> Option<(&'static str, &'static str)> {
        const NAME: &str = "keyUsage";
        let Some(usage) = self.certificate.extensions.key_usage() else {
            return Some((NAME, "malformed"));
        };
        let signs_certificates = usage.key_cert_sign();
        let is_ca = matches!(self.position, Position::Root | Position::PckCa);
        match (is_ca, signs_certificates) {
            (true, false) => Some((NAME, "without keyCertSign")),
            (false, true) => Some((NAME, "with keyCertSign")),
            (true, true) if !usage.crl_sign() => Some((NAME, "without cRLSign")),
            (false, false) if !usage.digital_signature() => {
                Some((NAME, "without digitalSignature"))
            }
            _ => None,
        }
    }

    fn require_signature(&self, issuer: &Link, checks: &mut Checks) -> Result<(), VerifyError> {
        let named = self.certificate.extensions.authority_key_id().unwrap_or_default();
        checks.require(
            named == issuer.subject_key_id,
            Sides::new(self.position.name(), &*issuer.subject_key_id, &*named),
            self.error(ChainFault::KeyIdentifier(self.position)),
        )?;
        let good = issuer.key.verify_der(self.certificate.tbs, self.certificate.signature.bytes);
        checks.require(
            good,
            Sides::signature(self.position.name(), good),
            self.error(ChainFault::Signature(self.position)),
        )
    }

    fn to_link(
        &self,
        crypto: &'static dyn Crypto,
        checks: &mut Checks,
    ) -> Result<Link, VerifyError> {
        let Certificate { extensions, public_key, .. } = self.certificate;
        let bad_key = || self.error(ChainFault::Algorithm(self.position));
        let point: [u8; 65] = public_key.key.try_into().map_err(|_| bad_key())?;
        let key = crypto
            .verifying_key(&point)
            .ok_or_else(|| checks.unreadable(self.position.name(), bad_key()))?;
        Ok(Link {
            position: self.position,
            der: self.certificate.der.to_vec(),
            common_name: self.certificate.subject.common_name(),
            subject: self.certificate.subject.as_bytes().to_vec(),
            issuer: self.certificate.issuer.as_bytes().to_vec(),
            serial: self.certificate.serial,
            not_before: self.certificate.not_before,
            not_after: self.certificate.not_after,
            subject_key_id: extensions.subject_key_id().unwrap_or_default(),
            sgx_extension: extensions.get(oid::SGX_EXTENSION).map(|found| found.value.to_vec()),
            point,
            key,
        })
    }
}

/// The extensions that Intel's library wants in every certificate.
const REQUIRED: [(&str, der::asn1::ObjectIdentifier); 5] = [
    ("authorityKeyIdentifier", oid::AUTHORITY_KEY_ID),
    ("cRLDistributionPoints", oid::CRL_DISTRIBUTION_POINTS),
    ("subjectKeyIdentifier", oid::SUBJECT_KEY_ID),
    ("keyUsage", oid::KEY_USAGE),
    ("basicConstraints", oid::BASIC_CONSTRAINTS),
];

/// The certificates root first, whatever their order in the text; the position that has none, if they form no chain.
fn ordered<'d>(
    mut rest: Vec<Candidate<'d>>,
    positions: &[Position],
) -> Result<Vec<Candidate<'d>>, Position> {
    let mut ordered: Vec<Candidate<'d>> = Vec::with_capacity(rest.len());
    for position in positions.iter().rev() {
        let found = rest.iter().position(|candidate| {
            let self_issued = candidate.issuer() == candidate.subject();
            match ordered.last() {
                None => self_issued,
                Some(issuer) => !self_issued && candidate.issuer() == issuer.subject(),
            }
        });
        ordered.push(rest.swap_remove(found.ok_or(*position)?));
    }
    Ok(ordered)
}

fn count(certificates: usize) -> u64 {
    u64::try_from(certificates).unwrap_or(u64::MAX)
}
