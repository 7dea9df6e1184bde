//! Collateral before it is sealed: everything beside a quote that a verification takes.

use tdattest_wire::collateral::Collateral;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa};
use tdattest_wire::quote::TeeType;
use tdattest_wire::time::UnixTime;

use crate::documents::{DocumentDraft, EnclaveIdentityDraft, TcbInfoDraft};
use crate::error::MintError;
use crate::pki::{CertificateDraft, ChainDraft, CrlDraft, Key, Party};
use crate::platform::{Platform, Window};
use crate::time::{DAY, midnight};

/// Collateral to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralDraft {
    /// The chain of the PCK CRL's issuer.
    pub pck_crl_issuer_chain: ChainDraft,
    /// The root CA's CRL.
    pub root_ca_crl: CrlDraft,
    /// The PCK CA's CRL.
    pub pck_crl: CrlDraft,
    /// The chain of the TCB info's signer.
    pub tcb_info_issuer_chain: ChainDraft,
    /// The TCB info.
    pub tcb_info: DocumentDraft<TcbInfoDraft>,
    /// The chain of the QE identity's signer.
    pub qe_identity_issuer_chain: ChainDraft,
    /// The QE identity.
    pub qe_identity: DocumentDraft<EnclaveIdentityDraft>,
    /// The PCK chain, for quotes that carry none.
    pub pck_certificate_chain: Option<ChainDraft>,
    /// When it is drafted: what faults of windows are measured from.
    pub(crate) at: UnixTime,
    /// What faults put in the place of something: the other TEE's documents, the other CA's CRL.
    pub(crate) others: Box<Others>,
}

/// Genuine parts that belong elsewhere, and somebody who has no business here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Others {
    pub(crate) pck: CertificateDraft,
    pub(crate) ca: CertificateDraft,
    pub(crate) ca_crl: CrlDraft,
    pub(crate) tcb_info: TcbInfoDraft,
    pub(crate) stranger: Key,
}

impl CollateralDraft {
    /// The collateral of a platform as of a time, from one of its sets of TCB info.
    ///
    /// # Errors
    /// When the platform has no such set.
    pub fn new(
        platform: &Platform,
        tee: TeeType,
        set: EvaluationDataSet,
        at: UnixTime,
    ) -> Result<Self, MintError> {
        let set = platform.set(set).ok_or(MintError::UnknownSet(set))?;
        let (root, signer) = (platform.root_ca(), platform.tcb_signing());
        let ca = platform.pck_ca(platform.hardware.ca);
        let signer_chain = ChainDraft::new(vec![signer.clone(), root.clone()]);
        let document = |tee| TcbInfoDraft::new(platform, tee, set, at);
        let identity = EnclaveIdentityDraft::of_qe(platform, tee, set, at);
        let (other_tee, other_ca) = (other_tee(tee), other_ca(platform.hardware.ca));
        Ok(Self {
            root_ca_crl: platform.root_ca_crl(at),
            pck_crl: platform.pck_crl(platform.hardware.ca, at),
            pck_crl_issuer_chain: ChainDraft::new(vec![ca, root]),
            tcb_info_issuer_chain: signer_chain.clone(),
            tcb_info: DocumentDraft { content: document(tee), signer: signer.key.clone() },
            qe_identity_issuer_chain: signer_chain,
            qe_identity: DocumentDraft { content: identity, signer: signer.key },
            pck_certificate_chain: None,
            at,
            others: Box::new(Others {
                pck: platform.pck(),
                ca: platform.pck_ca(other_ca),
                ca_crl: platform.pck_crl(other_ca, at),
                tcb_info: document(other_tee),
                stranger: platform.key(Party::Stranger),
            }),
        })
    }

    /// Signs everything.
    ///
    /// # Errors
    /// When something cannot be encoded.
    pub fn mint(&self) -> Result<Collateral, MintError> {
        let tcb_info_issuer_chain = self.tcb_info_issuer_chain.pem()?;
        // Nearly always the same: not signed twice.
        let qe_identity_issuer_chain =
            if self.qe_identity_issuer_chain == self.tcb_info_issuer_chain {
                tcb_info_issuer_chain.clone()
            } else {
                self.qe_identity_issuer_chain.pem()?
            };
        Ok(Collateral {
            pck_crl_issuer_chain: self.pck_crl_issuer_chain.pem()?,
            root_ca_crl: self.root_ca_crl.der()?,
            pck_crl: self.pck_crl.der()?,
            tcb_info_issuer_chain,
            tcb_info: self.tcb_info.mint()?,
            qe_identity_issuer_chain,
            qe_identity: self.qe_identity.mint()?,
            pck_certificate_chain: self
                .pck_certificate_chain
                .as_ref()
                .map(ChainDraft::pem)
                .transpose()?,
        })
    }
}

impl Platform {
    /// The root CA's CRL as of a time.
    pub fn root_ca_crl(&self, at: UnixTime) -> CrlDraft {
        let revoked = &self.pki.revoked;
        let entries = [
            revoked.pck_ca.then(|| self.pck_ca(self.hardware.ca)),
            revoked.tcb_signing.then(|| self.tcb_signing()),
        ];
        let entries = entries.into_iter().flatten().map(|certificate| certificate.serial);
        let window = crl_window(self.pki.windows.root_ca_crl_days, at);
        CrlDraft::new(&self.root_ca(), window, entries.collect())
    }

    /// The CRL of a PCK CA as of a time.
    pub fn pck_crl(&self, ca: PckCa, at: UnixTime) -> CrlDraft {
        let revokes = self.pki.revoked.pck && ca == self.hardware.ca;
        let entries = if revokes { vec![self.pck().serial] } else { vec![] };
        let window = crl_window(self.pki.windows.pck_crl_days, at);
        CrlDraft::new(&self.pck_ca(ca), window, entries)
    }
}

fn crl_window(days: u32, at: UnixTime) -> Window {
    let from = midnight(at);
    Window { from, to: from.saturating_add(u64::from(days).saturating_mul(DAY)) }
}

fn other_tee(tee: TeeType) -> TeeType {
    match tee {
        TeeType::Sgx => TeeType::Tdx,
        TeeType::Tdx => TeeType::Sgx,
    }
}

fn other_ca(ca: PckCa) -> PckCa {
    match ca {
        PckCa::Platform => PckCa::Processor,
        PckCa::Processor => PckCa::Platform,
    }
}
