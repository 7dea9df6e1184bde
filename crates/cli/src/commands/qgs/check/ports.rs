//! The vsock port and the address of the metrics: is a service there, or could one be?
//!
//! Only who binds a port learns whether it is free; it is given back at once.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tdattest_qgs::config::Config;
use tdattest_qgs::listen::{ListenError, Listener};

use super::START_IT;
use super::findings::Finding;
use crate::input::reason;

/// How long to wait for an answer over HTTP.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let asked_for = config.listen.asked_for;
    let vsock = config.listen.vsock.map(|port| vsock(port, asked_for));
    [vsock, config.metrics.map(metrics)].into_iter().flatten().collect()
}

fn vsock(port: u32, asked_for: bool) -> Finding {
    const SUBJECT: &str = "vsock";
    match Listener::vsock(port) {
        Ok(_) => Finding::doubtful(
            SUBJECT,
            format!("no service listens at port {port}; this user could"),
            START_IT,
        ),
        Err(ListenError::System { fault, .. }) if fault.kind() == io::ErrorKind::AddrInUse => {
            Finding::good(SUBJECT, format!("a service listens at port {port}"))
        }
        Err(fault) => {
            let hint = "load the kernel module: modprobe vhost_vsock; TDs whose QEMU has the Unix socket need no vsock";
            Finding::in_the_way(asked_for, SUBJECT, fault.to_string(), hint)
        }
    }
}

fn metrics(address: SocketAddr) -> Finding {
    const SUBJECT: &str = "metrics";
    match TcpListener::bind(address) {
        Ok(_) => Finding::doubtful(
            SUBJECT,
            format!("no service has them at {address}; this user could"),
            START_IT,
        ),
        Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => match lives(address) {
            Ok(true) => Finding::good(SUBJECT, format!("a service has them at {address}")),
            Ok(false) => Finding::bad(
                SUBJECT,
                format!("what answers at {address} is no service of ours"),
                "have them elsewhere, with --metrics HOST:PORT or [metrics] in the configuration",
            ),
            Err(fault) => Finding::bad(
                SUBJECT,
                format!("what listens at {address} does not answer: {}", reason(&fault)),
                super::SEE_THE_LOG,
            ),
        },
        Err(fault) => Finding::bad(
            SUBJECT,
            format!("cannot be at {address}: {}", reason(&fault)),
            "name an address of this host, such as 127.0.0.1:9464",
        ),
    }
}

/// Whether what listens there says that it lives, as a service does.
fn lives(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer) {
        Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| answer == *b"HTTP/1.1 200"),
    }
}
