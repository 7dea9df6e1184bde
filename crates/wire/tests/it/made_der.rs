//! Certificates, CRLs and SGX extensions put together from tags, lengths and values.

use der::Encode;
use der::asn1::ObjectIdentifier;
use tdattest_wire::certificate::oid;

/// A DER value with its tag and length.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(value);
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn oid_of(arcs: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(arcs).to_der().unwrap()
}

pub(crate) fn octets(value: &[u8]) -> Vec<u8> {
    tlv(0x04, value)
}

pub(crate) fn integer(value: &[u8]) -> Vec<u8> {
    tlv(0x02, value)
}

/// An extension that is not critical.
pub(crate) fn extension(arcs: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[&oid_of(arcs), &octets(value)])
}

fn algorithm() -> Vec<u8> {
    sequence(&[&oid::ECDSA_WITH_SHA_256.to_der().unwrap()])
}

fn name() -> Vec<u8> {
    sequence(&[&tlv(0x31, &common_name(0x0c, b"made"))])
}

/// The attribute of a common name, of a string type.
pub(crate) fn common_name(tag: u8, text: &[u8]) -> Vec<u8> {
    sequence(&[&oid::COMMON_NAME.to_der().unwrap(), &tlv(tag, text)])
}

fn time() -> Vec<u8> {
    tlv(0x17, b"250619101603Z")
}

fn signed(tbs: &[u8]) -> Vec<u8> {
    sequence(&[tbs, &algorithm(), &tlv(0x03, b"\0not a signature")])
}

/// A certificate with this serial number and these extensions, and a signature that is none.
pub(crate) fn certificate(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    certificate_of(&name(), serial, extensions)
}

/// The same with another subject.
pub(crate) fn certificate_of(subject: &[u8], serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let key_algorithm =
        sequence(&[&oid::EC_PUBLIC_KEY.to_der().unwrap(), &oid::P_256.to_der().unwrap()]);
    let tbs = sequence(&[
        &tlv(0xa0, &integer(&[2])),
        &integer(serial),
        &algorithm(),
        &name(),
        &sequence(&[&time(), &time()]),
        subject,
        &sequence(&[&key_algorithm, &tlv(0x03, &[[0, 4].as_slice(), &[7; 64]].concat())]),
        &tlv(0xa3, &tlv(0x30, &extensions.concat())),
    ]);
    signed(&tbs)
}

/// A CRL with these entries and extensions.
pub(crate) fn crl(entries: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    signed(&sequence(&[
        &integer(&[1]),
        &algorithm(),
        &name(),
        &time(),
        &time(),
        &tlv(0x30, entries),
        &tlv(0xa0, &tlv(0x30, &extensions.concat())),
    ]))
}

/// An entry of a CRL.
pub(crate) fn revoked(serial: &[u8]) -> Vec<u8> {
    sequence(&[&integer(serial), &time()])
}

/// Enough extensions, each under its own OID.
pub(crate) fn many_extensions(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| extension(&format!("2.5.29.{}", 100 + number), b"x")).collect()
}

/// The value of a PCK certificate's SGX extension (Processor CA: five entries), then `more` entries.
pub(crate) fn sgx_extension(more: &[Vec<u8>]) -> Vec<u8> {
    const SGX: &str = "1.2.840.113741.1.13.1";
    let pair = |arc: &str, value: Vec<u8>| sequence(&[&oid_of(&format!("{SGX}.{arc}")), &value]);
    let components = (1..=16).map(|number| pair(&format!("2.{number}"), integer(&[number])));
    let mut tcb: Vec<u8> = components.flatten().collect();
    tcb.extend(pair("2.17", integer(&[13])));
    tcb.extend(pair("2.18", octets(&[1; 16])));
    let mut entries = vec![
        pair("1", octets(&[2; 16])),
        pair("2", tlv(0x30, &tcb)),
        pair("3", octets(&[0; 2])),
        pair("4", octets(&[0x90, 0xc0, 0x6f, 0, 0, 0])),
        pair("5", tlv(0x0a, &[1])),
    ];
    entries.extend_from_slice(more);
    tlv(0x30, &entries.concat())
}

/// A value nested in this many sequences.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    // From the inside out, so that each length is known; built back to front to be linear.
    let mut reversed: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let mut head = tlv(0x30, &[]);
        head.truncate(1);
        let length = reversed.len();
        let bytes = length.to_be_bytes();
        if length < 0x80 {
            head.push(length as u8);
        } else {
            let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
            head.push(0x80 | significant.len() as u8);
            head.extend_from_slice(significant);
        }
        reversed.extend(head.iter().rev());
    }
    reversed.reverse();
    reversed
}
