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
    pub(crate) report_data: ReportDataExpectation,
}

/// What the report data must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportDataExpectation {
    /// Whatever it is: the caller compares it, or wants only to know that *a* genuine TD or enclave exists.
    Any,
    /// Exactly these 64 bytes.
    Exactly(ReportData),
}

impl Policy {
    /// A genuine, up-to-date platform and no debugging, with any report data: *a* TD or enclave, not *which*.
    pub fn genuine_platform() -> Self {
        Self {
            accepted_tcb: alloc::vec![TcbStatus::UpToDate],
            allow_debug: false,
            report_data: ReportDataExpectation::Any,
        }
    }

    /// Also accepts this TCB status.
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
        self.report_data = ReportDataExpectation::Exactly(report_data);
        self
    }
}
