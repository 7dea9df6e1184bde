//! What only the CPU can do: seal a TDREPORT with its key, and tell a sealed one from a forged one.
//!
//! Source: Intel TDX Module ABI specification, "TDREPORT_STRUCT", "REPORTMACSTRUCT".

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384};
use tdattest_wire::Fixed as _;
use tdattest_wire::bytes::{Measurement, ReportMac};
use tdattest_wire::td_report::{ReportMacStruct, TdReport};

use crate::platform::Platform;

/// Why a TDREPORT is not this CPU's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgedReport {
    /// The MAC is not by this platform's key.
    #[error("the TDREPORT's MAC is not this platform's: it was made, or changed, elsewhere")]
    Mac,
    /// A hash is not that of the part it stands for.
    #[error("the TDREPORT's {0} is not the SHA-384 of that part")]
    Hash(&'static str),
}

/// Bytes of REPORTMACSTRUCT under the MAC.
const UNDER_MAC: usize = ReportMacStruct::SIZE - ReportMac::SIZE;

impl Platform {
    /// Puts hashes and MAC into a report, as TDG.MR.REPORT and SEAMREPORT do.
    pub(crate) fn seal(&self, mut report: TdReport) -> TdReport {
        let [tee_tcb_info, td_info] = hashes(&report);
        report.report_mac.tee_tcb_info_hash = tee_tcb_info;
        report.report_mac.tee_info_hash = td_info;
        let mac = self.mac(&report).finalize();
        report.report_mac.mac = ReportMac(mac.into_bytes().into());
        report
    }

    /// Whether this platform's CPU made a report, as EVERIFYREPORT2 and the quoting enclave check.
    ///
    /// # Errors
    /// What gives the forgery away.
    pub fn verify_report(&self, report: &TdReport) -> Result<(), ForgedReport> {
        let sealed = self.mac(report).verify_slice(&report.report_mac.mac.0);
        sealed.map_err(|_| ForgedReport::Mac)?;
        let [tee_tcb_info, td_info] = hashes(report);
        if report.report_mac.tee_tcb_info_hash != tee_tcb_info {
            return Err(ForgedReport::Hash("TEE_TCB_INFO_HASH"));
        }
        if report.report_mac.tee_info_hash != td_info {
            return Err(ForgedReport::Hash("TEE_INFO_HASH"));
        }
        Ok(())
    }

    fn mac(&self, report: &TdReport) -> Hmac<Sha256> {
        let key = self.seed.bytes::<64>("report key");
        let bytes = report.report_mac.to_bytes();
        let mac = Hmac::<Sha256>::new(&key.into());
        mac.chain_update(bytes.get(..UNDER_MAC).unwrap_or_default())
    }
}

/// The hashes of TEE_TCB_INFO and TDINFO.
fn hashes(report: &TdReport) -> [Measurement; 2] {
    let bytes = report.to_bytes();
    [TdReport::TEE_TCB_INFO_RANGE, TdReport::TD_INFO_RANGE]
        .map(|range| Measurement(Sha384::digest(bytes.get(range).unwrap_or_default()).into()))
}
