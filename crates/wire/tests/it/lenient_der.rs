//! Intel's reading of what is not JSON: the SGX extension, names, texts of CRLs, quotes of version 3.

use tdattest_wire::certificate::Certificate;
use tdattest_wire::crl::{self, Crl};
use tdattest_wire::error::ParseErrorKind;
use tdattest_wire::lenient::FaultClass::{self, Content, Format};
use tdattest_wire::limits;
use tdattest_wire::pck::{PckExtension, SgxType};
use tdattest_wire::quote::{Quote, TeeType, Version};

use crate::made_der::{
    certificate_of, common_name, crl as made_crl, integer, octets, oid_of, revoked, sequence,
    sgx_extension, tlv,
};
use crate::made_quotes::{KINDS, quote_of};

const SGX: &str = "1.2.840.113741.1.13.1";

fn entry(arc: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[&oid_of(&format!("{SGX}.{arc}")), value])
}

/// Entries `.1` to `.5`.
fn entries() -> Vec<Vec<u8>> {
    vec![
        entry("1", &octets(&[2; 16])),
        entry("2", &tcb(|_| {})),
        entry("3", &octets(&[0; 2])),
        entry("4", &octets(&[0x90, 0xc0, 0x6f, 0, 0, 0])),
        entry("5", &tlv(0x0a, &[1])),
    ]
}

/// `.2` with its 18 entries changed.
fn tcb(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut entries: Vec<_> =
        (1..=16).map(|number| entry(&format!("2.{number}"), &integer(&[number]))).collect();
    entries.push(entry("2.17", &integer(&[13])));
    entries.push(entry("2.18", &octets(&[1; 16])));
    change(&mut entries);
    tlv(0x30, &entries.concat())
}

fn read(entries: &[Vec<u8>]) -> Result<PckExtension, FaultClass> {
    PckExtension::parse_lenient(&tlv(0x30, &entries.concat())).map_err(|fault| fault.class)
}

fn with(at: usize, entry: Vec<u8>) -> Result<PckExtension, FaultClass> {
    let mut entries = entries();
    entries[at] = entry;
    read(&entries)
}

fn with_tcb(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<PckExtension, FaultClass> {
    with(1, entry("2", &tcb(change)))
}

#[test]
fn an_sgx_extension_that_is_read_strictly_is_read_alike() {
    let platform = [
        entry("6", &octets(&[6; 16])),
        entry(
            "7",
            &tlv(0x30, &[entry("7.1", &tlv(1, &[0xff])), entry("7.2", &tlv(1, &[0]))].concat()),
        ),
    ];
    for more in [&[][..], &platform] {
        let value = sgx_extension(more);
        let strict = PckExtension::parse(&value).unwrap();
        assert_eq!(PckExtension::parse_lenient(&value), Ok(strict));
    }
}

#[test]
fn entries_of_an_sgx_extension_stand_in_any_order_and_the_last_of_two_counts() {
    let good = read(&entries()).unwrap();
    let mut reversed = entries();
    reversed.reverse();
    reversed[3] = entry("2", &tcb(|entries| entries.reverse()));
    assert_eq!(read(&reversed).as_ref(), Ok(&good));
    let mut seven = entries();
    seven.insert(0, entry("4", &octets(&[9; 6])));
    seven.push(sequence(&[&oid_of("1.2.3"), &octets(&[])]));
    assert_eq!(read(&seven).as_ref(), Ok(&good));
    // As many as there must be, but one of them twice.
    let twice = with(0, entry("3", &octets(&[0; 2])));
    assert_eq!(twice, Err(Content));
    let value = [&tlv(0x30, &entries().concat())[..], &[1, 2, 3]].concat();
    assert_eq!(PckExtension::parse_lenient(&value).as_ref(), Ok(&good));
    assert!(PckExtension::parse(&value).is_err());
}

#[test]
fn a_wrong_count_of_entries_is_told_before_anything_in_them() {
    for count in [0, 4, 6, 8] {
        let entries = vec![octets(b"no entry"); count];
        assert_eq!(read(&entries), Err(Content), "{count}");
    }
    assert_eq!(read(&vec![octets(b"no entry"); 5]), Err(Format));
    // Elements that are no DER are told before they are counted.
    assert_eq!(PckExtension::parse_lenient(&tlv(0x30, &[4, 9])).unwrap_err().class, Format);
    assert_eq!(PckExtension::parse_lenient(b"").unwrap_err().class, Content);
    assert_eq!(PckExtension::parse_lenient(&[0x30, 9]).unwrap_err().class, Content);
    assert_eq!(PckExtension::parse_lenient(&octets(&[1])).unwrap_err().class, Format);
}

#[test]
fn the_type_and_length_of_an_entry_are_of_the_format_and_its_absence_is_not() {
    for (at, arc, wrong) in [
        (0, "1", octets(&[2; 15])),
        (0, "1", integer(&[2])),
        (1, "2", octets(&[])),
        (2, "3", octets(&[0; 3])),
        (3, "4", octets(&[0; 5])),
        (4, "5", integer(&[1])),
        (4, "5", tlv(0x0a, &[3])),
    ] {
        assert_eq!(with(at, entry(arc, &wrong)), Err(Format), "{arc}");
    }
    for at in 0..5 {
        assert_eq!(with(at, entry("99", &octets(&[]))), Err(Content), "{at}");
        assert_eq!(with(at, sequence(&[&oid_of("1.2.3")])), Err(Content), "{at}");
        assert_eq!(with(at, sequence(&[&octets(&[1]), &octets(&[1])])), Err(Format), "{at}");
    }
    assert_eq!(
        with(4, entry("5", &tlv(0x0a, &[2]))).unwrap().sgx_type,
        SgxType::ScalableWithIntegrity
    );
}

#[test]
fn a_tcb_has_18_entries_with_integers_of_any_size() {
    assert_eq!(with_tcb(|entries| drop(entries.pop())), Err(Content));
    assert_eq!(with_tcb(|entries| entries.push(entry("2.1", &integer(&[1])))), Err(Content));
    for at in 0..18 {
        assert_eq!(
            with_tcb(|entries| entries[at] = entry("2.99", &octets(&[]))),
            Err(Content),
            "{at}"
        );
        let arc = format!("2.{}", at + 1);
        assert_eq!(
            with_tcb(|entries| entries[at] = entry(&arc, &tlv(1, &[0]))),
            Err(Format),
            "{at}"
        );
    }
    let component = |bytes: &[u8]| {
        with_tcb(|entries| entries[3] = entry("2.4", &integer(bytes)))
            .map(|read| read.tcb.components[3])
    };
    for (bytes, expected) in [
        (&[1, 0x2c][..], Ok(0x2c)),
        (&[0xfe], Ok(0xfe)),
        (&[0, 0xff], Ok(0xff)),
        // Beyond 64 bits OpenSSL says -1.
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0], Ok(0xff)),
        (&[], Err(Format)),
        (&[0, 1], Err(Format)),
        (&[0xff, 0xfe], Err(Format)),
    ] {
        assert_eq!(component(bytes), expected, "{bytes:?}");
    }
    let pce_svn = |bytes: &[u8]| {
        with_tcb(|entries| entries[16] = entry("2.17", &integer(bytes)))
            .map(|read| read.tcb.pce_svn)
    };
    assert_eq!(pce_svn(&[0, 0xff, 0xff]), Ok(u16::MAX));
    assert_eq!(pce_svn(&[1, 0, 0]), Ok(u16::MAX));
    assert_eq!(pce_svn(&[0xff]), Ok(u16::MAX));
    assert_eq!(pce_svn(&[1, 0, 0, 0, 7]), Ok(7));
}

#[test]
fn malformed_entries_of_multi_package_platforms_are_left_out() {
    let mut entries = entries();
    entries.push(entry("6", &octets(&[6; 15])));
    entries.push(entry("7", &octets(&[])));
    let read = read(&entries).unwrap();
    assert_eq!((read.platform_instance_id, read.configuration), (None, None));
}

/// Eighteen that are known, and another: neither reading takes it, though strangers stand elsewhere.
#[test]
fn a_tcb_with_an_unknown_entry_besides_is_refused_by_both() {
    let stranger = sequence(&[&oid_of("1.2.3"), &octets(&[])]);
    let mut entries = entries();
    entries[1] = entry("2", &tcb(|entries| entries.push(stranger)));
    assert_eq!(read(&entries), Err(Content));
    assert!(PckExtension::parse(&tlv(0x30, &entries.concat())).is_err());
}

/// A name of attributes, each in a set of its own: last arc under 2.5.4, tag and text.
fn name(attributes: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let sets = attributes.iter().map(|(arc, tag, text)| tlv(0x31, &attribute(*arc, *tag, text)));
    tlv(0x30, &sets.collect::<Vec<_>>().concat())
}

fn attribute(arc: u8, tag: u8, text: &[u8]) -> Vec<u8> {
    sequence(&[&oid_of(&format!("2.5.4.{arc}")), &tlv(tag, text)])
}

/// Whether two names are the same by five fields, and as text.
fn same(one: &[u8], other: &[u8]) -> (bool, bool) {
    let (one, other) = (certificate_of(one, &[1], &[]), certificate_of(other, &[1], &[]));
    let one = Certificate::parse(&one).unwrap().subject;
    let other = Certificate::parse(&other).unwrap().subject;
    let both = (one.five_fields_eq(&other), one.text_eq(&other));
    assert_eq!(both, (other.five_fields_eq(&one), other.text_eq(&one)));
    both
}

const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const BMP: u8 = 0x1e;

#[test]
fn names_are_compared_by_five_fields_and_as_text() {
    let ca = name(&[
        (3, UTF8, b"Intel SGX PCK Platform CA"),
        (10, UTF8, b"Intel"),
        (6, PRINTABLE, b"US"),
    ]);
    assert_eq!(same(&ca, &ca), (true, true));
    let other_types = name(&[
        (3, PRINTABLE, b"Intel SGX PCK Platform CA"),
        (10, TELETEX, b"Intel"),
        (6, UTF8, b"US"),
    ]);
    assert_eq!(same(&ca, &other_types), (true, true));
    let other_order = name(&[
        (6, PRINTABLE, b"US"),
        (3, UTF8, b"Intel SGX PCK Platform CA"),
        (10, UTF8, b"Intel"),
    ]);
    assert_eq!(same(&ca, &other_order), (true, false));
    let with_unit = name(&[
        (3, UTF8, b"Intel SGX PCK Platform CA"),
        (10, UTF8, b"Intel"),
        (6, PRINTABLE, b"US"),
        (11, UTF8, b"unit"),
    ]);
    assert_eq!(same(&ca, &with_unit), (true, false));
    for arc in [3, 6, 7, 8, 10] {
        let one = name(&[(arc, UTF8, b"A")]);
        assert_eq!(same(&one, &name(&[(arc, UTF8, b"B")])), (false, false), "{arc}");
        assert_eq!(
            same(&one, &name(&[(arc, UTF8, b"A"), (arc, UTF8, b"B")])),
            (true, false),
            "{arc}"
        );
        assert_eq!(same(&one, &name(&[])), (false, false), "{arc}");
    }
    let grouped =
        tlv(0x30, &tlv(0x31, &[attribute(3, UTF8, b"A"), attribute(10, UTF8, b"B")].concat()));
    assert_eq!(same(&grouped, &name(&[(3, UTF8, b"A"), (10, UTF8, b"B")])), (true, false));
}

#[test]
fn text_of_another_length_in_utf_8_counts_as_empty_among_the_five_fields() {
    let latin = name(&[(3, TELETEX, b"Z\xfcrich")]);
    let utf8 = name(&[(3, UTF8, "Zürich".as_bytes())]);
    assert_eq!(same(&latin, &utf8), (false, true));
    assert_eq!(same(&latin, &name(&[])), (true, false));
    let wide = name(&[(3, BMP, &[0, b'A'])]);
    assert_eq!(same(&wide, &name(&[(3, UTF8, b"A")])), (false, true));
    // A type that is no text, and text that is none.
    assert_eq!(same(&name(&[(3, 4, b"A")]), &name(&[(3, UTF8, b"A")])), (false, false));
    assert_eq!(same(&name(&[(3, UTF8, b"\xff")]), &name(&[(3, UTF8, b"\xfe")])), (true, false));
    // No name of X.520: printed as DER, so that the type shows.
    let custom =
        |tag: u8| sequence(&[&tlv(0x31, &sequence(&[&oid_of("1.2.3.4"), &tlv(tag, b"A")]))]);
    assert_eq!(same(&custom(UTF8), &custom(PRINTABLE)), (true, false));
    assert_eq!(
        same(&sequence(&[&tlv(0x31, &common_name(UTF8, b"A"))]), &name(&[(3, UTF8, b"A")])),
        (true, true)
    );
}

#[test]
fn a_crl_is_pem_if_it_says_so_at_once_and_else_hexadecimal() {
    let der = made_crl(&revoked(&[1]), &[]);
    assert!(Crl::parse(&der).is_ok());
    let pem = format!(
        "-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n",
        data_encoding::BASE64.encode(&der)
    );
    let hex = data_encoding::HEXUPPER.encode(&der);
    for text in [
        pem.clone(),
        format!("\n{pem}"),
        format!("{pem}\0more"),
        hex.clone(),
        hex.to_lowercase(),
        format!("{hex}00"),
        format!("{hex}0102"),
        format!("{hex}\0\n"),
    ] {
        assert_eq!(crl::from_text(text.as_bytes()).as_ref(), Ok(&der), "{text:?}");
    }
    for text in
        ["", "\n", "0", &hex[1..], &format!("{hex}\n"), &format!(" {hex}"), &format!("\n\n{pem}")]
    {
        let read = crl::from_text(text.as_bytes());
        assert!(read.as_deref().map_or(true, |der| Crl::parse(der).is_err()), "{text:?}");
    }
    assert!(crl::from_text(&der).is_err());
    assert!(crl::from_text(b"-----BEGIN X509 CRL-----\nAAAA").is_err());
    // A CRL that ends too early is left for its parser to refuse.
    let short = crl::from_text(&hex.as_bytes()[..hex.len() - 2]).unwrap();
    assert_eq!(short, der[..der.len() - 1]);
    let limit = limits::CRL_BYTES * 2;
    assert!(crl::from_text(&vec![b'0'; limit]).is_ok());
    let fault = crl::from_text(&vec![b'0'; limit + 1]).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::TooLarge { .. }));
}

/// S31. Only Intel's reading lets bytes follow the signature data of version 3; both let them follow the others.
#[test]
fn bytes_after_the_signature_data_of_version_3_are_reported_leniently() {
    for kind in KINDS {
        let made = quote_of(kind);
        let good = made.bytes();
        assert_eq!(Quote::parse_lenient(&good), Quote::parse(&good));
        let mut bytes = good.clone();
        let at = made.size_at();
        let size = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) + 3;
        bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
        bytes.extend([7, 8, 9, 10]);
        let quote = Quote::parse_lenient(&bytes).unwrap();
        assert_eq!((quote.signature().trailing, quote.trailing()), (&[7, 8, 9][..], &[10][..]));
        assert_eq!(quote.write(), good);
        assert_eq!(Quote::parse(&bytes).is_err(), kind.0 == Version::V3);
    }
    let made = quote_of((Version::V3, TeeType::Sgx, 1));
    let bytes = made.bytes();
    assert!(Quote::parse_lenient(&bytes[..bytes.len() - 1]).is_err());
}
