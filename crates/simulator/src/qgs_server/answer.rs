//! What the service says to a request, and in what it lies.
//!
//! Must stay true: no quote without a TDREPORT that the platform's CPU made.

use tdattest_wire::Fixed as _;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::limits;
use tdattest_wire::qgs::{MessageType, PREFIX_BYTES, QgsError, QuoteResponse, Request};
use tdattest_wire::td_report::TdReport;

use super::{Misbehaviour, Outcome, Shared};
use crate::error::MintError;

/// A request, read whole.
pub(super) enum Incoming {
    /// A TDREPORT without a frame.
    Raw(Vec<u8>),
    /// A message, without its prefix.
    Message(Vec<u8>),
}

/// The bytes to send, none for a connection that is closed, and what they come to.
pub(super) fn answer(
    shared: &Shared,
    incoming: &Incoming,
    misbehaviour: Option<Misbehaviour>,
) -> (Vec<u8>, Outcome) {
    let (report, raw) = match incoming {
        Incoming::Raw(report) => (report.as_slice(), true),
        Incoming::Message(message) => match requested(message) {
            Ok(report) => (report, false),
            Err(refusal) => return refusal,
        },
    };
    match quote(shared, report, misbehaviour) {
        Ok((report_data, quote)) => {
            let outcome = Outcome::Quote { report_data, length: quote.len(), raw };
            if raw {
                return (quote, outcome);
            }
            (framed(quote, misbehaviour), outcome)
        }
        Err(reason) if raw => (Vec::new(), Outcome::Closed(reason)),
        Err(reason) => refusal(MessageType::QuoteResponse, reason),
    }
}

/// The TDREPORT of a request for a quote, or what to say instead.
fn requested(message: &[u8]) -> Result<&[u8], (Vec<u8>, Outcome)> {
    let fault = match Request::parse(message) {
        Ok(Request::Quote { report, .. }) => return Ok(report),
        Ok(Request::Collateral { .. }) => {
            let text = "asks for collateral, which this simulated QGS has none of".into();
            return Err(refusal(MessageType::CollateralResponse, text));
        }
        Ok(Request::PlatformInfo) => {
            let text = "asks for platform information, which this simulated QGS has none of".into();
            return Err(refusal(MessageType::PlatformInfoResponse, text));
        }
        Ok(Request::MigrationQuote { .. }) => {
            let text = "asks for a quote with migration history, which needs a migration TD".into();
            return Err(refusal(MessageType::QuoteResponse, text));
        }
        Err(fault) => fault,
    };
    // Intel's daemon answers a request for a quote whose inside is wrong, and takes anything else for a broken bare
    // TDREPORT, which it waits for in vain.
    let head = |at| message.get(at..).and_then(<[u8]>::first_chunk::<4>);
    let asks_for_a_quote = message.starts_with(&[1, 0])
        && head(4) == Some(&[0; 4])
        && head(8).map(|size| u32::from_le_bytes(*size)) == u32::try_from(message.len()).ok();
    if asks_for_a_quote {
        return Err(refusal(MessageType::QuoteResponse, fault.to_string()));
    }
    Err((Vec::new(), Outcome::Closed(fault.to_string())))
}

fn refusal(kind: MessageType, reason: String) -> (Vec<u8>, Outcome) {
    // Intel's daemon sends no other code.
    let code = QgsError::UNEXPECTED;
    (code.write(kind), Outcome::Refused(code, reason))
}

/// The quote of a TDREPORT, perhaps not the one that was asked for.
fn quote(
    shared: &Shared,
    report: &[u8],
    misbehaviour: Option<Misbehaviour>,
) -> Result<(ReportData, Vec<u8>), String> {
    let report = TdReport::parse(report).map_err(|fault| fault.to_string())?;
    let report_data = report.report_mac.report_data;
    let said = |fault: MintError| fault.to_string();
    let mut quote = shared.enclave.quote(&report).map_err(said)?;
    match misbehaviour {
        Some(Misbehaviour::OtherReportData) => {
            let other = ReportData(report_data.0.map(|byte| !byte));
            let report = shared.platform.launch_td().report(other);
            quote = shared.enclave.quote(&report).map_err(said)?;
        }
        Some(Misbehaviour::TruncatedQuote) => quote.truncate(quote.len() / 2),
        Some(Misbehaviour::PaddedQuote) => quote.extend([0; PADDING]),
        Some(Misbehaviour::EmptyQuote) => quote.clear(),
        _ => {}
    }
    Ok((report_data, quote))
}

/// Zeros after a quote, as seen behind real ones.
const PADDING: usize = 307;

/// The id that nobody asked for: that of ECDSA keys.
const SELECTED_ID: [u8; 16] = [
    0xe8, 0x6c, 0x04, 0x6e, 0x8c, 0xc4, 0x4d, 0x95, 0x81, 0x73, 0xfc, 0x43, 0xc1, 0xfa, 0x4f, 0x3f,
];

/// Bytes after an answer.
const TRAILING: [u8; 16] = [0xa5; 16];

/// The answer with a quote, perhaps not as it should be.
fn framed(quote: Vec<u8>, misbehaviour: Option<Misbehaviour>) -> Vec<u8> {
    let selected_id: &[u8] = match misbehaviour {
        Some(Misbehaviour::Unframed) => return quote,
        Some(Misbehaviour::SelectedId) => &SELECTED_ID,
        _ => &[],
    };
    let mut frame = QuoteResponse { selected_id, quote: &quote }.write();
    spoil(&mut frame, misbehaviour);
    frame
}

/// Where the fields of an answer stand, after its prefix.
const MAJOR: usize = PREFIX_BYTES;
const MINOR: usize = PREFIX_BYTES + 2;
const TYPE: usize = PREFIX_BYTES + 4;
const SIZE: usize = PREFIX_BYTES + 8;
const QUOTE_SIZE: usize = PREFIX_BYTES + 20;

/// Puts a lie into a frame.
fn spoil(frame: &mut Vec<u8>, misbehaviour: Option<Misbehaviour>) {
    match misbehaviour {
        Some(Misbehaviour::WrongMajor) => put(frame, MAJOR, &[2, 0]),
        Some(Misbehaviour::WrongMinor) => put(frame, MINOR, &[9, 0]),
        Some(Misbehaviour::WrongType) => {
            put(frame, TYPE, &MessageType::CollateralResponse.number().to_bytes());
        }
        Some(Misbehaviour::LyingSize) => change(frame, SIZE, 1),
        Some(Misbehaviour::LyingQuoteSize) => change(frame, QUOTE_SIZE, 1),
        Some(Misbehaviour::Oversize) => {
            let beyond = u32::try_from(limits::QGS_MESSAGE_BYTES).unwrap_or(u32::MAX);
            put(frame, 0, &beyond.saturating_add(1).to_be_bytes());
        }
        Some(Misbehaviour::Garbage) => {
            frame.iter_mut().skip(PREFIX_BYTES).for_each(|byte| *byte = 0xa5);
        }
        Some(Misbehaviour::TrailingBytes) => frame.extend(TRAILING),
        Some(Misbehaviour::Error(code)) => *frame = code.write(MessageType::QuoteResponse),
        _ => {}
    }
}

/// Writes over what stands at a place.
fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    frame.iter_mut().skip(at).zip(bytes).for_each(|(target, byte)| *target = *byte);
}

/// Adds to the number at a place.
fn change(frame: &mut [u8], at: usize, by: u32) {
    if let Some(found) = frame.get(at..).and_then(<[u8]>::first_chunk::<4>).copied() {
        put(frame, at, &u32::from_le_bytes(found).wrapping_add(by).to_le_bytes());
    }
}
