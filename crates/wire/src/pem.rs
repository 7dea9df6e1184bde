//! PEM: the certificates of a chain and the encodings a CRL arrives in, decoded once at the edge.
//!
//! Blocks are found by their markers, as Intel's library does, not by lines: production quotes carry chains in which
//! one certificate's end and the next one's beginning share a line. Text around the blocks is tolerated, and NULs after
//! them.

use alloc::vec::Vec;

use data_encoding::BASE64;

use crate::error::{ParseError, ParseErrorKind};
use crate::limits;

/// The certificates of a PEM chain, as DER, in the order of the text.
///
/// # Errors
/// When the text is too long, has no certificate or too many, or a block is not PEM.
pub fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    const STRUCTURE: &str = "certificate chain";
    bounded(text, limits::CHAIN_BYTES, STRUCTURE)?;
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some(Block { der, after }) = block(rest, &CERTIFICATE, STRUCTURE)? {
        if certificates.len() == limits::CHAIN_CERTIFICATES {
            return Err(too_many_certificates());
        }
        certificates.push(der);
        rest = after;
    }
    if certificates.is_empty() {
        return Err(pem_error(STRUCTURE, "no certificate in it"));
    }
    Ok(certificates)
}

/// A CRL as DER, whichever of DER, PEM and hexadecimal it arrives in.
///
/// # Errors
/// When it is too long or none of the three.
pub fn crl(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    const STRUCTURE: &str = "CRL";
    // Hexadecimal is the longest of the three.
    bounded(bytes, limits::CRL_BYTES.saturating_mul(2), STRUCTURE)?;
    // A DER CRL is a SEQUENCE, whose tag is not a character of either text form (it is the digit '0').
    if bytes.first() == Some(&0x30) && !bytes.iter().all(u8::is_ascii) {
        return Ok(without_buffer_end(bytes).to_vec());
    }
    let text = without_nuls(bytes).trim_ascii();
    if text.starts_with(b"-----BEGIN") {
        let found = block(text, &CRL, STRUCTURE)?;
        return found
            .map(|block| block.der)
            .ok_or_else(|| pem_error(STRUCTURE, "no X509 CRL in it"));
    }
    let der = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text)
        .or_else(|_| data_encoding::HEXLOWER_PERMISSIVE.decode(&without_whitespace(text)))
        .map_err(|_| ParseError::invalid(STRUCTURE, "neither DER, PEM nor hexadecimal"))?;
    Ok(without_buffer_end(&der).to_vec())
}

/// A CRL as DER, from the texts that Intel's library takes for one: PEM if `X509 CRL` begins within the first 13
/// characters, else hexadecimal. The text ends at its first NUL, the DER where it says.
pub(crate) fn crl_text(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    const STRUCTURE: &str = "CRL";
    const LABEL: &[u8] = b"X509 CRL";
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    bounded(text, limits::CRL_BYTES.saturating_mul(2), STRUCTURE)?;
    let is_pem = text.windows(LABEL.len()).take(13).any(|window| window == LABEL);
    let mut der = if is_pem {
        let found = block(text, &CRL, STRUCTURE)?;
        found.ok_or_else(|| pem_error(STRUCTURE, "no X509 CRL in it"))?.der
    } else {
        let hexadecimal = data_encoding::HEXLOWER_PERMISSIVE.decode(text);
        hexadecimal.map_err(|_| ParseError::invalid(STRUCTURE, "neither PEM nor hexadecimal"))?
    };
    if let Some(length) = declared_length(&der) {
        der.truncate(length);
    }
    Ok(der)
}

/// DER without the NUL that C libraries count as part of their buffer.
fn without_buffer_end(der: &[u8]) -> &[u8] {
    match der {
        [head @ .., 0] if declared_length(der) == Some(head.len()) => head,
        whole => whole,
    }
}

/// Bytes without the NULs at their end.
pub(crate) fn without_nuls(mut bytes: &[u8]) -> &[u8] {
    while let [head @ .., 0] = bytes {
        bytes = head;
    }
    bytes
}

/// The whole length of the DER value at the start of `bytes`, or `None` if it has no readable header.
fn declared_length(bytes: &[u8]) -> Option<usize> {
    use der::{Decode, Encode, Header, SliceReader};
    let mut reader = SliceReader::new(bytes).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let head = usize::try_from(header.encoded_len().ok()?).ok()?;
    head.checked_add(usize::try_from(header.length()).ok()?)
}

fn bounded(bytes: &[u8], limit: usize, structure: &'static str) -> Result<(), ParseError> {
    if bytes.len() <= limit {
        return Ok(());
    }
    let kind = ParseErrorKind::TooLarge { limit, found: bytes.len(), unit: "bytes" };
    Err(ParseError::new(structure, kind))
}

fn too_many_certificates() -> ParseError {
    let limit = limits::CHAIN_CERTIFICATES;
    let kind =
        ParseErrorKind::TooLarge { limit, found: limit.saturating_add(1), unit: "certificates" };
    ParseError::new("certificate chain", kind)
}

fn pem_error(structure: &'static str, text: &str) -> ParseError {
    ParseError::new(structure, ParseErrorKind::Pem(text.into()))
}

/// The markers of a kind of block.
struct Markers {
    begin: &'static [u8],
    end: &'static [u8],
}

const CERTIFICATE: Markers =
    Markers { begin: b"-----BEGIN CERTIFICATE-----", end: b"-----END CERTIFICATE-----" };
const CRL: Markers = Markers { begin: b"-----BEGIN X509 CRL-----", end: b"-----END X509 CRL-----" };

/// A decoded block, and the text after it.
struct Block<'a> {
    der: Vec<u8>,
    after: &'a [u8],
}

/// The first block of a text, decoded, and the text after it.
fn block<'a>(
    text: &'a [u8],
    markers: &Markers,
    structure: &'static str,
) -> Result<Option<Block<'a>>, ParseError> {
    let Some((_, body)) = split_at_marker(text, markers.begin) else { return Ok(None) };
    let (body, after) = split_at_marker(body, markers.end)
        .ok_or_else(|| pem_error(structure, "a block does not end"))?;
    let der = BASE64
        .decode(&lines_joined(body))
        .or_else(|_| BASE64.decode(&without_whitespace(body)))
        .map_err(|_| pem_error(structure, "a block is not base64"))?;
    Ok(Some(Block { der, after }))
}

/// The lines of a text as one: all the whitespace there is in nearly every block.
fn lines_joined(text: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((line, after)) = find(rest, b'\n').and_then(|at| rest.split_at_checked(at)) {
        joined.extend_from_slice(line.trim_ascii());
        rest = after.strip_prefix(b"\n").unwrap_or_default();
    }
    joined.extend_from_slice(rest.trim_ascii());
    joined
}

fn without_whitespace(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Where a byte first stands. Looks at 32 at a time, in a form that compiles to vector instructions.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let (chunks, _) = bytes.as_chunks::<32>();
    let lacks = |chunk: &&[u8; 32]| !chunk.iter().fold(false, |has, byte| has | (*byte == wanted));
    let skipped = chunks.iter().take_while(lacks).count().checked_mul(32)?;
    let rest = bytes.get(skipped..)?.iter().position(|byte| *byte == wanted)?;
    skipped.checked_add(rest)
}

/// What stands before and after the first occurrence of a marker.
fn split_at_marker<'a>(text: &'a [u8], marker: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    // Every marker starts with a dash, which base64 never contains: the search jumps from dash to dash.
    let mut from = 0_usize;
    loop {
        let dash = find(text.get(from..)?, b'-')?;
        let at = from.checked_add(dash)?;
        let (before, found) = text.split_at_checked(at)?;
        if let Some(after) = found.strip_prefix(marker) {
            return Some((before, after));
        }
        from = at.checked_add(1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_crl_as_der_and_as_hexadecimal_with_or_without_a_trailing_nul() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x81];
        assert_eq!(crl(&der).unwrap(), der);
        assert_eq!(crl(b"3003020181").unwrap(), der);
        assert_eq!(crl(b"300302018100\n").unwrap(), der);
        assert_eq!(crl(b"3003020181\0").unwrap(), der);
        assert_eq!(crl(b"300302\n0181\n").unwrap(), der);
        assert_eq!(crl(&[0x30, 0x03, 0x02, 0x01, 0x81, 0]).unwrap(), der);
    }

    #[test]
    fn finds_certificates_that_share_a_line_and_skips_text_around_them() {
        let chain = b"hello\n-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE----------BEGIN CERTIFICATE-----\r\nAw\r\n==\r\n-----END CERTIFICATE-----\n\0\0";
        assert_eq!(certificates(chain).unwrap(), [&[0, 1, 2][..], &[3]]);
    }

    #[test]
    fn refuses_a_block_that_does_not_end_or_is_not_base64() {
        for (text, problem) in [
            (&b"-----BEGIN CERTIFICATE-----\nAAEC\n"[..], "a block does not end"),
            (b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", "a block is not base64"),
            (
                b"-----BEGIN CERTIFICATE-----\nAA*C\n-----END CERTIFICATE-----",
                "a block is not base64",
            ),
            (
                b"-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----",
                "no certificate in it",
            ),
        ] {
            let kind = certificates(text).unwrap_err().kind;
            assert_eq!(kind, ParseErrorKind::Pem(problem.into()));
        }
    }

    #[test]
    fn refuses_what_is_neither_der_pem_nor_hexadecimal() {
        assert!(matches!(crl(b"hello").unwrap_err().kind, ParseErrorKind::Invalid(_)));
        let fault = crl(b"-----BEGIN X509 CRL-----\nAAAA\n").unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::Pem(_)), "{fault}");
    }

    #[test]
    fn refuses_a_chain_without_a_certificate_or_with_one_too_many() {
        assert!(matches!(certificates(b"").unwrap_err().kind, ParseErrorKind::Pem(_)));
        let block = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let chain = block.repeat(limits::CHAIN_CERTIFICATES);
        assert_eq!(certificates(&chain).unwrap().len(), limits::CHAIN_CERTIFICATES);
        let fault = certificates(&block.repeat(limits::CHAIN_CERTIFICATES + 1)).unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::TooLarge { .. }));
    }
}
