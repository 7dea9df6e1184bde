//! Breaks collateral in one thing.

use tdattest_wire::qe_identity::EnclaveId;
use tdattest_wire::quote::TeeType;
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use super::break_chain::{Context, REISSUED, break_chain};
use super::break_crl::break_crl;
use super::{Broken, ChainFault, DocumentFault, Fault};
use crate::collateral::CollateralDraft;
use crate::error::MintError;
use crate::pki::{Extension, Key};
use crate::time::{DAY, earlier};

impl CollateralDraft {
    /// Breaks one thing.
    ///
    /// # Errors
    /// When the fault breaks the quote, or needs a quote of another kind.
    pub fn break_with(&mut self, fault: Fault) -> Result<(), MintError> {
        if fault.breaks() != Broken::Collateral {
            return Err(MintError::OtherArtefact { fault, asked: Broken::Collateral });
        }
        let before = self.clone();
        let stranger = self.others.stranger.clone();
        let context = Context { at: self.at, stranger: &stranger };
        match fault {
            Fault::PckCrlIssuerChain(fault) => {
                break_chain(&mut self.pck_crl_issuer_chain, fault, &context);
                self.revoke_reissued(fault);
                self.follow_issuer(fault, &stranger);
            }
            Fault::TcbInfoIssuerChain(fault) => {
                break_chain(&mut self.tcb_info_issuer_chain, fault, &context);
                self.revoke_reissued(fault);
            }
            Fault::QeIdentityIssuerChain(fault) => {
                break_chain(&mut self.qe_identity_issuer_chain, fault, &context);
                self.revoke_reissued(fault);
            }
            Fault::PckChain(_) => self.pck_crl.revoked.push(self.others.pck.serial.clone()),
            Fault::RootCaCrl(fault) => break_crl(&mut self.root_ca_crl, fault, &context),
            Fault::PckCrl(fault) => break_crl(&mut self.pck_crl, fault, &context),
            Fault::TcbInfo(fault) => self.break_tcb_info(fault, &stranger),
            Fault::QeIdentity(fault) => self.break_qe_identity(fault, &stranger),
            other => self.break_content(other)?,
        }
        if *self == before { Err(MintError::NoEffect(fault)) } else { Ok(()) }
    }

    /// The root CA revokes the reissued certificate, and only that.
    fn revoke_reissued(&mut self, fault: ChainFault) {
        if fault == ChainFault::Revoked {
            self.root_ca_crl.revoked.push(REISSUED.to_vec());
        }
    }

    /// The CRLs are by the very issuers that the chain has: a stranger's, or one of another name, and in order otherwise.
    fn follow_issuer(&mut self, fault: ChainFault, stranger: &Key) {
        match fault {
            ChainFault::Untrusted => {
                self.root_ca_crl.signer = stranger.clone();
                let id = Extension::AuthorityKeyId(stranger.identifier());
                self.root_ca_crl.extensions.set(id);
            }
            ChainFault::Role => {
                if let Some(leaf) = self.pck_crl_issuer_chain.leaf() {
                    self.pck_crl.issuer = leaf.subject.clone();
                }
            }
            _ => {}
        }
    }

    fn break_tcb_info(&mut self, fault: DocumentFault, stranger: &Key) {
        let (at, document) = (self.at, &mut self.tcb_info);
        match fault {
            DocumentFault::Signature => document.signer = stranger.clone(),
            DocumentFault::Malformed => document.content.tcb_levels.clear(),
            DocumentFault::NotYetIssued => document.content.issue_date = tomorrow(at),
            DocumentFault::Expired => {
                (document.content.issue_date, document.content.next_update) = past(at);
            }
        }
    }

    fn break_qe_identity(&mut self, fault: DocumentFault, stranger: &Key) {
        let (at, document) = (self.at, &mut self.qe_identity);
        match fault {
            DocumentFault::Signature => document.signer = stranger.clone(),
            DocumentFault::Malformed => document.content.tcb_levels.clear(),
            DocumentFault::NotYetIssued => document.content.issue_date = tomorrow(at),
            DocumentFault::Expired => {
                (document.content.issue_date, document.content.next_update) = past(at);
            }
        }
    }

    /// What the documents say, well signed.
    fn break_content(&mut self, fault: Fault) -> Result<(), MintError> {
        let tcb_info = &mut self.tcb_info.content;
        match fault {
            Fault::PckCrlOfOtherCa => {
                self.pck_crl = self.others.ca_crl.clone();
                if let Some(leaf) = self.pck_crl_issuer_chain.leaf() {
                    *leaf = self.others.ca.clone();
                }
            }
            Fault::TcbInfoOfOtherTee => *tcb_info = self.others.tcb_info.clone(),
            Fault::Fmspc => flip_last(&mut tcb_info.fmspc.0),
            Fault::PceId => flip_last(&mut tcb_info.pce_id.0),
            Fault::QeIdentityOfOtherEnclave => {
                let id = &mut self.qe_identity.content.id;
                *id = if *id == EnclaveId::Qe { EnclaveId::TdQe } else { EnclaveId::Qe };
            }
            Fault::TdxModuleStatus => {
                if tcb_info.tee != TeeType::Tdx {
                    let needs = "the collateral of a TDX quote";
                    return Err(MintError::NeedsOtherQuote { fault, needs });
                }
                let levels =
                    tcb_info.tdx_modules.iter_mut().flat_map(|module| &mut module.tcb_level);
                levels.for_each(|level| level.status = TcbStatus::ConfigurationNeeded);
            }
            // The others break a quote, and were turned away.
            other => {
                return Err(MintError::OtherArtefact { fault: other, asked: Broken::Collateral });
            }
        }
        Ok(())
    }
}

fn tomorrow(at: UnixTime) -> UnixTime {
    at.saturating_add(DAY)
}

/// A window that ended yesterday.
pub(super) fn past(at: UnixTime) -> (UnixTime, UnixTime) {
    const DAYS: u64 = 31;
    (earlier(at, DAYS * DAY), earlier(at, DAY))
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x10;
    }
}
