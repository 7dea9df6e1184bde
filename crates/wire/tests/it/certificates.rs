//! What is read of certificates beyond their shape: names and extensions.

use tdattest_wire::certificate::{Certificate, oid};
use tdattest_wire::error::ParseErrorKind;

use crate::made_der::{
    certificate, certificate_of, common_name, extension, integer, octets, oid_of, sequence, tlv,
};

fn common_name_of(subject: &[u8]) -> String {
    Certificate::parse(&certificate_of(subject, &[1], &[])).unwrap().subject.common_name()
}

#[test]
fn the_common_name_is_the_first_in_whatever_string_type() {
    let country = sequence(&[&oid_of("2.5.4.6"), &tlv(0x13, b"US")]);
    let set = |attributes: &[&[u8]]| tlv(0x31, &attributes.concat());
    let (utf_8, printable) = (common_name(0x0c, "\u{fc}".as_bytes()), common_name(0x13, b"one"));
    for (sets, expected) in [
        (vec![set(&[&utf_8])], "\u{fc}"),
        (vec![set(&[&printable])], "one"),
        (vec![set(&[&country]), set(&[&printable])], "one"),
        (vec![set(&[&country, &printable])], "one"),
        (vec![set(&[&printable]), set(&[&utf_8])], "one"),
        (vec![set(&[&country])], ""),
        (vec![], ""),
    ] {
        assert_eq!(common_name_of(&tlv(0x30, &sets.concat())), expected);
    }
}

/// A name that cannot be read is no name: it never matches a role.
#[test]
fn a_malformed_name_has_no_common_name() {
    let good = common_name(0x0c, b"Intel SGX Root CA");
    for subject in [
        tlv(0x30, &good),
        tlv(0x31, &tlv(0x31, &good)),
        sequence(&[&tlv(0x31, &common_name(0x0c, b"\xff"))]),
        sequence(&[&tlv(0x31, &common_name(0x02, b"1"))]),
        sequence(&[&tlv(0x31, &sequence(&[&oid_of("2.5.4.3")]))]),
        sequence(&[&tlv(0x31, &good), &tlv(0x31, &[0x30, 0x05])]),
        sequence(&[&tlv(0x31, &sequence(&[&good, &integer(&[1])]))]),
        octets(&tlv(0x31, &good)),
    ] {
        assert_eq!(common_name_of(&subject), "", "{subject:02x?}");
    }
}

#[test]
fn an_extension_that_stands_twice_is_refused() {
    let twice = [extension("2.5.29.15", b"one"), extension("2.5.29.15", b"other")];
    let der = certificate(&[1], &twice);
    let fault = Certificate::parse(&der).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Invalid(_)), "{fault}");
}

#[test]
fn malformed_extensions_are_absent_to_whoever_asks_for_their_content() {
    let all = ["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.20", "2.5.29.35"];
    for value in [&b""[..], b"\xff", &[0x30, 0x80], &[0x04, 0x02, 0x01]] {
        let der = certificate(&[1], &all.map(|arcs| extension(arcs, value)));
        let extensions = Certificate::parse(&der).unwrap().extensions;
        assert!(extensions.get(oid::KEY_USAGE).is_some());
        assert_eq!(extensions.key_usage(), None);
        assert_eq!(extensions.subject_key_id(), None);
        assert_eq!(extensions.authority_key_id(), None);
        assert_eq!(extensions.basic_constraints(), None);
        assert_eq!(extensions.crl_number(), None);
    }
}
