//! What to do when a TD's report, quote or register cannot be had: one line for each kind of reason.

use tdattest_attester::wire::qgs::NoAnswer;
use tdattest_attester::{Endpoint, Hop, Provider, ProviderError, ReportError, RtmrError};

const QGS_LOG: &str =
    "on the host, `tdattest qgs status` says why, or `journalctl -u qgsd` of Intel's service";

/// The remedy for a way that brought no quote.
pub(super) fn of_provider(provider: &Provider, fault: &ProviderError) -> String {
    match fault {
        ProviderError::Unavailable(_) | ProviderError::NoProvider => unavailable(provider).into(),
        ProviderError::Permission(_) => permission(provider).into(),
        ProviderError::Report(fault) => of_report(fault),
        ProviderError::Busy { .. } => format!(
            "ask again in half a minute; if it stays busy, the host never answers: check its QGS ({QGS_LOG})"
        ),
        ProviderError::Empty | ProviderError::NoService => {
            "on the host, give QEMU's tdx-guest object a quote-generation-socket, and check that the QGS runs (systemctl status qgsd)".into()
        }
        ProviderError::Deadline { hop: Hop::Connect | Hop::Send, .. } => {
            "the QGS takes no requests: restart it on the host (systemctl restart qgsd)".into()
        }
        ProviderError::Deadline { .. } => format!(
            "the host does not answer: check its QGS and the PCCS that it asks ({QGS_LOG}), or wait longer with --timeout"
        ),
        ProviderError::Io { hop: Hop::Connect, .. } => unconnected(provider),
        ProviderError::Generation { .. } => "ask again: every request has an entry of its own".into(),
        ProviderError::OtherTee(_) => {
            "this is another kind of confidential VM, which has tools of its own".into()
        }
        ProviderError::Qgs(NoAnswer::Refused(_)) => format!(
            "the QGS could not make the quote: {QGS_LOG}; often the platform is not registered, or its PCCS does not answer"
        ),
        ProviderError::Qgs(_) | ProviderError::NotAQuote(_) => {
            "what answers is no QGS of this protocol: check the address, and update the QGS (DCAP 1.21 or later)".into()
        }
        ProviderError::CborWebToken { .. } => {
            "this platform attests with DICE, not with quotes: use the verifier that its operator names".into()
        }
        ProviderError::ClosedEarly { .. } => format!("the QGS gave up: {QGS_LOG}"),
        ProviderError::OtherReportData => {
            "do not use that quote; what answers is not the QGS of this TD's host, or mixes up requests".into()
        }
        _ => format!("the host could not make the quote: check its QGS ({QGS_LOG})"),
    }
}

fn unavailable(provider: &Provider) -> &'static str {
    match provider {
        Provider::Configfs => {
            "in a TD with Linux 6.7 or later: modprobe tdx_guest, and mount -t configfs none /sys/kernel/config; in a container, pass that folder in"
        }
        Provider::ConfiguredVsock => {
            "tdattest channel set --port N configures it; tdattest channel show explains what is there"
        }
        Provider::Qgs(_) | Provider::Ioctl => "try the other ways: --provider auto",
    }
}

fn permission(provider: &Provider) -> &'static str {
    match provider {
        Provider::Qgs(Endpoint::Unix(_)) => {
            "run it as root, or as a user of the socket's group (often qgsd)"
        }
        Provider::Configfs => "run it as root: the kernel lets nobody else use configfs-tsm",
        _ => DEVICE_PERMISSION,
    }
}

const DEVICE_PERMISSION: &str = "run it as root, or give the device to a group of yours by a udev rule (KERNEL==\"tdx_guest\", GROUP=\"…\", MODE=\"0660\")";

fn unconnected(provider: &Provider) -> String {
    match provider {
        Provider::ConfiguredVsock => "the port in /etc/tdx-attest.conf leads nowhere: start the QGS on the host and give this VM a vsock device, or take the line out (tdattest channel unset) and use configfs".into(),
        Provider::Qgs(Endpoint::Vsock { .. }) => {
            "check that a QGS listens on that port (CID 2 is the host), and that this VM has a vsock device".into()
        }
        _ => "check that a QGS runs and listens on that socket".into(),
    }
}

/// The remedy for a TDREPORT that cannot be had.
pub(super) fn of_report(fault: &ReportError) -> String {
    match fault {
        ReportError::NoDevice(_) => "run it inside a TD; in one, load the driver (modprobe tdx_guest, which Ubuntu has in linux-modules-extra); in a container, pass the device in".into(),
        ReportError::OldDevice { .. } | ReportError::NotTheDriver(_) => {
            "run a newer kernel in the TD: Linux 6.2 for reports, 6.7 for quotes".into()
        }
        ReportError::Permission(_) => DEVICE_PERMISSION.into(),
        _ => "`dmesg` in the TD may say more; `tdattest inspect` shows what a TDREPORT file has".into(),
    }
}

/// The remedy for a register that cannot be read or extended.
pub(super) fn of_register(fault: &RtmrError) -> String {
    match fault {
        RtmrError::NoSuchRegister(_) => "choose 2 or 3: firmware and kernel use 0 and 1".into(),
        RtmrError::Unavailable(_) => {
            "run a newer kernel in the TD: Linux 6.16 can extend the registers".into()
        }
        RtmrError::Permission(_) => "run it as root: nobody else may extend the registers".into(),
        RtmrError::Report(fault) => of_report(fault),
        RtmrError::Log { .. } => {
            "make the log a file that can be written to, or move it away; --log keeps it elsewhere"
                .into()
        }
        _ => "`dmesg` in the TD may say more; sysfs must be mounted for writing".into(),
    }
}
