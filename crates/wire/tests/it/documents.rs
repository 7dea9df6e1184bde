//! TCB info and QE identities that are not what they should be: refused, never padded, truncated or defaulted.

use serde_json::{Value, json};
use tdattest_wire::bytes::{Fmspc, Measurement};
use tdattest_wire::collateral::{Collateral, CollateralError, Part};
use tdattest_wire::error::ParseErrorKind;
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::TcbInfo;

use crate::bounds::{
    bundle, isv_svn_level, level, module, qe_identity, sgx_tcb_info, tdx_tcb_info,
};
use crate::made_documents::{opened, opened_text};

type Change = (&'static str, fn(&mut Value));

#[track_caller]
fn refused_as_invalid<T: tdattest_wire::signed::Document + std::fmt::Debug>(
    text: &Value,
    what: &str,
) {
    let fault = opened::<T>(text).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Invalid(_)), "{what}: {fault}");
}

#[track_caller]
fn refused_as_json<T: tdattest_wire::signed::Document + std::fmt::Debug>(text: &Value, what: &str) {
    let fault = opened::<T>(text).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{what}: {fault}");
}

fn remove(text: &mut Value, member: &str) {
    text.as_object_mut().unwrap().remove(member).unwrap();
}

/// S34. A shorter list would compare fewer components than there are.
#[test]
fn refuses_levels_with_15_or_17_components() {
    for (list, info) in [("sgxtcbcomponents", sgx_tcb_info()), ("tdxtcbcomponents", tdx_tcb_info())]
    {
        for count in [0, 15, 17] {
            let mut text = info.clone();
            text["tcbLevels"][0]["tcb"][list] = vec![json!({ "svn": 0 }); count].into();
            refused_as_json::<TcbInfo>(&text, list);
        }
    }
}

/// S34.
#[test]
fn refuses_levels_without_the_components_of_their_tee_and_version() {
    let mut text = tdx_tcb_info();
    remove(&mut text["tcbLevels"][0]["tcb"], "tdxtcbcomponents");
    refused_as_invalid::<TcbInfo>(&text, "TDX");
    let mut text = sgx_tcb_info();
    remove(&mut text["tcbLevels"][0]["tcb"], "sgxtcbcomponents");
    refused_as_invalid::<TcbInfo>(&text, "SGX");
    // Version 2 has sixteen members instead, and each must be there.
    for missing in 0..=16 {
        let mut text = version_2();
        if missing > 0 {
            remove(&mut text["tcbLevels"][0]["tcb"], &format!("sgxtcbcomp{missing:02}svn"));
            refused_as_invalid::<TcbInfo>(&text, "version 2");
        } else {
            assert_eq!(opened::<TcbInfo>(&text).unwrap().tcb_levels[0].sgx, [1; 16]);
        }
    }
}

fn version_2() -> Value {
    let mut text = sgx_tcb_info();
    text["version"] = 2.into();
    remove(&mut text, "id");
    let tcb = &mut text["tcbLevels"][0]["tcb"];
    remove(tcb, "sgxtcbcomponents");
    for number in 1..=16 {
        tcb[format!("sgxtcbcomp{number:02}svn")] = 1.into();
    }
    text
}

/// S35. (1, 3, 2) is not above (1, 2, 3) in every component; kept in order of value, whatever the order in the text.
#[test]
fn keeps_levels_in_order_of_value() {
    let with = |svns: [u8; 3]| {
        let mut level = level(1);
        for (at, svn) in svns.into_iter().enumerate() {
            level["tcb"]["sgxtcbcomponents"][at]["svn"] = svn.into();
        }
        level
    };
    let expected = [[1, 3, 2], [1, 2, 3], [1, 2, 2], [0, 9, 9]];
    let mut order = [0, 1, 2, 3];
    for round in 0..24 {
        order.swap(round % 3, round % 3 + 1);
        let mut text = sgx_tcb_info();
        text["tcbLevels"] = order.iter().map(|at| with(expected[*at])).collect();
        let info = opened::<TcbInfo>(&text).unwrap();
        let found: Vec<_> = info.tcb_levels.iter().map(|level| level.sgx[..3].to_vec()).collect();
        assert_eq!(found, expected);
        let listed: Vec<_> = info.levels_as_listed().map(|level| level.sgx[..3].to_vec()).collect();
        assert_eq!(listed, order.map(|at| expected[at].to_vec()), "the order of the text");
    }
}

/// S35. Two levels of the same value would leave it to their order which one counts.
#[test]
fn refuses_levels_and_identities_that_stand_twice() {
    let mut text = sgx_tcb_info();
    text["tcbLevels"] = json!([level(1), level(2), level(1)]);
    refused_as_invalid::<TcbInfo>(&text, "platform levels");
    let mut text = qe_identity();
    text["tcbLevels"] = json!([isv_svn_level(4), isv_svn_level(4)]);
    refused_as_invalid::<QeIdentity>(&text, "QE levels");
    let mut text = tdx_tcb_info();
    text["tdxModuleIdentities"] = json!([identity("TDX_01"), identity("TDX_01")]);
    refused_as_invalid::<TcbInfo>(&text, "module identities");
    text["tdxModuleIdentities"] = json!([identity("TDX_0a"), identity("TDX_0A")]);
    refused_as_invalid::<TcbInfo>(&text, "module identities but for case");
    text["tdxModuleIdentities"] = json!([identity("TDX_01")]);
    text["tdxModuleIdentities"][0]["tcbLevels"] = json!([isv_svn_level(4), isv_svn_level(4)]);
    refused_as_invalid::<TcbInfo>(&text, "module levels");
}

fn identity(id: &str) -> Value {
    let mut identity = module();
    identity["id"] = id.into();
    identity["tcbLevels"] = json!([isv_svn_level(1)]);
    identity
}

/// S4.
#[test]
fn refuses_tdx_tcb_info_without_its_module_and_sgx_tcb_info_with_one() {
    let mut text = tdx_tcb_info();
    remove(&mut text, "tdxModule");
    refused_as_invalid::<TcbInfo>(&text, "TDX without tdxModule");
    let mut text = sgx_tcb_info();
    text["tdxModule"] = module();
    refused_as_invalid::<TcbInfo>(&text, "SGX with tdxModule");
    let mut text = sgx_tcb_info();
    text["tdxModuleIdentities"] = json!([identity("TDX_01")]);
    refused_as_invalid::<TcbInfo>(&text, "SGX with tdxModuleIdentities");
}

/// S4, S38. Identities are found by version, whatever the case of their hexadecimal.
#[test]
fn finds_the_module_identity_of_a_version() {
    let mut text = tdx_tcb_info();
    text["tdxModuleIdentities"] = json!([identity("TDX_03"), identity("tdx_1a")]);
    let info = opened::<TcbInfo>(&text).unwrap();
    let id = |version| info.tdx_module_identity(version).map(|found| found.id.clone());
    assert_eq!(id(3).as_deref(), Some("TDX_03"));
    assert_eq!(id(0x1a).as_deref(), Some("TDX_1A"));
    assert_eq!((id(0), id(1), id(0x30)), (None, None, None));
}

/// S3. A status that no one knows is no status to compare with.
#[test]
fn refuses_unknown_statuses() {
    for status in ["", "uptodate", "UpToDate ", "Revoked2", "TDRelaunchAdvised", "Supported"] {
        let mut text = sgx_tcb_info();
        text["tcbLevels"][0]["tcbStatus"] = status.into();
        refused_as_invalid::<TcbInfo>(&text, status);
        let mut text = qe_identity();
        text["tcbLevels"][0]["tcbStatus"] = status.into();
        refused_as_invalid::<QeIdentity>(&text, status);
    }
    // A QE is up to date or not; it has no configuration.
    let mut text = qe_identity();
    text["tcbLevels"][0]["tcbStatus"] = "ConfigurationNeeded".into();
    refused_as_invalid::<QeIdentity>(&text, "QE with a platform's status");
}

/// S15. What this crate does not know may be compared by other rules.
#[test]
fn refuses_other_versions_ids_and_types() {
    let changes: [Change; 6] = [
        ("id QE", |text| text["id"] = "QE".into()),
        ("no id", |text| remove(text, "id")),
        ("version 1", |text| text["version"] = 1.into()),
        ("version 4", |text| text["version"] = 4.into()),
        ("tcbType 1", |text| text["tcbType"] = 1.into()),
        ("no levels", |text| text["tcbLevels"] = json!([])),
    ];
    for (what, change) in changes {
        let mut text = sgx_tcb_info();
        change(&mut text);
        refused_as_invalid::<TcbInfo>(&text, what);
    }
    let changes: [Change; 4] = [
        ("id SGX", |text| text["id"] = "SGX".into()),
        ("id in lower case", |text| text["id"] = "td_qe".into()),
        ("version 3", |text| text["version"] = 3.into()),
        ("no levels", |text| text["tcbLevels"] = json!([])),
    ];
    for (what, change) in changes {
        let mut text = qe_identity();
        change(&mut text);
        refused_as_invalid::<QeIdentity>(&text, what);
    }
}

/// S38. Every member must be there and of its type; numbers beyond their range are not cut down.
#[test]
fn refuses_missing_members_and_wrong_types() {
    for (document, optional) in [(sgx_tcb_info(), "id"), (qe_identity(), "")] {
        let parse = |text: &Value| match optional {
            "id" => opened::<TcbInfo>(text).map(|_| ()),
            _ => opened::<QeIdentity>(text).map(|_| ()),
        };
        for member in document.as_object().unwrap().keys().filter(|name| *name != optional) {
            let mut text = document.clone();
            remove(&mut text, member);
            assert!(
                matches!(parse(&text).unwrap_err().kind, ParseErrorKind::Json { .. }),
                "{member}"
            );
            for wrong in [json!(null), json!(-1), json!(1.0), json!(4_294_967_296u64), json!({})] {
                text[member] = wrong;
                let fault = parse(&text).unwrap_err();
                assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{member}: {fault}");
            }
        }
    }
    for svn in [json!(256), json!(-1), json!("1"), json!(1.5), json!(null)] {
        let mut text = sgx_tcb_info();
        text["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15]["svn"] = svn;
        refused_as_json::<TcbInfo>(&text, "component SVN");
    }
    let mut text = sgx_tcb_info();
    text["tcbLevels"][0]["tcb"]["pcesvn"] = 65_536.into();
    refused_as_json::<TcbInfo>(&text, "PCESVN");
}

/// S38. Intel's library refuses these too: `null` is not the same as nothing.
#[test]
fn refuses_null_where_a_member_may_be_missing() {
    for (member, info) in [("tdxModule", sgx_tcb_info()), ("tdxModuleIdentities", tdx_tcb_info())] {
        let mut text = info;
        text[member] = Value::Null;
        refused_as_json::<TcbInfo>(&text, member);
    }
    for member in ["category", "type"] {
        let mut text = sgx_tcb_info();
        text["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][3][member] = Value::Null;
        refused_as_json::<TcbInfo>(&text, member);
    }
    let mut text = qe_identity();
    text["tcbLevels"][0]["advisoryIDs"] = Value::Null;
    refused_as_json::<QeIdentity>(&text, "advisoryIDs");
}

/// S16, S38.
#[test]
fn hexadecimal_is_of_either_case_and_of_exactly_its_length() {
    let mut text = sgx_tcb_info();
    text["fmspc"] = "00906ed50000".into();
    assert_eq!(opened::<TcbInfo>(&text), opened::<TcbInfo>(&sgx_tcb_info()));
    for wrong in ["", "00906ED5000", "00906ED50", "00906ED5000000", "0x906ED50000", "00906ED5000G"]
    {
        text["fmspc"] = wrong.into();
        refused_as_json::<TcbInfo>(&text, wrong);
        assert!(wrong.parse::<Fmspc>().is_err());
    }
    for length in [0, 94, 95, 97, 98] {
        assert!("a".repeat(length).parse::<Measurement>().is_err());
    }
    assert!("aB".repeat(48).parse::<Measurement>().is_ok());
}

/// S31, S37.
#[test]
fn an_answer_of_a_pcs_holds_the_document_and_its_signature_once() {
    let (document, signature) = (sgx_tcb_info().to_string(), "ab".repeat(64));
    let good = format!(r#"{{"tcbInfo":{document},"signature":"{signature}"}}"#);
    let read = Signed::<TcbInfo>::from_outer(good.as_bytes()).unwrap();
    assert_eq!((read.signed_bytes(), read.signature().0), (document.as_bytes(), [0xab; 64]));
    // NULs are what C callers leave behind.
    assert_eq!(Signed::from_outer(format!("{good}\0\0").as_bytes()).unwrap(), read);
    // What else stands there is under no signature: it is let pass, as in Intel's library, and nothing reads it.
    let more = format!(r#"{{"more":[1],"tcbInfo":{document},"signature":"{signature}"}}"#);
    assert_eq!(Signed::from_outer(more.as_bytes()).unwrap(), read);
    for bad in [
        format!(r#"{{"tcbInfo":{document}}}"#),
        format!(r#"{{"tcbInfo":{document},"signature":"{signature}00"}}"#),
        format!(r#"{{"tcbInfo":{document},"signature":"{signature}","signature":"{signature}"}}"#),
        format!(r#"{{"tcbInfo":{document},"tcbInfo":{document},"signature":"{signature}"}}"#),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("{good}\0x"),
        format!("\0{good}"),
        good[..good.len() - 1].to_owned(),
    ] {
        let fault = Signed::<TcbInfo>::from_outer(bad.as_bytes()).unwrap_err();
        assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{bad}: {fault}");
    }
    let fault = Signed::<QeIdentity>::from_outer(good.as_bytes()).unwrap_err();
    assert!(matches!(fault.kind, ParseErrorKind::Invalid(_)), "the other document: {fault}");
}

/// S31, S37.
#[test]
fn refuses_doubled_members_and_trailing_text_in_every_document() {
    for text in [sgx_tcb_info(), qe_identity()].map(|text| text.to_string()) {
        for bad in [
            text.replacen("{", r#"{"unknown":1,"unknown":1,"#, 1),
            text.replacen(r#""version""#, r#""version":2,"version""#, 1),
            // After members that hold members of their own.
            format!("{},\"version\":2}}", text.strip_suffix('}').unwrap()),
            format!("{text}{{}}"),
            format!("{text}\0"),
            text.replacen("{", "{\0", 1),
        ] {
            for fault in [
                opened_text::<TcbInfo>(bad.clone().into()).unwrap_err(),
                opened_text::<QeIdentity>(bad.clone().into()).unwrap_err(),
                opened_text::<EvaluationDataNumbers>(bad.clone().into()).unwrap_err(),
            ] {
                assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{bad}: {fault}");
            }
        }
    }
}

/// S31. What a bundle holds beside its parts is let pass; a misspelt part is one that is missing.
#[test]
fn refuses_a_bundle_with_doubled_or_misspelt_parts() {
    let text = bundle().to_string();
    let good = Collateral::from_bundle(text.as_bytes()).unwrap();
    let more = text.replacen('{', r#"{"version":3,"more":[1],"#, 1);
    assert_eq!(Collateral::from_bundle(more.as_bytes()).as_ref(), Ok(&good));
    for bad in
        [text.replacen('{', r#"{"pck_crl":"00","#, 1), format!("{text}{text}"), format!("[{text}]")]
    {
        let refused = Collateral::from_bundle(bad.as_bytes()).unwrap_err();
        let CollateralError::Bundle(fault) = refused else { panic!("{refused}") };
        assert!(matches!(fault.kind, ParseErrorKind::Json { .. }), "{fault}");
    }
    for part in Part::ALL.into_iter().filter(|part| *part != Part::PckCertificateChain) {
        let name = format!("\"{}\"", part.name());
        let misspelt = text.replacen(&name, &name.to_uppercase(), 1);
        let refused = Collateral::from_bundle(misspelt.as_bytes());
        assert_eq!(refused, Err(CollateralError::Missing(part)));
    }
}
