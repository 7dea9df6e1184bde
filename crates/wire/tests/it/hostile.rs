//! Inputs made to cost memory, time or the stack: each is refused, and where a bound answers, it answers first.

use serde_json::json;
use tdattest_wire::bytes::EcdsaSignature;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::collateral::{Collateral, CollateralError};
use tdattest_wire::crl::Crl;
use tdattest_wire::error::{ParseError, ParseErrorKind};
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::limits;
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pem;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::quote::Quote;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::td_report::TdReport;

use crate::bounds::{bundle, sgx_tcb_info};
use crate::made_der::{
    certificate, crl, extension, nested, octets, oid_of, revoked, sequence, sgx_extension, tlv,
};
use crate::made_documents::opened_text;

fn is_too_large(fault: &ParseError) -> bool {
    matches!(fault.kind, ParseErrorKind::TooLarge { .. })
}

fn is_json(fault: &ParseError) -> bool {
    matches!(fault.kind, ParseErrorKind::Json { .. })
}

fn is_der(fault: &ParseError) -> bool {
    matches!(fault.kind, ParseErrorKind::Der(_))
}

/// What every reader of a document says to a text, wherever it comes from.
fn faults_of_documents(text: &[u8]) -> Vec<ParseError> {
    fn of<T: Document + std::fmt::Debug>(text: &[u8]) -> [ParseError; 2] {
        let answer = Signed::<T>::from_outer(text).and_then(|signed| signed.open_untrusted());
        [opened_text::<T>(text.to_vec()).unwrap_err(), answer.unwrap_err()]
    }
    [of::<TcbInfo>(text), of::<QeIdentity>(text), of::<EvaluationDataNumbers>(text)].concat()
}

/// S32, S36.
#[test]
fn refuses_100_mib_of_anything_by_its_length() {
    for byte in [b' ', b'[', b'0', 0x30, 0xff] {
        let bytes = vec![byte; 100 << 20];
        let mut faults = faults_of_documents(&bytes);
        faults.push(Quote::parse(&bytes).unwrap_err());
        faults.push(Certificate::parse(&bytes).unwrap_err());
        faults.push(Crl::parse(&bytes).unwrap_err());
        faults.push(pem::certificates(&bytes).unwrap_err());
        faults.push(pem::crl(&bytes).unwrap_err());
        let Err(CollateralError::Bundle(fault)) = Collateral::from_bundle(&bytes) else { panic!() };
        faults.push(fault);
        for fault in faults {
            assert!(is_too_large(&fault), "{fault}");
        }
        assert!(TdReport::parse(&bytes).is_err());
        assert!(PckExtension::parse(&bytes).is_err());
    }
}

/// S33.
#[test]
fn refuses_json_10_000_deep() {
    let depth = 10_000;
    let arrays = "[".repeat(depth) + &"]".repeat(depth);
    let objects = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    let unclosed = "[".repeat(depth);
    for deep in [arrays, objects, unclosed] {
        let member = sgx_tcb_info().to_string().replacen('{', &format!("{{\"x\":{deep},"), 1);
        let answer = format!(r#"{{"tcbInfo":{deep},"signature":"{}"}}"#, "00".repeat(64));
        for text in [deep, member, answer] {
            for fault in faults_of_documents(text.as_bytes()) {
                // An answer with another document lacks its member; the depth of that one is never looked at.
                let lacks_member = matches!(fault.kind, ParseErrorKind::Invalid(_));
                assert!(is_json(&fault) || lacks_member, "{fault}");
            }
            // Members that are no parts are passed over, however deep.
            let refused = Collateral::from_bundle(text.as_bytes()).unwrap_err();
            let lacks_parts = matches!(refused, CollateralError::Missing(_));
            assert!(lacks_parts || matches!(refused, CollateralError::Bundle(f) if is_json(&f)));
        }
    }
}

/// S32.
#[test]
fn refuses_a_million_tcb_levels() {
    let mut text = sgx_tcb_info();
    text["tcbLevels"] = json!([]);
    for level in ["{}", "1", "[]"] {
        let levels = vec![level; 1_000_000].join(",");
        let text =
            text.to_string().replacen("\"tcbLevels\":[]", &format!("\"tcbLevels\":[{levels}]"), 1);
        let fault = opened_text::<TcbInfo>(text.into_bytes()).unwrap_err();
        assert!(is_too_large(&fault), "{fault}");
    }
}

/// S32. As many levels as fit into the bytes a document may have.
#[test]
fn refuses_as_many_levels_as_fit() {
    let level = sgx_tcb_info()["tcbLevels"][0].to_string();
    let count = (limits::DOCUMENT_BYTES - 1000) / (level.len() + 1);
    assert!(count > limits::TCB_LEVELS);
    let mut text = sgx_tcb_info().to_string();
    text = text.replacen(&level, &vec![&*level; count].join(","), 1);
    assert!(text.len() <= limits::DOCUMENT_BYTES);
    assert!(is_json(&opened_text::<TcbInfo>(text.into_bytes()).unwrap_err()));
}

/// S32, S39.
#[test]
fn refuses_a_crl_with_a_million_entries() {
    let entries = revoked(&[1]).repeat(1_000_000);
    let fault = Crl::parse(&crl(&entries, &[])).unwrap_err();
    assert!(is_too_large(&fault), "{fault}");
}

/// The largest CRL that is read: sorted, in whatever order its entries come.
#[test]
fn reads_a_crl_with_as_many_entries_as_fit() {
    let count = (limits::CRL_BYTES - 500) / revoked(&[1, 0, 0]).len();
    let entries: Vec<u8> = (0..count)
        .rev()
        .flat_map(|number| revoked(&[1, (number >> 8) as u8, number as u8]))
        .collect();
    let der = crl(&entries, &[]);
    let parsed = Crl::parse(&der).unwrap();
    assert_eq!(parsed.revoked.len(), count);
    assert!(parsed.revoked.is_sorted());
}

/// S33.
#[test]
fn an_sgx_extension_10_000_deep_is_refused_or_passed_over() {
    let deep = nested(10_000);
    assert!(is_der(&PckExtension::parse(&nested(2)).unwrap_err()));
    assert!(PckExtension::parse(&deep).is_err());
    // In the place of the TCB, of the FMSPC, and of an entry that nobody knows.
    let entry = |arc: &str| sequence(&[&oid_of(&format!("1.2.840.113741.1.13.1.{arc}")), &deep]);
    let five = PckExtension::parse(&sgx_extension(&[])).unwrap();
    for known in ["2", "4", "6", "7"] {
        assert!(is_der(&PckExtension::parse(&sgx_extension(&[entry(known)])).unwrap_err()));
    }
    // Two unknown entries make seven, as a Platform CA's certificate has; their values are never looked into.
    let seven = sgx_extension(&[entry("8"), entry("9")]);
    assert_eq!(PckExtension::parse(&seven), Ok(five));
}

/// S33.
#[test]
fn certificates_and_crls_10_000_deep_are_refused_or_passed_over() {
    let deep = nested(10_000);
    assert!(is_too_large(&Certificate::parse(&deep).unwrap_err()));
    let shallower = nested(3_000);
    assert!(is_der(&Certificate::parse(&shallower).unwrap_err()));
    assert!(is_der(&Crl::parse(&deep).unwrap_err()));
    let in_extension = certificate(&[1], &[extension("2.5.29.99", &shallower)]);
    let parsed = Certificate::parse(&in_extension).unwrap();
    assert_eq!(parsed.extensions.iter().next().unwrap().value, shallower);
    // As values of extensions that are decoded on demand.
    for arcs in ["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.20", "2.5.29.35"] {
        let der = certificate(&[1], &[extension(arcs, &shallower)]);
        let extensions = Certificate::parse(&der).unwrap().extensions;
        assert_eq!(extensions.subject_key_id(), None);
        assert_eq!(extensions.authority_key_id(), None);
        assert_eq!(extensions.basic_constraints(), None);
        assert_eq!(extensions.key_usage(), None);
        assert_eq!(extensions.crl_number(), None);
    }
}

/// S32. Lengths of more than there is, in every size of length field.
#[test]
fn refuses_der_lengths_that_lie() {
    for length in [
        &[0x7f][..],
        &[0x81, 0xff],
        &[0x82, 0xff, 0xff],
        &[0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x80],
        &[0xff],
        &[0x82, 0x00, 0x01],
    ] {
        let bytes = [&[0x30], length, &[0x30, 0x00]].concat();
        for fault in [
            Certificate::parse(&bytes).unwrap_err(),
            Crl::parse(&bytes).unwrap_err(),
            PckExtension::parse(&bytes).unwrap_err(),
        ] {
            assert!(is_der(&fault), "{bytes:02x?}: {fault}");
        }
    }
}

/// S36.
#[test]
fn refuses_text_that_is_not_utf_8_and_tolerates_nuls_only_at_the_end() {
    let good = Signed::<TcbInfo>::new(sgx_tcb_info().to_string().into(), EcdsaSignature([1; 64]));
    let good = good.write();
    for broken in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\0"] {
        for at in [1, 3, good.len() / 2, good.len() - 2] {
            let text = [&good[..at], broken, &good[at..]].concat();
            let read = Signed::<TcbInfo>::from_outer(&text).and_then(|it| it.open_untrusted());
            assert!(is_json(&read.unwrap_err()), "{broken:02x?} at {at}");
        }
    }
    let bundle = bundle().to_string();
    assert!(Collateral::from_bundle(format!("{bundle}\0\0\0").as_bytes()).is_ok());
    for at in [0, 1, bundle.len() / 2] {
        let text = format!("{}\0{}", &bundle[..at], &bundle[at..]);
        let refused = Collateral::from_bundle(text.as_bytes()).unwrap_err();
        assert!(matches!(refused, CollateralError::Bundle(fault) if is_json(&fault)), "{at}");
    }
}

/// S9, S33. A chain is a list of blocks; one that repeats itself is read as such, and judged elsewhere.
#[test]
fn reads_a_certificate_that_stands_twice_in_a_chain_twice() {
    let der = certificate(&[1], &[]);
    let base64 = data_encoding::BASE64.encode(&der);
    let block = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    assert_eq!(pem::certificates(block.repeat(3).as_bytes()).unwrap(), vec![der; 3]);
}

/// S36. A million dashes, each of which may begin a marker.
#[test]
fn refuses_text_full_of_markers_that_lead_nowhere() {
    let fault = |text: String| {
        let fault = pem::certificates(text.as_bytes()).unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::Pem(_) | ParseErrorKind::TooLarge { .. }));
    };
    fault("-".repeat(limits::CHAIN_BYTES));
    let begin = "-----BEGIN CERTIFICATE-----";
    fault(begin.repeat(limits::CHAIN_BYTES / begin.len()));
    fault("-----BEGIN CERTIFICATE----------END CERTIFICATE-----".repeat(2000));
}

/// S33. An entry inside an entry inside an entry, and one that ends early.
#[test]
fn refuses_sgx_extensions_whose_entries_are_not_pairs() {
    let tcb = oid_of("1.2.840.113741.1.13.1.2");
    for entry in [
        sequence(&[]),
        sequence(&[&tcb]),
        sequence(&[&octets(b"x"), &tcb]),
        sequence(&[&tcb, &octets(b"x"), &octets(b"x")]),
        tlv(0x31, &[]),
        vec![0x30],
    ] {
        let fault = PckExtension::parse(&sgx_extension(&[entry.clone(), entry])).unwrap_err();
        assert!(is_der(&fault), "{fault}");
    }
}
