//! Where everything is, for those who need it elsewhere: containers, tests, simulated TDs.

use std::path::{Path, PathBuf};

/// The places this crate looks at. The default is where Linux has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The folder of device nodes: `/dev`.
    pub devices: PathBuf,
    /// configfs-tsm's folder of reports: `/sys/kernel/config/tsm/report`.
    pub tsm_report: PathBuf,
    /// The measurement registers as files (Linux 6.16 and later).
    pub measurements: PathBuf,
    /// The event log: `/sys/firmware/acpi/tables/data/CCEL`.
    pub ccel: PathBuf,
    /// The log of what was measured at run time: `/run/tdattest/event-log`, which like the registers starts anew with
    /// the TD.
    pub event_log: PathBuf,
    /// The configuration of Intel's client: `/etc/tdx-attest.conf`.
    pub config: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self::below(Path::new("/"))
    }
}

impl Paths {
    /// The usual places below another root.
    pub fn below(root: &Path) -> Self {
        Self {
            devices: root.join("dev"),
            tsm_report: root.join("sys/kernel/config/tsm/report"),
            measurements: root.join("sys/devices/virtual/misc/tdx_guest/measurements"),
            ccel: root.join("sys/firmware/acpi/tables/data/CCEL"),
            event_log: root.join("run/tdattest/event-log"),
            config: root.join("etc/tdx-attest.conf"),
        }
    }
}
