//! Did genuine, current Intel hardware make this quote? The steps, in Intel's order.
//!
//! Source: Intel QVL `sgxAttestationVerifyQuote`, `…VerifyPCKCertificate`, `…VerifyTCBInfo`,
//! `…VerifyEnclaveIdentity`; PCS API v4. `docs/spec-map.md` maps each step to them.
//! Must stay true: dates and revocation never stop the evaluation, everything else does; a [`VerifiedQuote`] is built
//! only at the end, when nothing failed.

use alloc::sync::Arc;

use tdattest_wire::collateral::Collateral;
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pcs::PckCa;
use tdattest_wire::quote::{CertificationData, Quote};
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::time::UnixTime;

use crate::chain::{Chain, Link};
use crate::check::{Checks, Sides, Value};
use crate::crl::VerifiedCrl;
use crate::crypto::{Crypto, uncompressed};
use crate::error::{
    Artefact, ChainFault, CrlFault, DocumentFault, Failure, NotSupported, Position, VerifyError,
};
use crate::prepared::{PrepareError, PreparedCollateral};
use crate::qe;
use crate::tcb_level::{self, PlatformSvns, TcbEvaluation};
use crate::td_module;
use crate::trust_anchor::TrustAnchor;
use crate::verified::{CrlFacts, Facts, PckFacts, TcbFacts, VerifiedQuote, Window};

/// How far, in seconds, a clock may lag behind Intel's: for beginnings of certificates and documents, not for any end.
pub const CLOCK_SKEW_S: u64 = 300;

/// Verifies quotes under one trust anchor with one cryptography provider.
#[derive(Clone)]
pub struct Verifier {
    anchor: TrustAnchor,
    crypto: &'static dyn Crypto,
    clock_skew_s: u64,
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = self.anchor.name();
        write!(f, "Verifier({name}, {}, skew {} s)", self.crypto.name(), self.clock_skew_s)
    }
}

impl Verifier {
    /// A verifier with a clock skew allowance of [`CLOCK_SKEW_S`].
    pub fn new(anchor: TrustAnchor, crypto: &'static dyn Crypto) -> Self {
        Self { anchor, crypto, clock_skew_s: CLOCK_SKEW_S }
    }

    /// The same with another clock skew allowance, in seconds.
    #[must_use]
    pub fn with_clock_skew_s(self, clock_skew_s: u64) -> Self {
        Self { clock_skew_s, ..self }
    }

    /// The trust anchor.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    pub(crate) fn crypto(&self) -> &'static dyn Crypto {
        self.crypto
    }

    /// Verifies everything about collateral that depends neither on a quote nor on time.
    ///
    /// # Errors
    /// The first chain, CRL or document that does not hold.
    pub fn prepare(&self, collateral: &Collateral) -> Result<PreparedCollateral, PrepareError> {
        PreparedCollateral::new(self, collateral)
    }

    /// Verifies a quote in one go: [`Verifier::prepare`], then [`PreparedCollateral::verify`].
    ///
    /// # Errors
    /// See [`PreparedCollateral::verify`].
    pub fn verify(
        &self,
        quote: &Quote<'_>,
        collateral: &Collateral,
        now: UnixTime,
    ) -> Result<VerifiedQuote, Failure> {
        match self.prepare(collateral) {
            Ok(prepared) => prepared.verify(quote, now),
            Err(PrepareError { error, checks }) => {
                let facts = Facts { checks, ..Facts::new(quote, &self.anchor, now) };
                Err(Failure::new(error, alloc::vec![], facts))
            }
        }
    }
}

impl PreparedCollateral {
    /// Verifies a quote at the time `now`.
    ///
    /// Succeeds whatever the TCB status is, short of none at all: that is a fact for [`appraise`](crate::appraise()).
    ///
    /// # Errors
    /// A [`Failure`] with every fact established; expiry and revocation do not stop the evaluation.
    pub fn verify(&self, quote: &Quote<'_>, now: UnixTime) -> Result<VerifiedQuote, Failure> {
        let mut facts = Facts::new(quote, self.verifier.anchor(), now);
        let mut checks = Checks { list: self.checks.clone(), ..Checks::default() };
        let outcome = self.run(quote, &mut facts, &mut checks);
        facts.checks = checks.list;
        let mut errors = checks.deferred;
        match outcome {
            Ok(evaluation) if errors.is_empty() => Ok(VerifiedQuote::new(facts, evaluation)),
            Ok(_) => {
                let first = errors.remove(0);
                Err(Failure::new(first, errors, facts))
            }
            // What leaves nothing to rely on decides, whatever else was wrong.
            Err(error) => Err(Failure::new(error, errors, facts)),
        }
    }

    fn run(
        &self,
        quote: &Quote<'_>,
        facts: &mut Facts,
        checks: &mut Checks,
    ) -> Result<TcbEvaluation, VerifyError> {
        let chain = self.pck_chain(quote, checks)?;
        let [pck, ca, _] = &*chain.links else {
            let fault = ChainFault::Length { expected: 3, found: chain.links.len() };
            return Err(VerifyError::Chain { chain: Artefact::PckChain, fault });
        };
        let extension = pck_extension(pck, checks)?;
        facts.pck = Some(PckFacts {
            serial: pck.serial,
            ca: PckCa::from_common_name(&ca.common_name),
            issuer: ca.common_name.clone(),
            extension: extension.clone(),
        });
        facts.crls = [&self.root_ca_crl, &self.pck_crl].map(crl_facts).to_vec();
        self.require_crl_of_ca(ca, checks)?;
        self.require_not_revoked(&chain, checks)?;
        self.require_windows(&chain, facts, checks)?;
        self.require_platform(quote, &extension, checks)?;

        let svns = PlatformSvns {
            pck: extension.tcb,
            launch: quote.body().td().map(|td| td.tee_tcb_svn),
            current: quote.body().td15().map(|td| td.tee_tcb_svn_2),
            qe_isv_svn: quote.signature().qe_report.isv_svn,
        };
        let (tcb_info, qe_identity) = (self.tcb_info.clone(), self.qe_identity.clone());
        let tcb = facts.tcb.insert(TcbFacts { svns, tcb_info, qe_identity, evaluation: None });
        if let Some(td) = quote.body().td() {
            td_module::require(td, &self.tcb_info, checks)?;
        }
        qe::require_report(quote.signature(), &*pck.key, checks)?;
        let tee = quote.tee();
        qe::require_identity(&quote.signature().qe_report, &self.qe_identity, tee, checks)?;
        self.require_quote_signature(quote, checks)?;

        let evaluation = tcb_level::evaluate(&tcb.svns, &self.tcb_info, &self.qe_identity);
        let evaluation = require_level(evaluation, checks)?;
        tcb.evaluation = Some(evaluation.clone());
        Ok(evaluation)
    }

    /// The quote's own PCK chain, or the collateral's for a quote that has none.
    fn pck_chain(&self, quote: &Quote<'_>, checks: &mut Checks) -> Result<Chain, VerifyError> {
        const POSITIONS: &[Position] = &[Position::Pck, Position::PckCa, Position::Root];
        let data = &quote.signature().certification_data;
        let text = match (data, &self.pck_certificate_chain) {
            (CertificationData::PckChain(text), _) => text,
            (_, Some(text)) => &**text,
            (other, None) => {
                let error = VerifyError::PckChainMissing { found: other.kind().name() };
                return Err(checks.unreadable("certification data", error));
            }
        };
        self.chain_verifier().verify(Artefact::PckChain, POSITIONS, text, checks)
    }

    /// The PCK CRL must be by the very key that issued the PCK certificate, not by a CA of the same name.
    fn require_crl_of_ca(&self, ca: &Link, checks: &mut Checks) -> Result<(), VerifyError> {
        let (pck_issuer, crl_issuer) = (ca.common_name.clone(), self.pck_crl.issuer.clone());
        checks.require(
            self.pck_crl.point == ca.point,
            Sides::new("issuer", pck_issuer.clone(), crl_issuer.clone()),
            VerifyError::PckCrlOfOtherCa { pck_issuer, crl_issuer },
        )
    }

    /// The root CA revokes CAs and TCB signers, the PCK CA revokes PCK certificates; nobody revokes the root.
    fn require_not_revoked(&self, pck: &Chain, checks: &mut Checks) -> Result<(), VerifyError> {
        for chain in core::iter::once(pck).chain(&self.chains) {
            for link in chain.links.iter().filter(|link| link.position != Position::Root) {
                let crl = match link.position {
                    Position::Pck => &self.pck_crl,
                    _ => &self.root_ca_crl,
                };
                let revoked = crl.revokes(&link.serial);
                let (position, serial) = (link.position, link.serial);
                let fault = ChainFault::Revoked { position, serial };
                checks.require(
                    !revoked,
                    Sides::new(
                        position.name(),
                        "not revoked",
                        if revoked { "revoked" } else { "not revoked" },
                    ),
                    VerifyError::Chain { chain: chain.artefact, fault },
                )?;
            }
        }
        Ok(())
    }

    fn require_windows(
        &self,
        pck: &Chain,
        facts: &mut Facts,
        checks: &mut Checks,
    ) -> Result<(), VerifyError> {
        let now = facts.now;
        // Beginnings may lie ahead by the allowance; CRLs have none.
        let latest_begin = now.saturating_add(self.verifier.clock_skew_s);
        for chain in core::iter::once(pck).chain(&self.chains) {
            for link in &chain.links {
                let (position, begin, end) = (link.position, link.not_before, link.not_after);
                let error = |fault| VerifyError::Chain { chain: chain.artefact, fault };
                let early = error(ChainFault::NotYetValid { position, not_before: begin, now });
                let late = error(ChainFault::Expired { position, not_after: end, now });
                let window = window(chain.artefact, position.name(), begin, end);
                require_window(&window, latest_begin, early, late, now, checks)?;
                facts.windows.push(window);
            }
        }
        for crl in [&self.root_ca_crl, &self.pck_crl] {
            let (begin, end) = (crl.this_update, crl.next_update);
            let error = |fault| VerifyError::Crl { crl: crl.artefact, fault };
            let early = error(CrlFault::NotYetValid { this_update: begin, now });
            let late = error(CrlFault::Expired { next_update: end, now });
            let window = window(crl.artefact, "", begin, end);
            require_window(&window, now, early, late, now, checks)?;
            facts.windows.push(window);
        }
        let (tcb_info, qe_identity) = (&self.tcb_info, &self.qe_identity);
        let documents = [
            (Artefact::TcbInfo, tcb_info.issue_date, tcb_info.next_update),
            (Artefact::QeIdentity, qe_identity.issue_date, qe_identity.next_update),
        ];
        for (document, begin, end) in documents {
            let error = |fault| VerifyError::Document { document, fault };
            let early = error(DocumentFault::NotYetIssued { issue_date: begin, now });
            let late = error(DocumentFault::Expired { next_update: end, now });
            let window = window(document, "", begin, end);
            require_window(&window, latest_begin, early, late, now, checks)?;
            facts.windows.push(window);
        }
        Ok(())
    }

    /// The TCB info must be of this TEE, this platform family and this PCE.
    fn require_platform(
        &self,
        quote: &Quote<'_>,
        pck: &PckExtension,
        checks: &mut Checks,
    ) -> Result<(), VerifyError> {
        let TcbInfo { tee, fmspc, pce_id, .. } = &*self.tcb_info;
        let (tcb_info, of_quote) = (*tee, quote.tee());
        checks.require(
            tcb_info == of_quote,
            Sides::new("TEE", alloc::format!("{of_quote}"), alloc::format!("{tcb_info}")),
            VerifyError::TcbInfoOfOtherTee { tcb_info, quote: of_quote },
        )?;
        checks.require(
            *fmspc == pck.fmspc,
            Sides::new("FMSPC", pck.fmspc.as_ref(), fmspc.as_ref()),
            VerifyError::FmspcMismatch { pck: pck.fmspc, tcb_info: *fmspc },
        )?;
        checks.require(
            *pce_id == pck.pce_id,
            Sides::new("PCEID", pck.pce_id.as_ref(), pce_id.as_ref()),
            VerifyError::PceIdMismatch { pck: pck.pce_id, tcb_info: *pce_id },
        )
    }

    fn require_quote_signature(
        &self,
        quote: &Quote<'_>,
        checks: &mut Checks,
    ) -> Result<(), VerifyError> {
        let signature = quote.signature();
        let point = uncompressed(&signature.attestation_key.0);
        let key = self.verifier.crypto.verifying_key(&point);
        let key =
            key.ok_or_else(|| checks.unreadable("attestation key", VerifyError::AttestationKey))?;
        let good = key.verify_fixed(quote.signed_bytes(), &signature.quote_signature.0);
        checks.require(good, Sides::signature("quote", good), VerifyError::QuoteSignature)
    }
}

fn pck_extension(pck: &Arc<Link>, checks: &mut Checks) -> Result<PckExtension, VerifyError> {
    let extension = pck.sgx_extension.as_deref().unwrap_or_default();
    PckExtension::parse(extension)
        .map_err(|fault| checks.unreadable("SGX extension", VerifyError::PckExtension(fault)))
}

/// Every part of the TCB reaches a level.
fn require_level(
    evaluation: Result<TcbEvaluation, NotSupported>,
    checks: &mut Checks,
) -> Result<TcbEvaluation, VerifyError> {
    let fault = evaluation.as_ref().err().copied().unwrap_or(NotSupported::Platform);
    let found: Value = match &evaluation {
        Ok(evaluation) => evaluation.status.name().into(),
        Err(fault) => alloc::format!("{fault}").into(),
    };
    let sides = Sides::new("TCB", "a TCB level", found);
    checks.require(evaluation.is_ok(), sides, VerifyError::TcbNotSupported(fault))?;
    evaluation.map_err(VerifyError::TcbNotSupported)
}

fn crl_facts(crl: &VerifiedCrl) -> CrlFacts {
    CrlFacts {
        artefact: crl.artefact,
        issuer: crl.issuer.clone(),
        number: crl.number.clone(),
        revoked: crl.len(),
    }
}

fn window(artefact: Artefact, item: &'static str, begin: UnixTime, end: UnixTime) -> Window {
    Window { artefact, item, not_before: begin, not_after: end }
}

/// Both ends belong to the window: valid at exactly its first and last second.
fn require_window(
    window: &Window,
    latest_begin: UnixTime,
    early: VerifyError,
    late: VerifyError,
    now: UnixTime,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    checks.require(
        window.not_before <= latest_begin,
        Sides::new(window.item, window.not_before, now),
        early,
    )?;
    checks.require(now <= window.not_after, Sides::new(window.item, window.not_after, now), late)
}
