//! Damaged quotes: each fault is named with the structure it is in and the byte it is at.

use proptest::prelude::*;
use tdattest_wire::error::{ParseError, ParseErrorKind};
use tdattest_wire::quote::{Quote, TeeType, Version};
use tdattest_wire::td_report::TdReport;

use crate::made_quotes::{KINDS, Made, any_quote, quote_of};

const OUTER: &str = "outer certification data";
const INNER: &str = "certification data";

fn fault(bytes: &[u8]) -> ParseError {
    Quote::parse(bytes).unwrap_err()
}

fn at(structure: &'static str, offset: usize, kind: ParseErrorKind) -> ParseError {
    ParseError { kind, structure, offset }
}

fn truncated(needed: usize, available: usize) -> ParseErrorKind {
    ParseErrorKind::Truncated { needed, available }
}

fn td10() -> Made {
    quote_of((Version::V4, TeeType::Tdx, 2))
}

/// Adds to a little-endian `u32`.
fn add(bytes: &mut [u8], at: usize, more: i64) {
    let field: &mut [u8; 4] = (&mut bytes[at..at + 4]).try_into().unwrap();
    *field = u32::try_from(i64::from(u32::from_le_bytes(*field)) + more).unwrap().to_le_bytes();
}

/// S31, S36.
#[test]
fn a_quote_that_ends_at_any_byte_is_truncated_there() {
    for kind in KINDS {
        let bytes = quote_of(kind).bytes();
        for end in 0..bytes.len() {
            let fault = fault(&bytes[..end]);
            let ParseErrorKind::Truncated { needed, available } = fault.kind else {
                panic!("{kind:?} cut at {end}: {fault}");
            };
            assert_eq!(fault.offset + available, end, "{kind:?} cut at {end}: {fault}");
            assert!(fault.offset + needed > end && fault.offset + needed <= bytes.len(), "{fault}");
        }
    }
}

proptest! {
    /// S31, S36.
    #[test]
    fn a_quote_cut_short_is_refused(made in any_quote(), end in any::<prop::sample::Index>()) {
        let bytes = made.bytes();
        let fault = fault(&bytes[..end.index(bytes.len())]);
        prop_assert!(matches!(fault.kind, ParseErrorKind::Truncated { .. }), "{}", fault);
    }
}

#[test]
fn a_truncated_header_is_told_at_the_field_that_is_cut() {
    let bytes = td10().bytes();
    for (end, offset, needed) in
        [(0, 0, 2), (1, 0, 2), (5, 4, 4), (10, 10, 2), (27, 12, 16), (47, 28, 20)]
    {
        let expected = at("quote header", offset, truncated(needed, end - offset));
        assert_eq!(fault(&bytes[..end]), expected);
    }
}

#[test]
fn an_unknown_header_is_told_at_its_field() {
    let unsupported =
        |field, expected, found| ParseErrorKind::Unsupported { field, expected, found };
    for (offset, value, kind) in [
        (0, 2, unsupported("version", "3, 4 or 5", 2)),
        (0, 6, unsupported("version", "3, 4 or 5", 6)),
        (2, 3, unsupported("attestation key type", "2 (ECDSA P-256)", 3)),
        (4, 0x80, unsupported("TEE type", "0 (SGX) or 0x81 (TDX)", 0x80)),
        (0, 3, unsupported("TEE type", "0 (SGX) in a version 3 quote", 0x81)),
    ] {
        let mut bytes = td10().bytes();
        bytes[offset] = value;
        let field = if value == 3 && offset == 0 { 4 } else { offset };
        assert_eq!(fault(&bytes), at("quote header", field, kind));
    }
}

/// S8.
#[test]
fn a_qe_vendor_other_than_intel_is_refused() {
    for kind in KINDS {
        for byte in 12..28 {
            let mut bytes = quote_of(kind).bytes();
            bytes[byte] ^= 1;
            let fault = fault(&bytes);
            assert!(matches!(fault.kind, ParseErrorKind::Invalid(_)), "{fault}");
            assert_eq!((fault.structure, fault.offset), ("quote header", 12));
        }
    }
}

/// S28.
#[test]
fn a_body_size_that_contradicts_its_type_is_refused() {
    for (body, size) in [(2, 584), (3, 648), (4, 885)] {
        let made = quote_of((Version::V5, TeeType::Tdx, body));
        for other in [0, size - 1, size + 1, 584 + 648, u32::MAX as usize] {
            if other == size {
                continue;
            }
            let mut bytes = made.bytes();
            bytes[50..54].copy_from_slice(&(other as u32).to_le_bytes());
            let kind =
                ParseErrorKind::WrongSize { field: "body size", expected: size, found: other };
            assert_eq!(fault(&bytes), at("quote body descriptor", 50, kind));
        }
    }
}

/// S28. A type with the size of another is judged by its type: never a guess.
#[test]
fn a_body_type_that_the_tee_does_not_have_is_refused() {
    for (tee, body, types) in
        [(TeeType::Tdx, 3, [0, 1, 5, 0xffff]), (TeeType::Sgx, 1, [0, 2, 3, 4])]
    {
        for other in types {
            let mut bytes = quote_of((Version::V5, tee, body)).bytes();
            bytes[48..50].copy_from_slice(&u16::to_le_bytes(other));
            let fault = fault(&bytes);
            assert_eq!((fault.structure, fault.offset), ("quote body descriptor", 48));
            let ParseErrorKind::Unsupported { field: "body type", found, .. } = fault.kind else {
                panic!("{fault}");
            };
            assert_eq!(found, u64::from(other));
        }
    }
}

/// S28. Read with the other version's offsets, the sizes no longer nest.
#[test]
fn a_version_5_quote_that_says_version_4_and_the_reverse_are_refused() {
    for (kind, version) in
        [((Version::V5, TeeType::Tdx, 2), 4), ((Version::V4, TeeType::Tdx, 2), 5)]
    {
        let mut bytes = quote_of(kind).bytes();
        bytes[0] = version;
        assert!(Quote::parse(&bytes).is_err(), "{kind:?} as {version}");
    }
}

/// S31, S32.
#[test]
fn a_signature_data_size_that_lies_is_refused() {
    let made = td10();
    let (bytes, size_at) = (made.bytes(), made.size_at());
    let size = bytes.len() - size_at - 4;
    for more in [1, 0xffff_ffff - size as i64] {
        let mut longer = bytes.clone();
        add(&mut longer, size_at, more);
        let kind = truncated((size as i64 + more) as usize, size);
        assert_eq!(fault(&longer), at("quote signature data", size_at + 4, kind));
    }
    let mut shorter = bytes;
    add(&mut shorter, size_at, -1);
    let record = made.outer_record_at() + 6;
    let kind = truncated(size - 128 - 6, size - 128 - 6 - 1);
    assert_eq!(fault(&shorter), at(OUTER, record, kind));
}

/// S31. Version 3 has no outer record: nothing may follow inside the declared size.
#[test]
fn version_3_signature_data_must_end_where_it_says() {
    let made = quote_of((Version::V3, TeeType::Sgx, 1));
    let mut bytes = made.bytes();
    let end = bytes.len();
    add(&mut bytes, made.size_at(), 2);
    bytes.extend([0, 0]);
    let kind = ParseErrorKind::TrailingBytes { count: 2 };
    assert_eq!(fault(&bytes), at(INNER, end, kind));
}

/// S31. As Intel's library, versions 4 and 5 let bytes follow the record inside the declared size, and tell.
#[test]
fn bytes_after_the_record_are_reported_and_not_written_back() {
    for kind in KINDS.into_iter().filter(|(version, ..)| *version != Version::V3) {
        let made = quote_of(kind);
        let original = made.bytes();
        let mut bytes = original.clone();
        add(&mut bytes, made.size_at(), 3);
        bytes.extend([7, 8, 9, 10]);
        let quote = Quote::parse(&bytes).unwrap();
        assert_eq!(quote.signature().trailing, [7, 8, 9]);
        assert_eq!(quote.trailing(), [10]);
        assert_eq!(quote.write(), original);
    }
}

/// S31.
#[test]
fn bytes_inside_the_record_are_refused() {
    let made = td10();
    let mut bytes = made.bytes();
    let end = bytes.len();
    add(&mut bytes, made.size_at(), 1);
    add(&mut bytes, made.outer_record_at() + 2, 1);
    bytes.push(0);
    let kind = ParseErrorKind::TrailingBytes { count: 1 };
    assert_eq!(fault(&bytes), at("QE report certification data", end, kind));
}

#[test]
fn an_outer_record_of_another_type_is_refused() {
    for found in [0, 1, 5, 7, 0x0106] {
        let made = td10();
        let (mut bytes, offset) = (made.bytes(), made.outer_record_at());
        bytes[offset..offset + 2].copy_from_slice(&u16::to_le_bytes(found));
        let (field, expected) = ("certification data type", "6 (QE report)");
        let kind = ParseErrorKind::Unsupported { field, expected, found: found.into() };
        assert_eq!(fault(&bytes), at(OUTER, offset, kind));
    }
}

#[test]
fn certification_data_of_an_unknown_or_misplaced_type_is_refused() {
    for kind in KINDS {
        for found in [0, 6, 7, 8, 0xffff_u16] {
            let made = quote_of(kind);
            let (mut bytes, offset) = (made.bytes(), made.certification_at());
            bytes[offset..offset + 2].copy_from_slice(&found.to_le_bytes());
            let fault = fault(&bytes);
            assert_eq!((fault.structure, fault.offset), (INNER, offset));
            let ParseErrorKind::Unsupported { found: told, .. } = fault.kind else {
                panic!("{fault}");
            };
            assert_eq!(told, u64::from(found));
        }
    }
}

/// S17, S32.
#[test]
fn sizes_inside_the_record_must_nest() {
    let made = td10();
    let bytes = made.bytes();
    let rest = |from: usize| bytes.len() - from;

    let mut record = bytes.clone();
    let offset = made.outer_record_at();
    record[offset + 2..offset + 6].fill(0xff);
    let kind = truncated(0xffff_ffff, rest(offset + 6));
    assert_eq!(fault(&record), at(OUTER, offset + 6, kind));

    let mut auth_data = bytes.clone();
    let offset = made.auth_size_at();
    auth_data[offset..offset + 2].fill(0xff);
    let kind = truncated(0xffff, rest(offset + 2));
    assert_eq!(fault(&auth_data), at("QE authentication data", offset + 2, kind));

    let mut certification = bytes.clone();
    let offset = made.certification_at();
    certification[offset + 2..offset + 6].fill(0xff);
    let kind = truncated(0xffff_ffff, rest(offset + 6));
    assert_eq!(fault(&certification), at(INNER, offset + 6, kind));
}

/// A QE whose report ends early has nothing to certify its key with.
#[test]
fn a_record_too_small_for_a_qe_report_is_refused() {
    let made = td10();
    let mut bytes = made.bytes();
    let record = made.outer_record_at();
    bytes[record + 2..record + 6].copy_from_slice(&383u32.to_le_bytes());
    assert_eq!(fault(&bytes), at("QE report", record + 6, truncated(384, 383)));
}

#[test]
fn a_td_report_of_another_length_or_type_is_refused() {
    let mut bytes = [0; 1025];
    bytes[0] = 0x81;
    assert!(TdReport::parse(&bytes[..1024]).is_ok());
    let kind = ParseErrorKind::TrailingBytes { count: 1 };
    assert_eq!(TdReport::parse(&bytes), Err(at("TDREPORT", 1024, kind)));
    for end in 0..1024 {
        let fault = TdReport::parse(&bytes[..end]).unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::Truncated { .. }), "{fault}");
    }
    for found in [0, 0x80, 0x82] {
        bytes[0] = found;
        let (field, expected) = ("REPORTTYPE.TYPE", "0x81 (TDX)");
        let kind = ParseErrorKind::Unsupported { field, expected, found: found.into() };
        assert_eq!(TdReport::parse(&bytes[..1024]), Err(at("TDREPORT", 0, kind)));
    }
}
