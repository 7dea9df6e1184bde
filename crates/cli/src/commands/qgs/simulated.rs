//! Quotes of a simulated platform, as a backend of the service.

use tdattest_qgs::backend::{Backend, Context};
use tdattest_qgs::wire::qgs::QgsError;
use tdattest_qgs::wire::td_report::TdReport;
use tdattest_qgs::{Collateral, Failure, Hop, PckCa, PlatformInfo, REPORT_BYTES, SERVICE_TD_BYTES};
use tdattest_simulator::{CollateralDraft, MintError, Platform, QuotingEnclave};
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::TeeType;

use crate::arguments::now;

/// A platform that each worker starts an enclave of.
pub(super) struct Simulated(pub(super) Platform);

struct Enclave {
    platform: Platform,
    enclave: QuotingEnclave,
}

impl Backend for Simulated {
    fn name(&self) -> String {
        format!("simulated platform, FMSPC {}", self.0.hardware.fmspc)
    }

    fn open(&self) -> Result<Box<dyn Context>, Failure> {
        let enclave = QuotingEnclave::new(&self.0).map_err(unmintable)?;
        Ok(Box::new(Enclave { platform: self.0.clone(), enclave }))
    }
}

impl Context for Enclave {
    fn quote(
        &mut self,
        report: &[u8; REPORT_BYTES],
        service_td: Option<&[u8; SERVICE_TD_BYTES]>,
    ) -> Result<Vec<u8>, Failure> {
        if service_td.is_some() {
            let text = "a simulated platform has no quotes with migration history";
            let failure = Failure::new(Hop::Enclave, "enclave.migration", text);
            return Err(failure.told_as(QgsError::INVALID_TYPE));
        }
        let refused = |cause: String| {
            Failure::new(Hop::Report, "report.forged", cause)
                .with_remedy("the TD must run on the same simulated platform: `tdattest sim td --platform` with this folder")
                .told_as(QgsError::INVALID_PARAMETER)
        };
        let report = TdReport::parse(report).map_err(|fault| refused(fault.to_string()))?;
        self.enclave.quote(&report).map_err(|fault| refused(fault.to_string()))
    }

    fn collateral(&mut self, fmspc: [u8; 6], ca: PckCa) -> Result<Collateral, Failure> {
        let hardware = &self.platform.hardware;
        if fmspc != hardware.fmspc.0 || ca != hardware.ca {
            let found = format!("FMSPC {} of the {} CA", hardware.fmspc, hardware.ca.name());
            let text = format!("there is collateral for {found} alone, and other was asked for");
            return Err(
                Failure::new(Hop::Pccs, "pccs.unknown", text).told_as(QgsError::INVALID_PARAMETER)
            );
        }
        let at = now()
            .map_err(|fault| Failure::new(Hop::Provider, "provider.clock", fault.to_string()))?;
        let draft =
            CollateralDraft::new(&self.platform, TeeType::Tdx, EvaluationDataSet::Standard, at);
        let set = draft.and_then(|draft| draft.mint()).map_err(unmintable)?;
        Ok(Collateral {
            // CRLs in DER, as Intel's provider library has them from PCS API v4.
            version: (3, 1),
            pck_crl_issuer_chain: terminated(set.pck_crl_issuer_chain),
            root_ca_crl: set.root_ca_crl,
            pck_crl: set.pck_crl,
            tcb_info_issuer_chain: terminated(set.tcb_info_issuer_chain),
            tcb_info: terminated(set.tcb_info.write()),
            qe_identity_issuer_chain: terminated(set.qe_identity_issuer_chain),
            qe_identity: terminated(set.qe_identity.write()),
        })
    }

    fn platform_info(&mut self) -> Result<PlatformInfo, Failure> {
        let hardware = &self.platform.hardware;
        Ok(PlatformInfo {
            tdqe_isv_svn: hardware.td_qe_isv_svn,
            pce_isv_svn: hardware.pce_svn,
            platform_id: hardware.qe_id.0,
            cpu_svn: hardware.cpu_svn.0,
        })
    }

    fn probe(&mut self) -> Result<(), Failure> {
        let report = self.platform.launch_td().report(Default::default());
        self.enclave.quote(&report).map(drop).map_err(unmintable)
    }
}

/// A text as C programs want it.
fn terminated(mut text: Vec<u8>) -> Vec<u8> {
    text.push(0);
    text
}

fn unmintable(fault: MintError) -> Failure {
    Failure::new(Hop::Enclave, "enclave.simulated", fault.to_string())
}
