//! The kinds of errors: where on the way, what to do, what the guest is told, and whether the context is of use afterwards.
//!
//! A context is given up where its enclave or key is lost, missing or in doubt: another is opened, with a pause that grows, and
//! meanwhile other workers answer. It is kept where only the report or the provider is at fault: the enclave is good, and a
//! new one would have to be certified by the very provider that fails.

use tdattest_wire::qgs::QgsError;

use super::Class;
use crate::failure::Hop;

/// One that leaves the context as it is, and is told as unexpected.
const fn class(hop: Hop, code: &'static str, remedy: &'static str) -> Class {
    Class { hop, code, remedy, answer: QgsError::UNEXPECTED, spoils: false }
}

/// One that spoils the context.
const fn spoiling(hop: Hop, code: &'static str, remedy: &'static str) -> Class {
    Class { spoils: true, ..class(hop, code, remedy) }
}

pub(super) const REPORT: Class = Class {
    answer: QgsError::INVALID_PARAMETER,
    ..class(
        Hop::Report,
        "report.refused",
        "the guest must ask its TDX module for the TDREPORT and send it at once, unchanged, to the QGS of the same host",
    )
};
pub(super) const REPORT_FORMAT: Class = Class {
    answer: QgsError::INVALID_PARAMETER,
    ..class(
        Hop::Report,
        "report.format",
        "install the newest TD quoting enclave (libsgx-ae-tdqe): this TDX module makes TDREPORTs that the installed one does not know",
    )
};

pub(super) const LOAD: Class = spoiling(
    Hop::Enclave,
    "enclave.load",
    "see that libsgx-ae-tdqe, libsgx-ae-id-enclave and libsgx-urts are installed and that SGX is enabled in the firmware: \
     /dev/sgx_enclave must exist, and the service must be allowed to open it",
);
pub(super) const LOST: Class = spoiling(
    Hop::Enclave,
    "enclave.lost",
    "none is needed: it is loaded again; if this comes often, find out what suspends the host",
);
pub(super) const EPC: Class = spoiling(
    Hop::Enclave,
    "enclave.epc",
    "run fewer workers, or give SGX more protected memory in the firmware's settings (PRMRR size)",
);
pub(super) const DEVICE: Class = spoiling(
    Hop::Enclave,
    "enclave.device",
    "enable SGX in the firmware's settings, and see that /dev/sgx_enclave and /dev/sgx_provision exist",
);
pub(super) const PRIVILEGE: Class = spoiling(
    Hop::Enclave,
    "enclave.privilege",
    "put the service's user into the group that /dev/sgx_provision belongs to (sgx_prv), and into that of /dev/sgx_enclave \
     (sgx), and restart the service",
);
pub(super) const KEY: Class = spoiling(
    Hop::Enclave,
    "enclave.key",
    "if it comes again, see what the quote provider says: a new key needs a certificate",
);
pub(super) const ENCLAVE: Class = spoiling(
    Hop::Enclave,
    "enclave.failed",
    "restart the service; if it stays, reinstall Intel's enclaves and libraries, all of one version",
);

pub(super) const PCE: Class = spoiling(
    Hop::Pce,
    "pce.unavailable",
    "install libsgx-pce-logic and libsgx-ae-pce, of the same version as libsgx-tdx-logic",
);
pub(super) const CERTIFICATION: Class = class(
    Hop::Pce,
    "pce.certification",
    "the provider has a PCK certificate for a newer TCB than the platform has now: remove what the caching service has of this \
     platform, and let it fetch again",
);

pub(super) const LIBRARY: Class = class(
    Hop::Provider,
    "provider.library",
    "install a quote provider, libdcap_quoteprov.so.1: Intel's is libsgx-dcap-default-qpl",
);
pub(super) const NO_CERTIFICATE: Class = class(
    Hop::Provider,
    "provider.no-certificate",
    "register the platform: with Intel's PCK ID retrieval tool or mpa_registration, then let the caching service of \
     /etc/sgx_default_qcnl.conf fetch its PCK certificates",
);
pub(super) const CERTIFICATE: Class = class(
    Hop::Provider,
    "provider.certificate",
    "remove what the provider has cached (~/.dcap-qcnl of the service's user), and see what the caching service returns",
);
pub(super) const CONFIGURATION: Class =
    class(Hop::Provider, "provider.configuration", "correct /etc/sgx_default_qcnl.conf");
pub(super) const STORAGE: Class = class(
    Hop::Provider,
    "provider.storage",
    "the service's user needs a home folder that it can write to, with space left",
);
pub(super) const PROVIDER: Class = class(
    Hop::Provider,
    "provider.unexpected",
    "see what the provider says, and check /etc/sgx_default_qcnl.conf",
);

pub(super) const NETWORK: Class = class(
    Hop::Pccs,
    "pccs.network",
    "see that the PCCS of /etc/sgx_default_qcnl.conf runs and can be reached from this host",
);
pub(super) const TLS: Class = class(
    Hop::Pccs,
    "pccs.certificate",
    "have the PCCS present a certificate that this host trusts; for one signed by itself, use_secure_cert in \
     /etc/sgx_default_qcnl.conf says whether to insist",
);
pub(super) const MESSAGE: Class = class(
    Hop::Pccs,
    "pccs.message",
    "see that the address in /etc/sgx_default_qcnl.conf is that of a PCCS, and what its log says",
);
pub(super) const SERVICE: Class = class(
    Hop::Pccs,
    "pccs.unavailable",
    "see the log of the PCCS of /etc/sgx_default_qcnl.conf, and whether it reaches Intel's PCS",
);
pub(super) const PLATFORM: Class = class(
    Hop::Pccs,
    "pccs.platform-unknown",
    "register the platform with the PCCS: with Intel's PCK ID retrieval tool, or its administration tool where it is offline",
);
pub(super) const NO_COLLATERAL: Class = class(
    Hop::Pccs,
    "pccs.no-collateral",
    "see that the PCCS knows this FMSPC, and whether it reaches Intel's PCS",
);
pub(super) const PCS: Class = class(
    Hop::Pcs,
    "pcs.no-certificate",
    "register the platform with Intel (mpa_registration), and see that its microcode is one that Intel has certificates for",
);

pub(super) const MEMORY: Class = Class {
    answer: QgsError::OUT_OF_MEMORY,
    ..spoiling(Hop::Backend, "backend.memory", "free memory on the host, or run fewer workers")
};
pub(super) const UNEXPECTED: Class = spoiling(
    Hop::Backend,
    "backend.unexpected",
    "the system log may have more from Intel's libraries; `tdattest qgs check` looks at devices, libraries and the provider",
);
pub(super) const PARAMETER: Class = spoiling(
    Hop::Backend,
    "backend.parameter",
    "see that all of Intel's libraries and enclaves are of one version, and that the configured paths are right",
);
pub(super) const BUSY: Class = class(Hop::Backend, "backend.busy", "");
pub(super) const VERIFICATION: Class = class(
    Hop::Backend,
    "backend.verification",
    "this is an error of those who verify quotes: see that the provider is for quotes of TDX and of the library's version",
);
pub(super) const UNKNOWN: Class = spoiling(
    Hop::Backend,
    "backend.unknown",
    "look the number up in the release notes of the installed libsgx-tdx-logic",
);
