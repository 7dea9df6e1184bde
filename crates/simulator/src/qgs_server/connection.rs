//! One connection: a request in, an answer out, in the manner asked for.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tdattest_wire::qgs::{self, PREFIX_BYTES};

use super::answer::{Incoming, answer};
use super::{Misbehaviour, Outcome, Served, Shared, locked};

/// How long Intel's daemon waits for a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a TDREPORT.
const REPORT_BYTES: usize = 1024;

/// The first byte of a TDREPORT: as a prefix it would promise over two gigabytes.
const REPORT_TYPE: u8 = 0x81;

pub(super) fn serve(mut stream: UnixStream, shared: &Shared) {
    let misbehaviour = *locked(&shared.misbehaviour);
    let tell = |outcome| {
        if let Some(teller) = &shared.teller {
            teller.tell(Served { outcome, misbehaviour });
        }
    };
    if misbehaviour == Some(Misbehaviour::Close) {
        return tell(Outcome::Closed("the request was not read".into()));
    }
    let incoming = match read(&mut Patient::with(&stream, PATIENCE)) {
        Ok(incoming) => incoming,
        Err(fault) => return tell(Outcome::Closed(fault.to_string())),
    };
    let (bytes, outcome) = answer(shared, &incoming, misbehaviour);
    tell(outcome);
    // A client that has gone is nobody to tell.
    let _ = send(&mut stream, &bytes, misbehaviour);
}

/// A stream that is read or written for so long, however often something comes or goes.
struct Patient<'s> {
    stream: &'s UnixStream,
    start: Instant,
    patience: Duration,
}

impl<'s> Patient<'s> {
    fn with(stream: &'s UnixStream, patience: Duration) -> Self {
        Self { stream, start: Instant::now(), patience }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.patience.saturating_sub(self.start.elapsed());
        if left.is_zero() { Err(self.over()) } else { Ok(Some(left)) }
    }

    fn over(&self) -> io::Error {
        let text = format!("the client took more than {} s", self.patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    fn told(&self, fault: io::Error) -> io::Error {
        if fault.kind() == io::ErrorKind::WouldBlock { self.over() } else { fault }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(|fault| self.told(fault))
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(|fault| self.told(fault))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads a request from however many pieces.
fn read(stream: &mut impl Read) -> io::Result<Incoming> {
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix)?;
    let [first, ..] = prefix;
    if first == REPORT_TYPE {
        let mut report = vec![0; REPORT_BYTES];
        let (head, rest) = report.split_at_mut(PREFIX_BYTES);
        head.copy_from_slice(&prefix);
        stream.read_exact(rest)?;
        return Ok(Incoming::Raw(report));
    }
    let length = qgs::message_length(prefix).map_err(io::Error::other)?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Incoming::Message(message))
}

fn send(
    stream: &mut UnixStream,
    bytes: &[u8],
    misbehaviour: Option<Misbehaviour>,
) -> io::Result<()> {
    let half = bytes.split_at_checked(bytes.len() / 2).unwrap_or((bytes, &[]));
    let upto = |length| bytes.get(..length).unwrap_or(bytes);
    let write = |stream: &UnixStream, bytes| Patient::with(stream, PATIENCE).write_all(bytes);
    match misbehaviour {
        Some(Misbehaviour::Hang) => wait(stream, None),
        Some(Misbehaviour::Slow(time)) => {
            wait(stream, Some(time))?;
            write(stream, bytes)
        }
        Some(Misbehaviour::Paused(time)) => {
            write(stream, half.0)?;
            wait(stream, Some(time))?;
            write(stream, half.1)
        }
        Some(Misbehaviour::CloseAfterRequest) => Ok(()),
        Some(Misbehaviour::ShortPrefix) => write(stream, upto(PREFIX_BYTES / 2)),
        Some(Misbehaviour::CloseAfterPrefix) => write(stream, upto(PREFIX_BYTES)),
        Some(Misbehaviour::CloseMidBody) => write(stream, half.0),
        Some(Misbehaviour::ByteByByte) => {
            let mut stream = Patient::with(stream, PATIENCE);
            bytes.chunks(1).try_for_each(|byte| stream.write_all(byte))
        }
        _ => write(stream, bytes),
    }
}

/// Waits for a time, or for ever; in either case no longer than the client and the server are there.
fn wait(stream: &mut UnixStream, time: Option<Duration>) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let left = time.map(|time| time.saturating_sub(start.elapsed()));
        if left == Some(Duration::ZERO) {
            return Ok(());
        }
        stream.set_read_timeout(left)?;
        match stream.read(&mut [0; 64]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // More than was asked for is nothing to answer.
            Ok(_) => {}
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(fault) => return Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_much_time_for_all_of_its_request() {
        let (mut client, server) = UnixStream::pair().unwrap();
        // Silent after some bytes.
        client.write_all(&[0; PREFIX_BYTES - 1]).unwrap();
        let mut patient = Patient::with(&server, Duration::from_millis(10));
        let silent = patient.read_exact(&mut [0; PREFIX_BYTES]).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        // Never silent for long, and late all the same.
        client.write_all(&[0; PREFIX_BYTES]).unwrap();
        let late = patient.read_exact(&mut [0; PREFIX_BYTES]).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        Patient::with(&server, PATIENCE).read_exact(&mut [0; PREFIX_BYTES]).unwrap();
    }

    #[test]
    fn a_client_that_does_not_read_has_so_much_time_as_well() {
        let (_client, server) = UnixStream::pair().unwrap();
        let mut patient = Patient::with(&server, Duration::from_millis(10));
        let fault = patient.write_all(&vec![0; 1 << 24]).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }
}
