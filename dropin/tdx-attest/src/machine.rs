//! What the calls need of a TD: a seam, so that every status can be provoked without one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tdattest_attester::wire::bytes::{Measurement, ReportData};
use tdattest_attester::{
    Attester, Deadline, Endpoint, GuestDevice, Hop, Paths, Provider, ProviderError, ReportError,
    RtmrError, config,
};

/// A way to a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The QGS on this vsock port of the host.
    Vsock(u16),
    /// The kernel's configfs-tsm.
    Configfs,
    /// The GET_QUOTE ioctl of downstream drivers.
    Ioctl,
}

/// A TDREPORT, and the report data that it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What was asked for.
    pub report_data: ReportData,
    /// What came.
    pub report: [u8; 1024],
}

/// The TD that a call runs in.
pub trait Machine {
    /// Opens the guest device.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open_device(&self) -> Result<(), ReportError>;

    /// A TDREPORT for this report data.
    ///
    /// # Errors
    /// Why there is none.
    fn report(&self, report_data: &ReportData) -> Result<[u8; 1024], ReportError>;

    /// The vsock port that the administrator has configured.
    fn vsock_port(&self) -> Option<u16>;

    /// A quote of this TDREPORT, with the padding of its buffer. Takes no other TDREPORT, but for configfs-tsm, which
    /// makes its own from the report data.
    ///
    /// # Errors
    /// Why this way brings none.
    fn quote(&self, way: Way, taken: &Taken) -> Result<Vec<u8>, ProviderError>;

    /// Extends a register.
    ///
    /// # Errors
    /// Why it was not extended.
    fn extend_rtmr(&self, index: u8, digest: &Measurement) -> Result<(), RtmrError>;
}

/// The entry of configfs-tsm that Intel's library makes, or finds made by an administrator.
const INTEL_ENTRY: &str = "com.intel.dcap";

/// This TD.
#[derive(Clone, Debug)]
pub struct Td {
    paths: Paths,
    /// The one entry of configfs-tsm to use, if somebody has named one.
    entry: Option<PathBuf>,
    allowed: Duration,
}

impl Td {
    /// A TD with its devices and files at these places.
    pub fn new(paths: Paths) -> Self {
        Self { paths, entry: None, allowed: Deadline::DEFAULT }
    }

    /// The same with the values of `DCAP_TDX_QUOTE_CONFIGFS_PATH` and `DCAP_TDX_RTMR_SYSFS_PATH`, if they are set.
    #[must_use]
    pub fn with_environment(self, entry: Option<OsString>, measurements: Option<OsString>) -> Self {
        let mut paths = self.paths;
        if let Some(folder) = measurements.filter(|folder| !folder.is_empty()) {
            paths.measurements = folder.into();
        }
        Self { paths, entry: entry.map(PathBuf::from), ..self }
    }

    /// The same with another time for each way.
    #[must_use]
    pub fn with_deadline(self, allowed: Duration) -> Self {
        Self { allowed, ..self }
    }

    fn ask(&self, provider: Provider, taken: &Taken) -> Result<Vec<u8>, ProviderError> {
        let attester = Attester::new(self.paths.clone()).with_deadline(self.allowed);
        match attester.with_providers(vec![provider]).quote_from_report(&taken.report) {
            Ok(obtained) => Ok(obtained.bytes),
            Err(mut no_quote) => Err(match no_quote.failed.pop() {
                Some(attempt) => attempt.error,
                None => ProviderError::Unavailable("no way was tried".into()),
            }),
        }
    }

    /// Through the entry that somebody has named; through one of our own; or, for those who may make none, through the
    /// one that Intel's library would use.
    fn ask_configfs(&self, taken: &Taken) -> Result<Vec<u8>, ProviderError> {
        let data = &taken.report_data;
        let through = |entry| tdattest_attester::quote_in_entry(entry, data, self.allowed);
        if let Some(entry) = &self.entry {
            return if entry.is_dir() { through(entry) } else { Err(no_folder(entry)) };
        }
        let shared = self.paths.tsm_report.join(INTEL_ENTRY);
        match self.ask(Provider::Configfs, taken) {
            Err(ProviderError::Permission(_)) if shared.is_dir() => through(&shared),
            other => other,
        }
    }
}

/// A name that leads nowhere is a failure: whoever set it wants that entry and no other.
fn no_folder(entry: &Path) -> ProviderError {
    let fault = format!("DCAP_TDX_QUOTE_CONFIGFS_PATH is `{}`, expected a folder", entry.display());
    ProviderError::Io { hop: Hop::Configfs, fault }
}

impl Machine for Td {
    fn open_device(&self) -> Result<(), ReportError> {
        GuestDevice::open(&self.paths).map(|_| ())
    }

    fn report(&self, report_data: &ReportData) -> Result<[u8; 1024], ReportError> {
        tdattest_attester::report(&self.paths, report_data)
    }

    fn vsock_port(&self) -> Option<u16> {
        config::read(&self.paths.config).ok().flatten()?.port()
    }

    fn quote(&self, way: Way, taken: &Taken) -> Result<Vec<u8>, ProviderError> {
        match way {
            Way::Vsock(port) => {
                let endpoint = Endpoint::Vsock { cid: Endpoint::HOST, port: port.into() };
                self.ask(Provider::Qgs(endpoint), taken)
            }
            Way::Configfs => self.ask_configfs(taken),
            Way::Ioctl => self.ask(Provider::Ioctl, taken),
        }
    }

    fn extend_rtmr(&self, index: u8, digest: &Measurement) -> Result<(), RtmrError> {
        tdattest_attester::extend_rtmr(&self.paths, index, digest)
    }
}
