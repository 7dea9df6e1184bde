//! Writes the event log of a TD: the TCG crypto-agile format, as CCEL holds it.
//!
//! Source: TCG PC Client Platform Firmware Profile, "Event Logging"; GHCI, "CC Event Log". The register of an event is
//! the RTMR's index plus one, since index 0 stands for MRTD.

use tdattest_wire::bytes::Measurement;

use crate::platform::Event;

/// EV_NO_ACTION: the event measures nothing.
const NO_ACTION: u32 = 3;
/// TPM_ALG_SHA384.
const SHA384: u16 = 0x000c;
/// Bytes of a SHA-384 digest.
const DIGEST_BYTES: u16 = 48;

/// The Spec ID event, in the older form, that opens every log.
pub(super) fn header() -> Vec<u8> {
    let mut event = b"Spec ID Event03\0".to_vec();
    // Platform class: client. Specification 2.0, errata 0; a UINTN has 8 bytes.
    event.extend([0; 4]);
    event.extend([0, 2, 0, 2]);
    event.extend(1_u32.to_le_bytes());
    event.extend(SHA384.to_le_bytes());
    event.extend(DIGEST_BYTES.to_le_bytes());
    // No vendor information.
    event.push(0);

    let mut log = 0_u32.to_le_bytes().to_vec();
    log.extend(NO_ACTION.to_le_bytes());
    log.extend([0; 20]);
    push_event(&event, &mut log);
    log
}

/// One event with its digest.
pub(super) fn record(event: &Event, digest: &Measurement) -> Vec<u8> {
    let register = u32::from(event.rtmr).saturating_add(1);
    let mut record = register.to_le_bytes().to_vec();
    record.extend(event.kind.to_le_bytes());
    record.extend(1_u32.to_le_bytes());
    record.extend(SHA384.to_le_bytes());
    record.extend(digest.0);
    push_event(event.data.as_bytes(), &mut record);
    record
}

fn push_event(event: &[u8], log: &mut Vec<u8>) {
    let size = u32::try_from(event.len()).unwrap_or(u32::MAX);
    log.extend(size.to_le_bytes());
    log.extend(event);
}
