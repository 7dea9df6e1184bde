//! Breaks a quote in one thing.

use tdattest_wire::certificate::oid;
use tdattest_wire::quote::{Body, TdReport10, TdReport15};

use super::break_chain::{Context, break_chain};
use super::{Broken, Fault};
use crate::error::MintError;
use crate::quote::{CertificationDraft, QuoteDraft};

/// A major version that no TDX module has.
const UNKNOWN_MODULE: u8 = 0x7f;

impl QuoteDraft {
    /// Breaks one thing.
    ///
    /// # Errors
    /// When the fault breaks the collateral, or needs a quote of another kind.
    pub fn break_with(&mut self, fault: Fault) -> Result<(), MintError> {
        if fault.breaks() != Broken::Quote {
            return Err(MintError::OtherArtefact { fault, asked: Broken::Quote });
        }
        let before = self.clone();
        match fault {
            Fault::PckChain(_)
            | Fault::PckChainMissing
            | Fault::SgxExtension
            | Fault::PlatformTcb => self.break_certification(fault),
            Fault::TdxModuleUnknown
            | Fault::TdxModuleSigner
            | Fault::TdxModuleAttributes
            | Fault::TdxModuleTcb => self.break_td(fault),
            Fault::CurrentPlatformTcb | Fault::CurrentTdxModuleTcb => self.break_td15(fault),
            _ => {
                self.break_qe(fault);
                Ok(())
            }
        }?;
        if *self == before { Err(MintError::NoEffect(fault)) } else { Ok(()) }
    }

    fn break_certification(&mut self, fault: Fault) -> Result<(), MintError> {
        const NEEDS: &str = "a quote with a PCK certificate chain (certification data type 5)";
        let needs_chain = MintError::NeedsOtherQuote { fault, needs: NEEDS };
        let CertificationDraft::PckChain { chain, .. } = &mut self.certification else {
            return Err(needs_chain);
        };
        match fault {
            Fault::PckChain(fault) => {
                break_chain(chain, fault, &Context { at: self.at, stranger: &self.stranger });
            }
            Fault::SgxExtension => {
                chain.leaf().ok_or(needs_chain)?.extensions.remove(oid::SGX_EXTENSION);
            }
            Fault::PlatformTcb => {
                let leaf = chain.leaf();
                let sgx = leaf.and_then(|leaf| leaf.extensions.sgx_mut()).ok_or(needs_chain)?;
                sgx.tcb.components = [0; 16];
            }
            _ => self.certification = self.encrypted_ppid.clone(),
        }
        Ok(())
    }

    fn break_td(&mut self, fault: Fault) -> Result<(), MintError> {
        let td =
            td(&mut self.body).ok_or(MintError::NeedsOtherQuote { fault, needs: "a TDX quote" })?;
        let [minor, major, ..] = &mut td.tee_tcb_svn.0;
        match fault {
            Fault::TdxModuleUnknown => *major = UNKNOWN_MODULE,
            Fault::TdxModuleTcb => *minor = 0,
            Fault::TdxModuleSigner => flip_first(&mut td.mr_signer_seam.0),
            _ => flip_first(&mut td.seam_attributes.0),
        }
        Ok(())
    }

    fn break_td15(&mut self, fault: Fault) -> Result<(), MintError> {
        let needs = "a TDX 1.5 quote (version 5, body 3 or 4)";
        let td = td15(&mut self.body).ok_or(MintError::NeedsOtherQuote { fault, needs })?;
        let [module_minor, _, others @ ..] = &mut td.tee_tcb_svn_2.0;
        match fault {
            Fault::CurrentTdxModuleTcb => *module_minor = 0,
            _ => *others = [0; 14],
        }
        Ok(())
    }

    fn break_qe(&mut self, fault: Fault) {
        let report = &mut self.qe_report;
        match fault {
            Fault::QeReportSignature => self.pck_signer = self.stranger.clone(),
            Fault::QuoteSignature => self.attestation_signer = self.stranger.clone(),
            Fault::AttestationKeyBinding => flip_first(&mut report.report_data.0),
            Fault::QeMiscSelect => flip_first(&mut report.misc_select.0),
            // DEBUG.
            Fault::QeAttributes => {
                let [flags, ..] = &mut report.attributes.0;
                *flags |= 2;
            }
            Fault::QeMrSigner => flip_first(&mut report.mr_signer.0),
            Fault::QeIsvProdId => report.isv_prod_id ^= 0x100,
            Fault::QeTcb => report.isv_svn = 0,
            // Both coordinates of a point decide whether it is on the curve; the QE commits to what it carries.
            _ => {
                flip_first(&mut self.attestation_key.0);
                self.bind_attestation_key();
            }
        }
    }
}

fn td(body: &mut Body) -> Option<&mut TdReport10> {
    match body {
        Body::Sgx(_) => None,
        Body::Td10(td) => Some(td),
        Body::Td15(td) => Some(&mut td.base),
        Body::Td15Ex(td) => Some(&mut td.base.base),
    }
}

fn td15(body: &mut Body) -> Option<&mut TdReport15> {
    match body {
        Body::Sgx(_) | Body::Td10(_) => None,
        Body::Td15(td) => Some(td),
        Body::Td15Ex(td) => Some(&mut td.base),
    }
}

fn flip_first(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
}
