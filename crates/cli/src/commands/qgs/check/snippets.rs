//! What QEMU and libvirt have to be told, for copying.
//!
//! Source: QEMU, "tdx-guest" object, `quote-generation-socket`; libvirt, "launchSecurity type tdx".

use std::path::Path;

use serde::Serialize;
use tdattest_qgs::config::Listen;

/// The context id of the host, as virtual machines see it.
const HOST: &str = "2";

/// QEMU's object, its members in the order in which its manual has them.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Object<'s> {
    qom_type: &'static str,
    id: &'static str,
    quote_generation_socket: Socket<'s>,
}

/// QEMU's SocketAddress.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Socket<'s> {
    Unix { path: &'s str },
    Vsock { cid: &'static str, port: String },
}

/// A snippet for each way in.
pub(super) fn all(listen: &Listen) -> String {
    let unix = listen.unix.as_ref().map(|settings| unix(&settings.path));
    let vsock = listen.vsock.map(vsock);
    [unix, vsock].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn unix(path: &Path) -> String {
    let path = path.to_string_lossy();
    let qemu = qemu(Socket::Unix { path: &path });
    let escaped = path.replace('&', "&amp;").replace('\'', "&apos;").replace('<', "&lt;");
    format!(
        "\
# QEMU, by the Unix socket. QEMU's user must be in the socket's group.
{qemu}

# libvirt, in the domain's XML
<launchSecurity type='tdx'>
  <quoteGenerationService path='{escaped}'/>
</launchSecurity>
"
    )
}

fn vsock(port: u32) -> String {
    let qemu = qemu(Socket::Vsock { cid: HOST, port: port.to_string() });
    format!(
        "\
# QEMU, by vsock
{qemu}

# In a TD that asks over vsock by itself (the virtual machine needs: -device vhost-vsock-pci,guest-cid=CID)
tdattest channel set --port {port}
"
    )
}

fn qemu(quote_generation_socket: Socket<'_>) -> String {
    let object = Object { qom_type: "tdx-guest", id: "tdx", quote_generation_socket };
    // Strings alone: they can be written.
    let object = serde_json::to_string(&object).unwrap_or_default();
    // A shell takes all but a quote as it stands.
    let object = object.replace('\'', r"'\''");
    format!("-object '{object}' -machine confidential-guest-support=tdx")
}
