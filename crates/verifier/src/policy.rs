//! What a relying party demands of a verified quote, beyond that it is genuine.
//!
//! Must stay true: a policy starts strict; every loosening is a named call.

use alloc::vec::Vec;

use tdattest_wire::bytes::ReportData;
use tdattest_wire::tcb_status::TcbStatus;

/// An appraisal policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) accepted_tcb: Vec<TcbStatus>,
    pub(crate) allow_debug: bool,
    pub(crate) report_data: Option<ReportData>,
}

impl Policy {
    /// A genuine, up-to-date platform and no debugging, with any report data: *a* TD or enclave, not *which*.
    pub fn genuine_platform() -> Self {
        Self {
            accepted_tcb: alloc::vec![TcbStatus::UpToDate],
            allow_debug: false,
            report_data: None,
        }
    }

    /// Also accepts this TCB status. `Revoked` is not accepted all the same: its TCB is compromised.
    #[must_use]
    pub fn accept_tcb(mut self, status: TcbStatus) -> Self {
        self.accepted_tcb.push(status);
        self
    }

    /// Also accepts a TD or enclave whose DEBUG bit is set: the host can read and change it.
    #[must_use]
    pub fn dangerous_allow_debug(mut self) -> Self {
        self.allow_debug = true;
        self
    }

    /// Demands this report data.
    #[must_use]
    pub fn expect_report_data(mut self, report_data: ReportData) -> Self {
        self.report_data = Some(report_data);
        self
    }

    /// The TCB statuses it accepts.
    pub fn accepted_tcb(&self) -> &[TcbStatus] {
        &self.accepted_tcb
    }

    /// Whether it accepts a debug TD or enclave.
    pub fn allows_debug(&self) -> bool {
        self.allow_debug
    }

    /// The report data it demands; `None` for any.
    pub fn report_data(&self) -> Option<&ReportData> {
        self.report_data.as_ref()
    }
}
