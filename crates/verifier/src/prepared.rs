//! Collateral verified once: every signature, chain and CRL, so that any number of quotes and threads can use it.
//!
//! Must stay true: nothing here depends on time. Windows and revocation are kept as facts and judged for each quote,
//! with its `now`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use tdattest_wire::collateral::Collateral;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::tcb_info::TcbInfo;

use crate::chain::{Chain, ChainVerifier, Link};
use crate::check::{Check, Checks};
use crate::crl::VerifiedCrl;
use crate::document;
use crate::error::{Artefact, Position, VerifyError};
use crate::verify::Verifier;

/// Collateral whose signatures all hold, under one trust anchor. Untrusted as to dates and revocation.
///
/// `Send`, `Sync` and immutable: share it between threads by reference.
pub struct PreparedCollateral {
    pub(crate) verifier: Verifier,
    pub(crate) chains: Vec<Chain>,
    pub(crate) root: Arc<Link>,
    pub(crate) pck_ca: Arc<Link>,
    pub(crate) root_ca_crl: VerifiedCrl,
    pub(crate) pck_crl: VerifiedCrl,
    pub(crate) tcb_info: Arc<TcbInfo>,
    pub(crate) qe_identity: Arc<QeIdentity>,
    pub(crate) pck_certificate_chain: Option<Vec<u8>>,
    pub(crate) checks: Vec<Check>,
}

/// Collateral that could not be prepared: the error, and the checks up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepareError {
    /// What is wrong.
    pub error: VerifyError,
    /// The checks made, the failed one last.
    pub checks: Vec<Check>,
}

impl core::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for PrepareError {}

impl core::fmt::Debug for PreparedCollateral {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { tcb_info, verifier, .. } = self;
        write!(f, "PreparedCollateral({} {}, {verifier:?})", tcb_info.tee, tcb_info.fmspc)
    }
}

impl PreparedCollateral {
    /// The TCB info.
    pub fn tcb_info(&self) -> &TcbInfo {
        &self.tcb_info
    }

    /// The QE identity.
    pub fn qe_identity(&self) -> &QeIdentity {
        &self.qe_identity
    }

    pub(crate) fn new(verifier: &Verifier, collateral: &Collateral) -> Result<Self, PrepareError> {
        let mut checks = Checks::default();
        let mut parts = Parts::verify(verifier, collateral, &mut checks);
        // Nothing that may be deferred is checked here; were it ever, it must not be lost.
        if let Some(error) = checks.deferred.pop() {
            parts = Err(error);
        }
        let checks = checks.list;
        match parts {
            Ok(parts) => Ok(Self {
                verifier: verifier.clone(),
                chains: parts.chains,
                root: parts.root,
                pck_ca: parts.pck_ca,
                root_ca_crl: parts.root_ca_crl,
                pck_crl: parts.pck_crl,
                tcb_info: Arc::new(parts.tcb_info),
                qe_identity: Arc::new(parts.qe_identity),
                pck_certificate_chain: collateral.pck_certificate_chain.clone(),
                checks,
            }),
            Err(error) => Err(PrepareError { error, checks }),
        }
    }

    /// A chain verifier that knows the links verified here.
    pub(crate) fn chain_verifier(&self) -> ChainVerifier<'_> {
        ChainVerifier {
            anchor: self.verifier.anchor(),
            crypto: self.verifier.crypto(),
            known: alloc::vec![self.root.clone(), self.pck_ca.clone()],
        }
    }
}

struct Parts {
    chains: Vec<Chain>,
    root: Arc<Link>,
    pck_ca: Arc<Link>,
    root_ca_crl: VerifiedCrl,
    pck_crl: VerifiedCrl,
    tcb_info: TcbInfo,
    qe_identity: QeIdentity,
}

impl Parts {
    fn verify(
        verifier: &Verifier,
        collateral: &Collateral,
        checks: &mut Checks,
    ) -> Result<Self, VerifyError> {
        const CA: &[Position] = &[Position::PckCa, Position::Root];
        const SIGNER: &[Position] = &[Position::TcbSigning, Position::Root];
        let mut chains = ChainVerifier {
            anchor: verifier.anchor(),
            crypto: verifier.crypto(),
            known: Vec::with_capacity(4),
        };
        let Collateral {
            pck_crl_issuer_chain,
            tcb_info_issuer_chain,
            qe_identity_issuer_chain,
            ..
        } = collateral;
        let mut chain = |artefact, positions, text: &[u8], checks: &mut Checks| {
            chains.verify(artefact, positions, text, checks)
        };
        let pck_crl_chain = chain(Artefact::PckCrlIssuerChain, CA, pck_crl_issuer_chain, checks)?;
        let (pck_ca, root) = ends(&pck_crl_chain)?;
        let root_ca_crl =
            VerifiedCrl::verify(Artefact::RootCaCrl, &collateral.root_ca_crl, &root, checks)?;
        let pck_crl = VerifiedCrl::verify(Artefact::PckCrl, &collateral.pck_crl, &pck_ca, checks)?;

        let tcb_info_chain =
            chain(Artefact::TcbInfoIssuerChain, SIGNER, tcb_info_issuer_chain, checks)?;
        let (signer, _) = ends(&tcb_info_chain)?;
        let tcb_info = document::open(Artefact::TcbInfo, &collateral.tcb_info, &signer, checks)?;

        // PCS sends the same chain with both documents; its text is not decoded twice.
        let qe_identity_chain = if qe_identity_issuer_chain == tcb_info_issuer_chain {
            Chain { artefact: Artefact::QeIdentityIssuerChain, ..tcb_info_chain.clone() }
        } else {
            chain(Artefact::QeIdentityIssuerChain, SIGNER, qe_identity_issuer_chain, checks)?
        };
        let (signer, _) = ends(&qe_identity_chain)?;
        let qe_identity =
            document::open(Artefact::QeIdentity, &collateral.qe_identity, &signer, checks)?;
        let chains = alloc::vec![pck_crl_chain, tcb_info_chain, qe_identity_chain];
        Ok(Self { chains, root, pck_ca, root_ca_crl, pck_crl, tcb_info, qe_identity })
    }
}

/// Leaf and root of a verified chain, which always has both.
fn ends(chain: &Chain) -> Result<(Arc<Link>, Arc<Link>), VerifyError> {
    match (chain.leaf(), chain.root()) {
        (Some(leaf), Some(root)) => Ok((leaf.clone(), root.clone())),
        _ => {
            let fault = crate::error::ChainFault::Length { expected: 2, found: chain.links.len() };
            Err(VerifyError::Chain { chain: chain.artefact, fault })
        }
    }
}
