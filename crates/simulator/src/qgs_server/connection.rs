//! One connection: a request in, an answer out, in the manner asked for.

use std::io::{self, Read, Write as _};
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
    let report = |outcome| {
        if let Some(observer) = &shared.observer {
            observer(&Served { outcome, misbehaviour });
        }
    };
    if misbehaviour == Some(Misbehaviour::Close) {
        return report(Outcome::Closed("the request was not read".into()));
    }
    let incoming = match read(&mut stream) {
        Ok(incoming) => incoming,
        Err(fault) => return report(Outcome::Closed(fault.to_string())),
    };
    let (bytes, outcome) = answer(shared, &incoming, misbehaviour);
    report(outcome);
    // A client that has gone is nobody to tell.
    let _ = send(&mut stream, &bytes, misbehaviour);
}

/// Reads a request from however many pieces.
fn read(stream: &mut UnixStream) -> io::Result<Incoming> {
    stream.set_read_timeout(Some(PATIENCE))?;
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
    match misbehaviour {
        Some(Misbehaviour::Hang) => return wait(stream, None),
        Some(Misbehaviour::Slow(time)) => wait(stream, Some(time))?,
        _ => {}
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    let upto = |length| bytes.get(..length).unwrap_or(bytes);
    match misbehaviour {
        Some(Misbehaviour::CloseAfterPrefix) => stream.write_all(upto(PREFIX_BYTES)),
        Some(Misbehaviour::CloseMidBody) => stream.write_all(upto(bytes.len() / 2)),
        Some(Misbehaviour::ByteByByte) => {
            bytes.chunks(1).try_for_each(|byte| stream.write_all(byte))
        }
        _ => stream.write_all(bytes),
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
