//! Both sides of every bound of `limits`: at the bound something is read, beyond it there is an error.

use serde_json::{Value, json};
use tdattest_wire::bytes::EcdsaSignature;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::collateral::{Collateral, CollateralError};
use tdattest_wire::crl::Crl;
use tdattest_wire::error::{ParseError, ParseErrorKind};
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::limits;
use tdattest_wire::pem;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::quote::{Quote, TeeType, Version};
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::TcbInfo;

use crate::made_der::{certificate, crl, extension, integer, many_extensions, revoked};
use crate::made_documents::{opened, opened_text};
use crate::made_quotes::quote_of;

fn too_large(limit: usize, found: usize) -> impl Fn(&ParseError) -> bool {
    move |fault| {
        matches!(fault.kind, ParseErrorKind::TooLarge { limit: l, found: f, .. }
            if l == limit && f == found)
    }
}

#[track_caller]
fn assert_bound<T: std::fmt::Debug>(
    limit: usize,
    at: Result<T, ParseError>,
    beyond: Result<T, ParseError>,
) {
    assert!(at.is_ok(), "{at:?}");
    let fault = beyond.unwrap_err();
    assert!(too_large(limit, limit + 1)(&fault), "{fault}");
}

#[track_caller]
fn assert_json_bound<T: std::fmt::Debug>(at: Result<T, ParseError>, beyond: Result<T, ParseError>) {
    assert!(at.is_ok(), "{at:?}");
    let fault = beyond.unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{fault}");
}

/// The smallest TCB info there is.
pub(crate) fn sgx_tcb_info() -> Value {
    json!({
        "id": "SGX", "version": 3,
        "issueDate": "2025-06-19T10:16:03Z", "nextUpdate": "2025-07-19T10:16:03Z",
        "fmspc": "00906ED50000", "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
        "tcbLevels": [level(1)],
    })
}

/// The same for TDX.
pub(crate) fn tdx_tcb_info() -> Value {
    let mut text = sgx_tcb_info();
    text["id"] = "TDX".into();
    text["tdxModule"] = module();
    text["tcbLevels"][0]["tcb"]["tdxtcbcomponents"] = vec![json!({ "svn": 1 }); 16].into();
    text
}

/// A level of its own for each PCESVN.
pub(crate) fn level(pce_svn: u16) -> Value {
    json!({
        "tcb": { "pcesvn": pce_svn, "sgxtcbcomponents": vec![json!({ "svn": 1 }); 16] },
        "tcbDate": "2025-05-14T00:00:00Z", "tcbStatus": "UpToDate",
    })
}

pub(crate) fn module() -> Value {
    json!({
        "mrsigner": "00".repeat(48),
        "attributes": "0000000000000000", "attributesMask": "FFFFFFFFFFFFFFFF",
    })
}

pub(crate) fn isv_svn_level(isv_svn: u16) -> Value {
    json!({
        "tcb": { "isvsvn": isv_svn },
        "tcbDate": "2025-05-14T00:00:00Z", "tcbStatus": "UpToDate",
    })
}

#[test]
fn quote_bytes() {
    let mut bytes = quote_of((Version::V4, TeeType::Tdx, 2)).bytes();
    bytes.resize(limits::QUOTE_BYTES, 0);
    let at = Quote::parse(&bytes).map(|quote| quote.trailing().len());
    let longer = [&bytes[..], &[0]].concat();
    assert_bound(limits::QUOTE_BYTES, at, Quote::parse(&longer).map(|it| it.trailing().len()));
}

/// S32.
#[test]
fn document_bytes() {
    let body = |length: usize| {
        let mut text = sgx_tcb_info().to_string().into_bytes();
        text.resize(length, b' ');
        text
    };
    let limit = limits::DOCUMENT_BYTES;
    let opened = |length| opened_text::<TcbInfo>(body(length));
    assert_bound(limit, opened(limit), opened(limit + 1));

    let answer = |length: usize| {
        let mut text = Signed::<TcbInfo>::new(body(2000), EcdsaSignature([1; 64])).write();
        text.resize(length, b'\n');
        Signed::<TcbInfo>::from_outer(&text)
    };
    assert_bound(limit, answer(limit), answer(limit + 1));
}

/// S33.
#[test]
fn document_depth() {
    let nested = |depth: usize| {
        let mut text = sgx_tcb_info();
        text["unknown"] = serde_json::from_str(&("[".repeat(depth) + &"]".repeat(depth))).unwrap();
        opened::<TcbInfo>(&text)
    };
    // The document itself is the first level.
    assert_json_bound(nested(limits::DOCUMENT_DEPTH - 1), nested(limits::DOCUMENT_DEPTH));
}

#[test]
fn object_members() {
    let with = |members: usize| {
        let mut text = sgx_tcb_info();
        let known = text.as_object().unwrap().len();
        for number in known..members {
            text[format!("unknown {number}")] = Value::Null;
        }
        opened::<TcbInfo>(&text)
    };
    assert_json_bound(with(limits::OBJECT_MEMBERS), with(limits::OBJECT_MEMBERS + 1));
}

#[test]
fn tcb_levels() {
    let limit = u16::try_from(limits::TCB_LEVELS).unwrap();
    let with = |levels: u16| {
        let mut text = sgx_tcb_info();
        text["tcbLevels"] = (0..levels).map(level).collect();
        opened::<TcbInfo>(&text)
    };
    assert_json_bound(with(limit), with(limit + 1));

    let with = |levels: u16| {
        let mut text = qe_identity();
        text["tcbLevels"] = (0..levels).map(isv_svn_level).collect();
        opened::<QeIdentity>(&text)
    };
    assert_json_bound(with(limit), with(limit + 1));

    let number = json!({
        "tcbEvaluationDataNumber": 17,
        "tcbRecoveryEventDate": "2025-05-14T00:00:00Z", "tcbDate": "2025-05-14T00:00:00Z",
    });
    let with = |numbers: usize| {
        opened::<EvaluationDataNumbers>(&json!({
            "id": "SGX", "version": 1,
            "issueDate": "2025-06-19T10:16:03Z", "nextUpdate": "2025-07-19T10:16:03Z",
            "tcbEvalNumbers": vec![number.clone(); numbers],
        }))
    };
    assert_json_bound(with(limits::TCB_LEVELS), with(limits::TCB_LEVELS + 1));
}

pub(crate) fn qe_identity() -> Value {
    json!({
        "id": "TD_QE", "version": 2,
        "issueDate": "2025-06-19T10:16:03Z", "nextUpdate": "2025-07-19T10:16:03Z",
        "tcbEvaluationDataNumber": 17,
        "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5",
        "isvprodid": 2, "tcbLevels": [isv_svn_level(4)],
    })
}

#[test]
fn tdx_module_identities() {
    let with = |identities: usize| {
        let mut text = tdx_tcb_info();
        let identities = (0..identities).map(|version| {
            let mut identity = module();
            identity["id"] = format!("TDX_{version:02X}").into();
            identity["tcbLevels"] = vec![isv_svn_level(1)].into();
            identity
        });
        text["tdxModuleIdentities"] = identities.collect();
        opened::<TcbInfo>(&text)
    };
    assert_json_bound(with(limits::TDX_MODULE_IDENTITIES), with(limits::TDX_MODULE_IDENTITIES + 1));
}

#[test]
fn advisory_ids() {
    let ids = |count| Value::from(vec!["INTEL-SA-00615"; count]);
    let of_platform = |count| {
        let mut text = sgx_tcb_info();
        text["tcbLevels"][0]["advisoryIDs"] = ids(count);
        opened::<TcbInfo>(&text)
    };
    assert_json_bound(of_platform(limits::ADVISORY_IDS), of_platform(limits::ADVISORY_IDS + 1));
    let of_qe = |count| {
        let mut text = qe_identity();
        text["tcbLevels"][0]["advisoryIDs"] = ids(count);
        opened::<QeIdentity>(&text)
    };
    assert_json_bound(of_qe(limits::ADVISORY_IDS), of_qe(limits::ADVISORY_IDS + 1));
}

/// Padding for which `make` gives exactly `length` bytes.
fn of_length(length: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let probe = length - 200;
    let made = make(probe + length - make(probe).len());
    assert_eq!(made.len(), length);
    made
}

#[test]
fn certificate_bytes() {
    let of_length = |length| {
        of_length(length, |size| certificate(&[1], &[extension("2.5.29.99", &vec![0; size])]))
    };
    let (at, beyond) =
        (of_length(limits::CERTIFICATE_BYTES), of_length(limits::CERTIFICATE_BYTES + 1));
    assert_bound(limits::CERTIFICATE_BYTES, Certificate::parse(&at), Certificate::parse(&beyond));
}

/// S32, S39.
#[test]
fn crl_bytes() {
    let of_length = |length| {
        of_length(length, |size| crl(&revoked(&[1]), &[extension("2.5.29.99", &vec![0; size])]))
    };
    let (at, beyond) = (of_length(limits::CRL_BYTES), of_length(limits::CRL_BYTES + 1));
    assert_bound(limits::CRL_BYTES, Crl::parse(&at), Crl::parse(&beyond));

    let hex = |length: usize| pem::crl(&vec![b'0'; length]);
    assert_bound(limits::CRL_BYTES * 2, hex(limits::CRL_BYTES * 2), hex(limits::CRL_BYTES * 2 + 1));
}

#[test]
fn extensions() {
    let (at, beyond) = (limits::EXTENSIONS, limits::EXTENSIONS + 1);
    let certificate = |count| {
        let der = certificate(&[1], &many_extensions(count));
        Certificate::parse(&der).map(|parsed| parsed.extensions.iter().len())
    };
    assert_bound(limits::EXTENSIONS, certificate(at), certificate(beyond));
    let crl = |count| {
        let der = crl(&revoked(&[1]), &many_extensions(count));
        Crl::parse(&der).map(|parsed| parsed.extensions.iter().len())
    };
    assert_bound(limits::EXTENSIONS, crl(at), crl(beyond));
}

#[test]
fn serial_numbers_have_at_most_20_bytes() {
    let parse = |serial: &[u8]| {
        let der = certificate(serial, &[]);
        Certificate::parse(&der).map(|parsed| parsed.serial.as_bytes().to_vec())
    };
    assert_eq!(parse(&[0x7f; 20]).unwrap(), [0x7f; 20]);
    // A leading zero says that the number is not negative; it is no part of it.
    assert_eq!(parse(&[&[0][..], &[0xff; 20]].concat()).unwrap(), [0xff; 20]);
    assert!(matches!(parse(&[0x7f; 21]).unwrap_err().kind, ParseErrorKind::Invalid(_)));
    let entries = [revoked(&[1]), revoked(&[0x7f; 21])].concat();
    let fault = Crl::parse(&crl(&entries, &[])).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Invalid(_)), "{fault}");
}

#[test]
fn chain_bytes() {
    let chain = |length: usize| {
        let block = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        pem::certificates(&[&vec![b' '; length - block.len()], &block[..]].concat())
    };
    assert_bound(limits::CHAIN_BYTES, chain(limits::CHAIN_BYTES), chain(limits::CHAIN_BYTES + 1));
}

#[test]
fn chain_certificates() {
    let chain = |count: usize| {
        let der = certificate(&integer(&[1]), &[]);
        let base64 = data_encoding::BASE64.encode(&der);
        let block = format!("-----BEGIN CERTIFICATE-----{base64}-----END CERTIFICATE-----");
        pem::certificates(block.repeat(count).as_bytes()).map(|ders| ders.len())
    };
    let limit = limits::CHAIN_CERTIFICATES;
    assert_bound(limit, chain(limit), chain(limit + 1));
}

#[test]
fn bundle_bytes() {
    let bundle = |length: usize| {
        let mut text = bundle().to_string().into_bytes();
        text.resize(length, b' ');
        Collateral::from_bundle(&text)
    };
    assert!(bundle(limits::BUNDLE_BYTES).is_ok());
    let Err(CollateralError::Bundle(fault)) = bundle(limits::BUNDLE_BYTES + 1) else { panic!() };
    assert!(too_large(limits::BUNDLE_BYTES, limits::BUNDLE_BYTES + 1)(&fault), "{fault}");
}

/// A bundle of parts that are there, and no more than that.
pub(crate) fn bundle() -> Value {
    json!({
        "pck_crl_issuer_chain": "chain", "root_ca_crl": "00", "pck_crl": "00",
        "tcb_info_issuer_chain": "chain", "tcb_info": "{}", "tcb_info_signature": "00".repeat(64),
        "qe_identity_issuer_chain": "chain", "qe_identity": "{}",
        "qe_identity_signature": "00".repeat(64),
    })
}
