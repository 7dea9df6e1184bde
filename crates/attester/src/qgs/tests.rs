//! What no socket of a test can be brought to: connecting that hangs, and signals without end.

use std::sync::mpsc;

use rustix::io::Errno;

use super::*;

const VSOCK: Endpoint = Endpoint::Vsock { cid: Endpoint::HOST, port: 4050 };

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

/// Why connecting failed that went like this.
fn refused(
    endpoint: &Endpoint,
    deadline: &Deadline,
    connect: impl FnOnce() -> io::Result<Box<dyn Stream>> + Send + 'static,
) -> ProviderError {
    Connection::open_by(endpoint, deadline, connect).map(|_| ()).unwrap_err()
}

#[test]
fn a_host_that_lets_nobody_connect_costs_no_more_than_the_deadline() {
    for endpoint in [VSOCK, Endpoint::Unix("qgs.socket".into())] {
        let (_held, never) = mpsc::channel::<()>();
        let deadline = soon();
        let hang = move || {
            let _ = never.recv();
            Err(io::ErrorKind::NotConnected.into())
        };
        let told = refused(&endpoint, &deadline, hang);
        assert_eq!(told, timed_out(Hop::Connect, &deadline), "{endpoint}");
    }
}

#[test]
fn the_kernels_own_patience_is_not_called_the_deadline() {
    let deadline = Deadline::after(Deadline::DEFAULT);
    for errno in [Errno::TIMEDOUT, Errno::NODEV, Errno::CONNREFUSED, Errno::AFNOSUPPORT] {
        let told = refused(&VSOCK, &deadline, move || Err(errno.into()));
        let fault = format!("vsock:2:4050: {}", io::Error::from(errno));
        assert_eq!(told, ProviderError::Io { hop: Hop::Connect, fault });
    }
}

#[test]
fn a_full_backlog_of_a_unix_socket_is_the_deadlines_end_and_one_for_others_is_named() {
    let deadline = Deadline::after(Deadline::DEFAULT);
    let endpoint = Endpoint::Unix("qgs.socket".into());
    let told = |errno: Errno| refused(&endpoint, &deadline, move || Err(errno.into()));
    assert_eq!(told(Errno::AGAIN), timed_out(Hop::Connect, &deadline));
    assert_eq!(told(Errno::ACCESS), ProviderError::Permission("qgs.socket".into()));
}

#[test]
fn nothing_is_connected_to_after_the_deadline() {
    let over = Deadline::after(Duration::ZERO);
    let told = Connection::open(&Endpoint::Unix("qgs.socket".into()), &over).map(|_| ());
    assert_eq!(told, Err(timed_out(Hop::Connect, &over)));
}

/// A stream whose every call a signal interrupts.
struct Interrupted;

impl Read for Interrupted {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl Write for Interrupted {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Interrupted.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Interrupted {
    fn bound(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn signals_without_end_are_the_deadlines_end() {
    let deadline = soon();
    let mut sending = Connection { stream: Box::new(Interrupted), deadline: &deadline };
    assert_eq!(sending.send(b"request"), Err(timed_out(Hop::Send, &deadline)));
    let deadline = soon();
    let mut receiving = Connection { stream: Box::new(Interrupted), deadline: &deadline };
    assert_eq!(receiving.receive(), Err(timed_out(Hop::Receive, &deadline)));
}
