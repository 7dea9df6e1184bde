//! What Intel's libraries need of the host: SGX devices, and a folder for the provider's cache.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::findings::Finding;
use crate::input::{reason, shown};

/// For enclaves at all, and for the one that certifies keys, with the group that may use each.
const DEVICES: [(&str, &str, &str); 2] = [
    ("enclave device", "/dev/sgx_enclave", "sgx"),
    ("provision device", "/dev/sgx_provision", "sgx_prv"),
];

/// Whether this host could make quotes at all.
pub(super) fn has_devices() -> bool {
    DEVICES.iter().all(|(_, path, _)| Path::new(path).exists())
}

pub(super) fn look() -> Vec<Finding> {
    DEVICES
        .iter()
        .map(|(subject, path, group)| device(subject, path, group))
        .chain([cache()])
        .collect()
}

fn device(subject: &'static str, path: &str, group: &str) -> Finding {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Finding::good(subject, format!("{path} can be opened")),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Finding::bad(
            subject,
            format!("there is no {path}"),
            "switch on SGX in the firmware's settings (with TDX, all memory encryption and SGX options), and boot a kernel with CONFIG_X86_SGX",
        ),
        Err(fault) => Finding::bad(
            subject,
            format!("{path} cannot be opened: {}", reason(&fault)),
            format!(
                "put the service's user into the group: usermod --append --groups {group} qgsd; the udev rules of Intel's package sgx-aesm or libsgx-enclave-common make the group"
            ),
        ),
    }
}

/// The quote provider keeps PCK certificates in a folder of the user's.
fn cache() -> Finding {
    const SUBJECT: &str = "provider's cache";
    let Some(home) = home() else {
        return Finding::doubtful(
            SUBJECT,
            "this user has no home folder".into(),
            "without one every new worker asks the caching service (PCCS) again; give the user a home folder",
        );
    };
    match rustix::fs::access(&home, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => {
            Finding::good(SUBJECT, format!("{} can be written", shown(&home.join(".dcap-qcnl"))))
        }
        Err(fault) => Finding::doubtful(
            SUBJECT,
            format!("{} cannot be written: {}", shown(&home), reason(&fault.into())),
            "PCK certificates are then fetched again by every new worker: give the user a home folder that it can write",
        ),
    }
}

fn home() -> Option<PathBuf> {
    let own = std::env::var_os("HOME").map(PathBuf::from);
    own.or_else(|| User::from_uid(geteuid()).ok().flatten().map(|user| user.dir))
}
