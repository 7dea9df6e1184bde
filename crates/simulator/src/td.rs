//! A running TD: its run-time registers, its event log, and the TDREPORTs it asks of the CPU.

use sha2::{Digest as _, Sha384};
use tdattest_wire::bytes::{
    Measurement, ReportData, ReportMac, ReportType, Reserved3, Reserved12, Reserved17, Reserved24,
    Reserved32, Reserved95, TdInfoValid, TeeTcbSvn, ValidBitmap,
};
use tdattest_wire::event_log::{self, Event as LoggedEvent};
use tdattest_wire::td_report::{ReportMacStruct, TdInfo, TdReport, TeeTcbInfo};

use crate::platform::{Event, Platform};

/// A TD on a simulated platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomain<'p> {
    platform: &'p Platform,
    rtmrs: [Measurement; 4],
    event_log: Vec<u8>,
}

/// TEE_TCB_INFO's VALID: every field of TDX 1.0.
pub(crate) const VALID_1_0: u64 = 0x1ff;
/// The same with TEE_TCB_SVN2.
pub(crate) const VALID_WITH_SVN2: u64 = 0x0003_01ff;

impl Platform {
    /// Launches the TD: every event of its description is measured.
    pub fn launch_td(&self) -> TrustDomain<'_> {
        let mut td = TrustDomain {
            platform: self,
            rtmrs: [Measurement::default(); 4],
            event_log: Vec::new(),
        };
        event_log::write_header(&mut td.event_log);
        for event in &self.td.event {
            td.measure(event);
        }
        td
    }
}

impl TrustDomain<'_> {
    /// The run-time registers.
    pub fn rtmrs(&self) -> &[Measurement; 4] {
        &self.rtmrs
    }

    /// The event log, as the CCEL data file holds it, without padding.
    pub fn event_log(&self) -> &[u8] {
        &self.event_log
    }

    /// Measures an event: logs it and extends its register. Says whether there is one.
    pub fn measure(&mut self, event: &Event) -> bool {
        let digest = Measurement(Sha384::digest(&event.data).into());
        let extended = self.extend_rtmr(event.rtmr, &digest);
        if extended {
            LoggedEvent {
                // 0 stands for MRTD.
                register: u32::from(event.rtmr).saturating_add(1),
                kind: event.kind,
                digest: Some(digest),
                data: event.data.as_bytes(),
            }
            .write(&mut self.event_log);
        }
        extended
    }

    /// TDG.MR.RTMR.EXTEND: the register becomes the SHA-384 of itself and the digest. Says whether there is one.
    pub fn extend_rtmr(&mut self, index: u8, digest: &Measurement) -> bool {
        let Some(register) = self.rtmrs.get_mut(usize::from(index)) else { return false };
        let extended = Sha384::new().chain_update(register.0).chain_update(digest.0);
        *register = Measurement(extended.finalize().into());
        true
    }

    /// TDG.MR.REPORT: a TDREPORT for this report data, sealed by the CPU.
    pub fn report(&self, report_data: ReportData) -> TdReport {
        self.platform.seal(TdReport {
            report_mac: ReportMacStruct {
                report_type: ReportType([0x81, 0, self.report_version(), 0]),
                reserved_1: Reserved12::default(),
                cpu_svn: self.platform.hardware.cpu_svn,
                tee_tcb_info_hash: Measurement::default(),
                tee_info_hash: Measurement::default(),
                report_data,
                reserved_2: Reserved32::default(),
                mac: ReportMac::default(),
            },
            tee_tcb_info: self.tee_tcb_info(),
            reserved: Reserved17::default(),
            td_info: self.td_info(),
        })
    }

    /// 0 for TDX 1.0 and 1.5, 1 with a bound service TD, 3 with a TD id or VM id.
    fn report_version(&self) -> u8 {
        let td = &self.platform.td;
        match (td.td_id.is_zero() && td.vm_id == 0, td.service_td_hash.is_zero()) {
            (false, _) => 3,
            (true, false) => 1,
            (true, true) => 0,
        }
    }

    fn tee_tcb_info(&self) -> TeeTcbInfo {
        let module = &self.platform.tdx_module;
        let valid = if module.tee_tcb_svn_2.is_some() { VALID_WITH_SVN2 } else { VALID_1_0 };
        TeeTcbInfo {
            valid: ValidBitmap(valid.to_le_bytes()),
            tee_tcb_svn: TeeTcbSvn(module.tee_tcb_svn),
            mr_seam: module.mr_seam,
            mr_signer_seam: module.mr_signer_seam,
            seam_attributes: module.seam_attributes,
            tee_tcb_svn_2: TeeTcbSvn(module.tee_tcb_svn_2.unwrap_or_default()),
            reserved: Reserved95::default(),
        }
    }

    fn td_info(&self) -> TdInfo {
        let td = &self.platform.td;
        let [rtmr_0, rtmr_1, rtmr_2, rtmr_3] = self.rtmrs;
        // Bit 0: SERVTD_HASH, bit 8: TD_ID, bit 9: VMID; in a version 3 report alone.
        let set = |bit: u8, valid: bool| if valid { bit } else { 0 };
        let valid = match self.report_version() {
            3 => [
                set(1, !td.service_td_hash.is_zero()),
                set(1, !td.td_id.is_zero()) | set(2, td.vm_id != 0),
                0,
                0,
            ],
            _ => [0; 4],
        };
        TdInfo {
            attributes: td.attributes,
            xfam: td.xfam,
            mr_td: td.mr_td,
            mr_config_id: td.mr_config_id,
            mr_owner: td.mr_owner,
            mr_owner_config: td.mr_owner_config,
            rtmr_0,
            rtmr_1,
            rtmr_2,
            rtmr_3,
            service_td_hash: td.service_td_hash,
            td_id: td.td_id,
            reserved_1: Reserved24::default(),
            vm_id: td.vm_id,
            reserved_2: Reserved3::default(),
            valid: TdInfoValid(valid),
        }
    }
}
