//! A TD that does as it is told, and remembers what it was asked.

use std::cell::RefCell;

use tdattest_attester::wire::bytes::{Measurement, ReportData};
use tdattest_attester::{ProviderError, ReportError, RtmrError};
use tdx_attest::machine::{Machine, Taken, Way};

/// What the TD answers. Without a device it is no TD.
pub(crate) struct ScriptedTd {
    pub(crate) device: Result<(), ReportError>,
    pub(crate) report: Result<[u8; 1024], ReportError>,
    pub(crate) port: Option<u16>,
    pub(crate) vsock: Result<Vec<u8>, ProviderError>,
    pub(crate) configfs: Result<Vec<u8>, ProviderError>,
    pub(crate) ioctl: Result<Vec<u8>, ProviderError>,
    pub(crate) extended: Result<(), RtmrError>,
    pub(crate) asked: RefCell<Vec<String>>,
}

impl ScriptedTd {
    /// One in which everything works.
    pub(crate) fn new() -> Self {
        Self {
            device: Ok(()),
            report: Ok([7; 1024]),
            port: None,
            vsock: Ok(b"by vsock".to_vec()),
            configfs: Ok(b"by configfs".to_vec()),
            ioctl: Ok(b"by ioctl".to_vec()),
            extended: Ok(()),
            asked: RefCell::new(Vec::new()),
        }
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> String {
        self.asked.borrow().join(", ")
    }

    fn note(&self, question: impl Into<String>) {
        self.asked.borrow_mut().push(question.into());
    }
}

impl Machine for ScriptedTd {
    fn open_device(&self) -> Result<(), ReportError> {
        self.note("device");
        self.device.clone()
    }

    fn report(&self, _: &ReportData) -> Result<[u8; 1024], ReportError> {
        self.note("report");
        self.report.clone()
    }

    fn vsock_port(&self) -> Option<u16> {
        self.note("port");
        self.port
    }

    fn quote(&self, way: Way, taken: &Taken) -> Result<Vec<u8>, ProviderError> {
        // What was taken is what is handed on.
        assert_eq!(Ok(taken.report), self.report);
        assert_eq!(taken.report_data, ReportData([1; 64]));
        match way {
            Way::Vsock(port) => {
                self.note(format!("vsock {port}"));
                self.vsock.clone()
            }
            Way::Configfs => {
                self.note("configfs");
                self.configfs.clone()
            }
            Way::Ioctl => {
                self.note("ioctl");
                self.ioctl.clone()
            }
        }
    }

    fn extend_rtmr(&self, index: u8, digest: &Measurement) -> Result<(), RtmrError> {
        self.note(format!("extend {index} with {}", digest.0[0]));
        self.extended.clone()
    }
}
