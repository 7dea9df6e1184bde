//! The event log of a TD: what was measured into its run-time registers, in order.
//!
//! Source: TCG PC Client Platform Firmware Profile, "Event Logging" (crypto agile); ACPI 6.5, "CC Event Log". An event's
//! register is the RTMR's index plus one, since 0 stands for MRTD.
//! Must stay true: nothing here is judged. Whether a log fits a quote is the verifier's question, and a log alone is
//! worth nothing.

use alloc::vec::Vec;

use crate::bytes::Measurement;
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::Fixed as _;
use crate::limits;
use crate::reader::Reader;

const STRUCTURE: &str = "event log";

/// EV_NO_ACTION: an event that measures nothing.
pub const EV_NO_ACTION: u32 = 3;
/// TPM_ALG_SHA384.
const SHA384: u16 = 0x000c;
/// The first bytes of the event that opens every log.
const SPEC_ID: &[u8] = b"Spec ID Event03\0";

/// An event log, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog<'a> {
    /// The events after the header, in order.
    pub events: Vec<Event<'a>>,
    /// Bytes from the start to the end of the last event; what follows in the file is padding.
    pub length: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The register, from 0 for MRTD and from 1 for RTMR0.
    pub register: u32,
    /// The TCG type of the event.
    pub kind: u32,
    /// Its SHA-384 digest, if the log has one for it.
    pub digest: Option<Measurement>,
    /// What it says; not necessarily what was hashed.
    pub data: &'a [u8],
}

/// The algorithms that the header lists, with the sizes of their digests.
struct Algorithms(Vec<(u16, u16)>);

impl<'a> EventLog<'a> {
    /// Parses a log, up to the padding of the area that holds it.
    ///
    /// # Errors
    /// When it does not open with a Spec ID event, an event breaks off, or it is too long.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > limits::EVENT_LOG_BYTES {
            let (limit, found) = (limits::EVENT_LOG_BYTES, bytes.len());
            let kind = ParseErrorKind::TooLarge { limit, found, unit: "bytes" };
            return Err(ParseError::new(STRUCTURE, kind));
        }
        let mut reader = Reader::new(bytes, "event log header");
        let algorithms = read_header(&mut reader)?;
        reader.enter("event");
        let mut events = Vec::new();
        while !is_padding(&reader) {
            if events.len() == limits::EVENTS {
                let (limit, found) = (limits::EVENTS, limits::EVENTS.saturating_add(1));
                let kind = ParseErrorKind::TooLarge { limit, found, unit: "events" };
                return Err(reader.error(kind));
            }
            events.push(read_event(&mut reader, &algorithms)?);
        }
        Ok(Self { events, length: reader.offset() })
    }
}

impl Event<'_> {
    /// The index of the RTMR that it extends; `None` for MRTD and for what measures nothing.
    pub fn rtmr(&self) -> Option<u8> {
        let index = self.register.checked_sub(1).filter(|_| self.kind != EV_NO_ACTION)?;
        u8::try_from(index).ok().filter(|index| *index < 4)
    }

    /// Appends the event with its SHA-384 digest.
    pub fn write(&self, log: &mut Vec<u8>) {
        self.register.write(log);
        self.kind.write(log);
        match &self.digest {
            Some(digest) => {
                1_u32.write(log);
                SHA384.write(log);
                digest.write(log);
            }
            None => 0_u32.write(log),
        }
        write_data(self.data, log);
    }
}

/// Writes the event that opens a log of SHA-384 digests.
pub fn write_header(log: &mut Vec<u8>) {
    let mut event = SPEC_ID.to_vec();
    // Platform class: client. Specification 2.0, errata 0; a UINTN has two words.
    event.extend_from_slice(&[0, 0, 0, 0, 0, 2, 0, 2]);
    1_u32.write(&mut event);
    SHA384.write(&mut event);
    48_u16.write(&mut event);
    // No vendor information.
    event.push(0);
    // As firmware for TDs writes it; the register of an event that measures nothing means nothing.
    1_u32.write(log);
    EV_NO_ACTION.write(log);
    log.extend_from_slice(&[0; 20]);
    write_data(&event, log);
}

fn write_data(data: &[u8], log: &mut Vec<u8>) {
    u32::try_from(data.len()).unwrap_or(u32::MAX).write(log);
    log.extend_from_slice(data);
}

/// The old-style first event: register, type, a SHA-1 digest, and the list of algorithms.
fn read_header(reader: &mut Reader<'_>) -> Result<Algorithms, ParseError> {
    let (_register, kind) = (u32::read(reader)?, u32::read(reader)?);
    if kind != EV_NO_ACTION {
        let text = "does not open with a Spec ID event (is it the log of a TD?)";
        return Err(ParseError::invalid(STRUCTURE, text));
    }
    reader.take(20)?;
    let size = reader.length()?;
    let mut event = reader.nested(size, "Spec ID event")?;
    if event.take(SPEC_ID.len())? != SPEC_ID {
        return Err(ParseError::invalid(
            STRUCTURE,
            "does not open with a Spec ID event, version 3",
        ));
    }
    // Platform class, specification version, size of a UINTN.
    event.take(8)?;
    let count = event.length()?;
    if count > limits::EVENT_LOG_ALGORITHMS {
        let (limit, found) = (limits::EVENT_LOG_ALGORITHMS, count);
        return Err(event.error(ParseErrorKind::TooLarge { limit, found, unit: "algorithms" }));
    }
    let mut algorithms: Vec<(u16, u16)> = Vec::new();
    for _ in 0..count {
        let (algorithm, size) = (u16::read(&mut event)?, u16::read(&mut event)?);
        // A digest without bytes would make an event of any number of them cost nothing but time.
        let sound = size > 0 && (algorithm != SHA384 || usize::from(size) == Measurement::SIZE);
        if !sound || algorithms.iter().any(|(listed, _)| *listed == algorithm) {
            let text = alloc::format!("lists algorithm {algorithm:#x} twice or with {size} bytes");
            return Err(ParseError::invalid(STRUCTURE, text));
        }
        algorithms.push((algorithm, size));
    }
    // Vendor information follows.
    Ok(Algorithms(algorithms))
}

/// Nothing, zeros or 0xff follow: firmware fills its area with either.
fn is_padding(reader: &Reader<'_>) -> bool {
    let head = reader.rest().get(..8).unwrap_or(reader.rest());
    head.iter().all(|byte| *byte == 0) || head.iter().all(|byte| *byte == 0xff)
}

fn read_event<'a>(
    reader: &mut Reader<'a>,
    algorithms: &Algorithms,
) -> Result<Event<'a>, ParseError> {
    let (register, kind) = (u32::read(reader)?, u32::read(reader)?);
    let count = reader.length()?;
    let mut digest = None;
    for _ in 0..count {
        let at_algorithm = reader.clone();
        let algorithm = u16::read(reader)?;
        let listed = algorithms.0.iter().find(|(listed, _)| *listed == algorithm);
        let size = listed.map(|(_, size)| usize::from(*size)).ok_or_else(|| {
            at_algorithm.error(ParseErrorKind::Unsupported {
                field: "digest algorithm",
                expected: "one that the header lists",
                found: algorithm.into(),
            })
        })?;
        let bytes = reader.take(size)?;
        if algorithm == SHA384 {
            let found = bytes.try_into().ok().map(Measurement);
            if digest.is_some() || found.is_none() {
                let text = "an event has two SHA-384 digests, or one of another size";
                return Err(ParseError::invalid(STRUCTURE, text));
            }
            digest = found;
        }
    }
    let size = reader.length()?;
    Ok(Event { register, kind, digest, data: reader.take(size)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<u8> {
        let mut log = Vec::new();
        write_header(&mut log);
        let digest = |byte| Some(Measurement([byte; 48]));
        Event { register: 1, kind: 13, digest: digest(1), data: b"one" }.write(&mut log);
        Event { register: 4, kind: 13, digest: digest(2), data: b"" }.write(&mut log);
        Event { register: 2, kind: EV_NO_ACTION, digest: None, data: b"nothing" }.write(&mut log);
        log
    }

    #[test]
    fn what_is_written_is_read_back_whatever_pads_it() {
        let written = log();
        for padding in [&[][..], &[0; 100], &[0xff; 100], &[0; 3], &[0xff; 7]] {
            let bytes = [&written, padding].concat();
            let parsed = EventLog::parse(&bytes).unwrap();
            assert_eq!(parsed.length, written.len());
            let rtmrs: Vec<Option<u8>> = parsed.events.iter().map(Event::rtmr).collect();
            assert_eq!(rtmrs, [Some(0), Some(3), None]);
            assert_eq!(parsed.events[0].data, b"one");
            assert_eq!(parsed.events[1].digest, Some(Measurement([2; 48])));
        }
    }

    #[test]
    fn a_log_that_breaks_off_within_an_event_is_refused() {
        let written = log();
        let ends: Vec<usize> = {
            let mut lengths = alloc::vec![];
            let mut log = Vec::new();
            write_header(&mut log);
            lengths.push(log.len());
            for event in EventLog::parse(&written).unwrap().events {
                event.write(&mut log);
                lengths.push(log.len());
            }
            lengths
        };
        for length in 0..written.len() {
            let parsed = EventLog::parse(&written[..length]);
            assert_eq!(parsed.is_ok(), ends.contains(&length), "cut to {length}: {parsed:?}");
        }
    }

    #[test]
    fn counts_that_lie_cost_nothing() {
        let mut lying = log();
        // The header's number of algorithms, then an event's number of digests.
        lying[56..60].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(EventLog::parse(&lying).is_err());
        let mut lying = log();
        let at = 32 + 33 + 8;
        lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(EventLog::parse(&lying).is_err());
    }

    #[test]
    fn algorithms_that_are_too_many_doubled_or_of_no_size_are_refused() {
        // The count, the algorithm, and its size, in the header.
        let changed = |at: usize, bytes: &[u8]| {
            let mut log = log();
            log[at..at + bytes.len()].copy_from_slice(bytes);
            EventLog::parse(&log).map(drop)
        };
        assert!(changed(56, &1_u32.to_le_bytes()).is_ok());
        let most = u32::try_from(limits::EVENT_LOG_ALGORITHMS).unwrap();
        let refused = changed(56, &(most + 1).to_le_bytes()).unwrap_err();
        assert!(matches!(refused.kind, ParseErrorKind::TooLarge { unit: "algorithms", .. }));
        for size in [0_u16, 47, 49] {
            assert!(changed(62, &size.to_le_bytes()).is_err(), "SHA-384 of {size} bytes");
        }
        let mut twice = log();
        twice[56] = 2;
        twice.splice(64..64, [0x0c, 0, 48, 0]);
        twice[28] += 4;
        assert!(matches!(EventLog::parse(&twice).unwrap_err().kind, ParseErrorKind::Invalid(_)));
    }

    #[test]
    fn a_digest_of_an_algorithm_that_the_header_does_not_list_is_refused() {
        let mut other = log();
        let at = 32 + 33 + 12;
        assert_eq!(other[at..at + 2], SHA384.to_le_bytes());
        other[at] = 0x0b;
        assert!(matches!(
            EventLog::parse(&other).unwrap_err().kind,
            ParseErrorKind::Unsupported { field: "digest algorithm", found: 0x0b, .. }
        ));
    }

    #[test]
    fn what_is_no_log_of_a_td_is_refused() {
        assert!(EventLog::parse(b"").is_err());
        let mut other = log();
        other[4] = 4;
        assert!(EventLog::parse(&other).is_err());
        let mut other = log();
        other[40] ^= 1;
        assert!(EventLog::parse(&other).is_err());
    }
}
