//! What is it? Told by its first bytes, its markers or its members, and then by whether it can be read as that.

use tdattest_verifier::wire::Fixed;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::{QE_VENDOR_ID_INTEL, Quote};
use tdattest_verifier::wire::td_report::TdReport;

use super::unknown::NearMiss;
use super::{Content, Inspection, certificates, crl, json, quote, td_report};
use crate::input::{Encoding, decoded};

/// Where the QE vendor id stands in a quote.
const VENDOR_ID_OFFSET: usize = 12;

/// The first byte of a TDREPORT: its type.
const TDX_REPORT_TYPE: u8 = 0x81;

/// Azure's report, in which the paravisor hands a TDREPORT to the guest, after a header of 32 bytes.
const HCL_SIGNATURE: &[u8] = b"HCLA";

/// Content, how it was written down, and how many bytes it has.
type Found = (Content, Encoding, usize);

/// Looks at the bytes of a file.
///
/// # Errors
/// Everything that they resemble; nothing if they resemble nothing.
pub(super) fn detect(bytes: &[u8]) -> Result<Inspection, Vec<NearMiss>> {
    let (content, encoding, size) = match text(bytes)? {
        Some(found) => found,
        None => in_encoding(bytes)?,
    };
    Ok(Inspection::new(encoding, size, content))
}

/// Bytes that may be written as hexadecimal or base64.
fn in_encoding(bytes: &[u8]) -> Result<Found, Vec<NearMiss>> {
    let (decoded, encoding) = decoded(bytes).map_err(|_| Vec::new())?;
    if encoding == Encoding::Raw {
        return binary(bytes);
    }
    let (content, _, size) = match text(&decoded)? {
        Some(found) => found,
        None => binary(&decoded)?,
    };
    Ok((content, encoding, size))
}

/// JSON and PEM, which say themselves what they are.
fn text(bytes: &[u8]) -> Result<Option<Found>, Vec<NearMiss>> {
    let trimmed = bytes.trim_ascii();
    if trimmed.starts_with(b"{") || trimmed.starts_with(b"[") {
        return json::detect(bytes).map(|content| Some((content, Encoding::Json, bytes.len())));
    }
    if !is_text(bytes) {
        return Ok(None); // A quote has PEM in it too.
    }
    let has = |marker: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
    if has(b"-----BEGIN CERTIFICATE-----") {
        let views = pem::certificates(bytes)
            .map_err(|fault| vec![NearMiss::fault("a certificate chain", &fault)])
            .and_then(|chain| certificates::views(&chain))?;
        return Ok(Some((Content::Certificates(views), Encoding::Pem, bytes.len())));
    }
    if has(b"-----BEGIN X509 CRL-----") {
        let view = crl::view(bytes).map_err(|fault| vec![NearMiss::fault("a CRL", &fault)])?;
        return Ok(Some((Content::Crl(view), Encoding::Pem, bytes.len())));
    }
    if has(b"-----BEGIN ") {
        return Err(vec![NearMiss::new("is PEM, but neither of a CERTIFICATE nor of an X509 CRL")]);
    }
    if has(b"-----BEGIN%20") {
        let miss = NearMiss::new("is percent-encoded PEM, as a PCS puts it into headers");
        return Err(vec![miss.hint("decode it first: each %xx stands for a byte")]);
    }
    Ok(None)
}

/// Whether there are no control characters but those between lines, and NULs at the end.
fn is_text(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    let text = bytes.get(..end).unwrap_or(bytes);
    text.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// Quotes, reports and DER.
fn binary(bytes: &[u8]) -> Result<Found, Vec<NearMiss>> {
    match bytes {
        [0x30, ..] if !has_intel_header(bytes) => return der(bytes),
        [TDX_REPORT_TYPE, 0, ..] if !has_intel_header(bytes) => return td_report(bytes),
        _ => {}
    }
    match Quote::parse(bytes) {
        Ok(parsed) => {
            let view = quote::QuoteView::new(&parsed);
            Ok((Content::Quote(Box::new(view)), Encoding::Raw, bytes.len()))
        }
        Err(fault) if looks_like_quote(bytes) => {
            let what = format!("a quote (version {})", version(bytes));
            Err(vec![NearMiss::fault(&what, &fault)])
        }
        Err(_) => Err(wrapped(bytes).into_iter().collect()),
    }
}

fn der(bytes: &[u8]) -> Result<Found, Vec<NearMiss>> {
    if let Ok(view) = crl::view(bytes) {
        return Ok((Content::Crl(view), Encoding::Der, bytes.len()));
    }
    match certificates::view(bytes) {
        Ok(view) => Ok((Content::Certificates(vec![view]), Encoding::Der, bytes.len())),
        Err(fault) => {
            let mut misses = vec![NearMiss::fault("a DER certificate", &fault)];
            misses.extend(crl::view(bytes).err().map(|fault| NearMiss::fault("a DER CRL", &fault)));
            Err(misses)
        }
    }
}

fn td_report(bytes: &[u8]) -> Result<Found, Vec<NearMiss>> {
    if bytes.len() != TdReport::SIZE {
        let (found, expected) = (bytes.len(), TdReport::SIZE);
        let why = format!("looks like a TDREPORT, but has {found} bytes, expected {expected}");
        return Err(vec![NearMiss::new(why)]);
    }
    match td_report::TdReportView::new(bytes) {
        Ok(view) => Ok((Content::TdReport(Box::new(view)), Encoding::Raw, bytes.len())),
        Err(fault) => Err(vec![NearMiss::fault("a TDREPORT", &fault)]),
    }
}

/// A quote or TDREPORT inside something else.
fn wrapped(bytes: &[u8]) -> Option<NearMiss> {
    if bytes.starts_with(HCL_SIGNATURE) {
        let text =
            "is a report of Azure's HCL, which wraps a TDREPORT: the 1024 bytes from byte 32 on";
        let hint = "take them out: tail -c +33 FILE | head -c 1024 | tdattest inspect -";
        return Some(NearMiss::new(text).hint(hint));
    }
    let vendor = QE_VENDOR_ID_INTEL.0;
    let at = bytes.windows(vendor.len()).position(|window| window == vendor)?;
    let start = at.checked_sub(VENDOR_ID_OFFSET)?;
    let text = format!("has a quote in it, or a part of one, that begins at byte {start}");
    let from = start.saturating_add(1); // `tail` counts bytes from 1.
    Some(
        NearMiss::new(text).hint(format!("take it out: tail -c +{from} FILE | tdattest inspect -")),
    )
}

fn looks_like_quote(bytes: &[u8]) -> bool {
    has_intel_header(bytes)
        || (matches!(version(bytes), 3..=5) && matches!(bytes, [_, _, 2 | 3, 0, ..]))
}

fn has_intel_header(bytes: &[u8]) -> bool {
    bytes.get(VENDOR_ID_OFFSET..).is_some_and(|rest| rest.starts_with(&QE_VENDOR_ID_INTEL.0))
}

/// The first two bytes as the version of a quote.
fn version(bytes: &[u8]) -> u16 {
    match bytes {
        [low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}
