//! Intel's reading beside the strict one: what it lets pass, and which fault it tells first.

use proptest::prelude::*;
use serde_json::{Value, json};
use tdattest_wire::bytes::EcdsaSignature;
use tdattest_wire::lenient::{Fault, FaultClass, Problem};
use tdattest_wire::qe_identity::{self, QeIdentity};
use tdattest_wire::tcb_info::{self, TcbInfo};
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::{limits, signed::Document};

use crate::bounds::{isv_svn_level, level, module, qe_identity, sgx_tcb_info, tdx_tcb_info};
use crate::made_documents::{
    any_qe_identity, any_tcb_info, opened, qe_identity_text, tcb_info_text,
};
use FaultClass::{Content, Format, Version};

/// An outer object around a document.
fn outer<T: Document>(inner: &Value) -> Value {
    json!({ T::MEMBER: inner, "signature": "aB".repeat(64) })
}

fn info(text: &Value) -> Result<TcbInfo, Fault> {
    tcb_info::lenient::parse(text.to_string().as_bytes()).map(|read| read.document)
}

fn identity(text: &Value) -> Result<QeIdentity, Fault> {
    qe_identity::lenient::parse(text.to_string().as_bytes()).map(|read| read.document)
}

proptest! {
    #[test]
    fn tcb_info_that_is_read_strictly_is_read_alike(made in any_tcb_info()) {
        let inner = tcb_info_text(&made);
        let strict = opened::<TcbInfo>(&inner).unwrap();
        let text = outer::<TcbInfo>(&inner).to_string();
        let read = tcb_info::lenient::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(&read.document, &strict);
        let body = inner.to_string().into_bytes();
        prop_assert_eq!(read.body(), &body[..]);
        prop_assert_eq!(read.canonical_body(), Some(body));
    }

    #[test]
    fn a_qe_identity_that_is_read_strictly_is_read_alike(made in any_qe_identity()) {
        let inner = qe_identity_text(&made);
        let strict = opened::<QeIdentity>(&inner).unwrap();
        prop_assert_eq!(identity(&outer::<QeIdentity>(&inner)), Ok(strict));
    }
}

/// A change of an outer object, and the fault that it makes.
struct Break {
    pointer: &'static str,
    /// `None` takes the member away.
    value: Option<Value>,
    class: FaultClass,
    problem: Problem,
}

impl Break {
    fn apply(&self, text: &mut Value) {
        let (parent, name) = self.pointer.rsplit_once('/').unwrap();
        let parent = text.pointer_mut(parent).unwrap();
        match (&self.value, parent) {
            (None, Value::Object(object)) => drop(object.remove(name)),
            (Some(value), Value::Object(object)) => drop(object.insert(name.into(), value.clone())),
            (Some(value), Value::Array(array)) => {
                array[name.parse::<usize>().unwrap()] = value.clone()
            }
            other => panic!("{other:?}"),
        }
    }

    fn told(&self, structure: &'static str) -> Fault {
        Fault { class: self.class, structure, problem: self.problem.clone() }
    }
}

/// A member taken away, and given each of the values.
fn broken(
    pointer: &'static str,
    missing: Option<FaultClass>,
    malformed: FaultClass,
    values: &[Value],
) -> Vec<Break> {
    let (_, name) = pointer.rsplit_once('/').unwrap();
    let missing =
        missing.map(|class| Break { pointer, value: None, class, problem: Problem::Missing(name) });
    let malformed = values.iter().map(|value| Break {
        pointer,
        value: Some(value.clone()),
        class: malformed,
        problem: Problem::Malformed(name),
    });
    missing.into_iter().chain(malformed).collect()
}

fn one(pointer: &'static str, value: Value, class: FaultClass, problem: Problem) -> Vec<Break> {
    vec![Break { pointer, value: Some(value), class, problem }]
}

const NO_DATES: [&str; 4] = ["2025-06-19", "2025-02-30T00:00:00Z", "2025-06-19T10:16:03", ""];

fn dates() -> Vec<Value> {
    NO_DATES.map(Value::from).into_iter().chain([json!(1), json!(null)]).collect()
}

fn numbers() -> [Value; 6] {
    [json!(-1), json!(4_294_967_296_u64), json!(1.0), json!("1"), json!(null), json!([])]
}

/// Breaks every member alone; then, in all pairs, the earlier one in Intel's order must be told.
#[track_caller]
fn assert_order<T>(
    good: &Value,
    structure: &'static str,
    order: &[Vec<Break>],
    read: impl Fn(&Value) -> Result<T, Fault>,
) {
    assert!(read(good).is_ok());
    let refusal = |text: &Value| read(text).err();
    for breaks in order {
        for broken in breaks {
            let mut text = good.clone();
            broken.apply(&mut text);
            let what = (broken.pointer, &broken.value);
            assert_eq!(refusal(&text), Some(broken.told(structure)), "{what:?}");
        }
    }
    for (at, first) in order.iter().enumerate() {
        for later in &order[at + 1..] {
            let (first, later) = (&first[0], &later[0]);
            let holds = |one: &Break, other: &Break| {
                let inside = other.pointer.strip_prefix(one.pointer);
                inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if holds(first, later) || holds(later, first) {
                continue;
            }
            let mut text = good.clone();
            first.apply(&mut text);
            later.apply(&mut text);
            let what = (first.pointer, later.pointer);
            assert_eq!(refusal(&text), Some(first.told(structure)), "{what:?}");
        }
    }
}

fn tdx_with_identity() -> Value {
    let mut text = tdx_tcb_info();
    let mut identity = module();
    identity["id"] = "TDX_03".into();
    identity["tcbLevels"] = json!([isv_svn_level(2), isv_svn_level(1)]);
    text["tdxModuleIdentities"] = json!([identity]);
    for component in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        text["tcbLevels"][0]["tcb"][component] = vec![json!({ "svn": 1 }); 16].into();
    }
    text["tcbLevels"][0]["advisoryIDs"] = json!(["INTEL-SA-00615"]);
    text
}

fn deep(levels: usize) -> Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn faults_of_tcb_info_are_told_in_intels_order() {
    let hex = [json!(""), json!("00906ED5000G"), json!(7), json!("00906ED5000000")];
    let module = [json!("00"), json!(1), json!(null)];
    let order = [
        broken("/tcbInfo", Some(Format), Format, &[json!([]), json!("x")]),
        broken("/signature", Some(Content), Content, &[]),
        broken(
            "/tcbInfo/version",
            Some(Format),
            Content,
            &[&numbers()[..], &[json!(1), json!(4)]].concat(),
        ),
        broken("/tcbInfo/id", Some(Format), Content, &[json!("QE"), json!("tdx"), json!(3)]),
        broken("/tcbInfo/issueDate", Some(Format), Content, &dates()),
        broken("/tcbInfo/nextUpdate", Some(Format), Content, &dates()),
        broken("/tcbInfo/fmspc", Some(Format), Content, &hex),
        broken("/tcbInfo/pceId", Some(Format), Content, &hex),
        broken("/signature", None, Content, &[json!("ab"), json!("ab".repeat(65)), json!(1)]),
        broken("/tcbInfo/tcbLevels", Some(Content), Content, &[]),
        broken(
            "/tcbInfo/tcbType",
            Some(Format),
            Content,
            &[json!(1), json!(-1), json!("0"), json!(0.0)],
        ),
        broken("/tcbInfo/tcbEvaluationDataNumber", Some(Format), Content, &numbers()),
        broken("/tcbInfo/tdxModule", Some(Content), Format, &[json!(null), json!([])]),
        broken("/tcbInfo/tdxModule/mrsigner", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModule/attributes", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModule/attributesMask", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModuleIdentities", None, Content, &[json!(null), json!({})]),
        broken("/tcbInfo/tdxModuleIdentities/0/id", Some(Format), Format, &[json!(3)]),
        broken("/tcbInfo/tdxModuleIdentities/0/mrsigner", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModuleIdentities/0/attributes", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModuleIdentities/0/attributesMask", Some(Format), Format, &module),
        broken("/tcbInfo/tdxModuleIdentities/0/tcbLevels", Some(Format), Format, &[json!(null)]),
        one(
            "/tcbInfo/tdxModuleIdentities",
            json!([]),
            Content,
            Problem::Empty("tdxModuleIdentities"),
        ),
        broken("/tcbInfo/tcbLevels", None, Content, &[json!({}), json!(null)]),
        broken("/tcbInfo/tcbLevels/0/tcbDate", Some(Format), Content, &dates()),
        broken(
            "/tcbInfo/tcbLevels/0/advisoryIDs",
            None,
            Content,
            &[json!(null), json!("x"), json!([1])],
        ),
        broken("/tcbInfo/tcbLevels/0/tcbStatus", Some(Format), Format, &[json!(1), json!(null)]),
        broken(
            "/tcbInfo/tcbLevels/0/tcbStatus",
            None,
            Content,
            &[json!("uptodate"), json!("TDRelaunchAdvised")],
        ),
        broken("/tcbInfo/tcbLevels/0/tcb", Some(Format), Format, &[json!([]), json!(null)]),
        broken("/tcbInfo/tcbLevels/0/tcb/pcesvn", Some(Format), Format, &numbers()),
        broken("/tcbInfo/tcbLevels/0/tcb/sgxtcbcomponents", Some(Format), Format, &components()),
        broken("/tcbInfo/tcbLevels/0/tcb/tdxtcbcomponents", Some(Format), Format, &components()),
        one("/tcbInfo/tcbLevels/0", json!([]), Format, Problem::Element("tcbLevels")),
        one("/tcbInfo/tcbLevels", json!([]), Content, Problem::Empty("tcbLevels")),
        one("/tcbInfo/more", deep(32), Content, Problem::TooDeep { limit: 32 }),
    ];
    assert_order(&outer::<TcbInfo>(&tdx_with_identity()), "TCB info", &order, info);
}

/// Lists of components that are none.
fn components() -> Vec<Value> {
    let with = |component: Value| {
        let mut list = vec![json!({ "svn": 1 }); 16];
        list[15] = component;
        Value::from(list)
    };
    vec![
        json!(null),
        vec![json!({ "svn": 1 }); 15].into(),
        vec![json!({ "svn": 1 }); 17].into(),
        with(json!(1)),
        with(json!({})),
        with(json!({ "svn": -1 })),
        with(json!({ "svn": 4_294_967_296_u64 })),
        with(json!({ "svn": 1, "category": null })),
        with(json!({ "svn": 1, "type": 1 })),
    ]
}

#[test]
fn faults_of_module_levels_are_of_the_format() {
    for (pointer, values) in [
        ("/tcb", vec![json!(null)]),
        ("/tcb/isvsvn", vec![json!(-1), json!(65_536), json!("1")]),
        ("/tcbDate", dates()),
        ("/tcbStatus", vec![json!(1)]),
    ] {
        let removed = [None];
        for value in removed.into_iter().chain(values.into_iter().map(Some)) {
            let mut inner = tdx_with_identity();
            let pointer = format!("/tdxModuleIdentities/0/tcbLevels/0{pointer}");
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = inner.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value {
                None => drop(parent.remove(name)),
                Some(value) => drop(parent.insert(name.into(), value)),
            }
            let fault = info(&outer::<TcbInfo>(&inner)).unwrap_err();
            assert_eq!(fault.class, Format, "{pointer}");
        }
    }
    let levels = |levels: Value| {
        let mut inner = tdx_with_identity();
        inner["tdxModuleIdentities"][0]["tcbLevels"] = levels;
        let fault = info(&outer::<TcbInfo>(&inner)).unwrap_err();
        (fault.class, fault.problem)
    };
    assert_eq!(levels(json!([])), (Format, Problem::Empty("tcbLevels")));
    let twice = json!([isv_svn_level(2), isv_svn_level(2)]);
    assert_eq!(levels(twice), (Format, Problem::Twice("tcbLevels")));
    assert_eq!(levels(json!([1])).0, Format);
    let mut bad = isv_svn_level(2);
    bad["advisoryIDs"] = json!([1]);
    assert_eq!(levels(json!([bad])), (Format, Problem::Malformed("advisoryIDs")));
}

#[test]
fn a_level_that_stands_twice_is_told_before_what_follows_it() {
    let mut inner = sgx_tcb_info();
    let mut bad = level(9);
    bad["tcbDate"] = 1.into();
    inner["tcbLevels"] = json!([level(1), level(2), level(1), bad.clone()]);
    let fault = info(&outer::<TcbInfo>(&inner)).unwrap_err();
    assert_eq!((fault.class, fault.problem), (Content, Problem::Twice("tcbLevels")));
    inner["tcbLevels"] = json!([bad, level(1), level(1)]);
    let fault = info(&outer::<TcbInfo>(&inner)).unwrap_err();
    assert_eq!((fault.class, fault.problem), (Content, Problem::Malformed("tcbDate")));
}

#[test]
fn tcb_info_for_sgx_has_no_modules_and_version_2_does_not_look() {
    for member in ["tdxModule", "tdxModuleIdentities"] {
        let mut inner = sgx_tcb_info();
        inner[member] = Value::Null;
        let fault = info(&outer::<TcbInfo>(&inner)).unwrap_err();
        assert_eq!((fault.class, fault.problem), (Content, Problem::Unexpected(member)));
        let mut inner = version_2();
        inner[member] = Value::Null;
        inner["id"] = 7.into();
        assert_eq!(info(&outer::<TcbInfo>(&inner)), info(&outer::<TcbInfo>(&version_2())));
    }
}

fn version_2() -> Value {
    let mut inner = sgx_tcb_info();
    inner["version"] = 2.into();
    inner.as_object_mut().unwrap().remove("id");
    inner["tcbLevels"][0]["tcb"] = json!({ "pcesvn": 5 });
    for number in 1..=16 {
        inner["tcbLevels"][0]["tcb"][format!("sgxtcbcomp{number:02}svn")] = number.into();
    }
    inner
}

#[test]
fn in_version_2_components_are_read_before_pcesvn() {
    let svns: [u8; 16] = std::array::from_fn(|at| at as u8 + 1);
    assert_eq!(info(&outer::<TcbInfo>(&version_2())).unwrap().tcb_levels[0].sgx, svns);
    let order = [
        broken("/tcbInfo/tcbLevels/0/tcb/sgxtcbcomp01svn", Some(Format), Content, &numbers()),
        broken("/tcbInfo/tcbLevels/0/tcb/sgxtcbcomp16svn", Some(Format), Content, &numbers()),
        broken("/tcbInfo/tcbLevels/0/tcb/pcesvn", Some(Format), Format, &numbers()),
    ];
    assert_order(&outer::<TcbInfo>(&version_2()), "TCB info", &order, info);
}

#[test]
fn faults_of_an_enclave_identity_are_told_in_intels_order() {
    let hex = [json!("00"), json!("0000000G"), json!(0)];
    let order = [
        broken("/enclaveIdentity", Some(Format), Format, &[json!([]), json!(null)]),
        broken("/signature", Some(Format), Content, &[]),
        broken(
            "/enclaveIdentity/id",
            Some(Content),
            Content,
            &[json!("td_qe"), json!("QAE"), json!(1)],
        ),
        broken("/enclaveIdentity/version", Some(Content), Content, &numbers()),
        broken("/enclaveIdentity/version", None, Version, &[json!(1), json!(3)]),
        broken("/enclaveIdentity/issueDate", Some(Content), Content, &dates()),
        broken("/enclaveIdentity/nextUpdate", Some(Content), Content, &dates()),
        broken("/enclaveIdentity/tcbEvaluationDataNumber", Some(Content), Content, &numbers()),
        broken("/enclaveIdentity/miscselect", Some(Content), Content, &hex),
        broken("/enclaveIdentity/miscselectMask", Some(Content), Content, &hex),
        broken("/enclaveIdentity/attributes", Some(Content), Content, &hex),
        broken("/enclaveIdentity/attributesMask", Some(Content), Content, &hex),
        broken("/enclaveIdentity/mrsigner", Some(Content), Content, &hex),
        broken("/enclaveIdentity/isvprodid", Some(Content), Content, &numbers()),
        broken("/signature", None, Content, &[json!("ab"), json!(1), json!(null)]),
        broken("/enclaveIdentity/tcbLevels", Some(Content), Content, &[json!(null), json!({})]),
        broken("/enclaveIdentity/tcbLevels/0/tcb", Some(Format), Format, &[json!(null), json!([])]),
        broken("/enclaveIdentity/tcbLevels/0/tcb/isvsvn", Some(Format), Content, &numbers()),
        broken("/enclaveIdentity/tcbLevels/0/tcbDate", Some(Format), Content, &dates()),
        broken(
            "/enclaveIdentity/tcbLevels/0/tcbStatus",
            Some(Format),
            Content,
            &[json!("ConfigurationNeeded"), json!(""), json!(1)],
        ),
        broken(
            "/enclaveIdentity/tcbLevels/0/advisoryIDs",
            None,
            Content,
            &[json!(null), json!([1])],
        ),
        one("/enclaveIdentity/tcbLevels/0", json!(1), Format, Problem::Element("tcbLevels")),
        one("/enclaveIdentity/tcbLevels", json!([]), Content, Problem::Empty("tcbLevels")),
        one("/enclaveIdentity/more", deep(32), Content, Problem::TooDeep { limit: 32 }),
    ];
    assert_order(&outer::<QeIdentity>(&qe_identity()), "QE identity", &order, identity);
}

#[test]
fn levels_of_an_identity_differ_in_isv_svn_or_date() {
    let dated = |svn: u16, date: &str| {
        let mut level = isv_svn_level(svn);
        level["tcbDate"] = date.into();
        level
    };
    let (old, new) = ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    let mut inner = qe_identity();
    inner["tcbLevels"] = json!([dated(4, old), dated(5, old), dated(4, new)]);
    let read = identity(&outer::<QeIdentity>(&inner)).unwrap();
    let kept: Vec<_> =
        read.tcb_levels.iter().map(|it| (it.isv_svn, it.tcb_date.to_string())).collect();
    assert_eq!(kept, [(5, old.into()), (4, new.into()), (4, old.into())]);
    inner["tcbLevels"] = json!([dated(4, old), dated(4, old), 1]);
    let fault = identity(&outer::<QeIdentity>(&inner)).unwrap_err();
    assert_eq!((fault.class, fault.problem), (Content, Problem::Twice("tcbLevels")));
}

#[test]
fn levels_out_of_reach_are_left_out_once_they_are_known_to_differ() {
    let with = |svn: u32| {
        let mut level = level(1);
        level["tcb"]["pcesvn"] = svn.into();
        level
    };
    let mut inner = sgx_tcb_info();
    inner["tcbLevels"] = json!([with(7), with(70_000), with(65_535), with(80_000), with(9)]);
    let read = info(&outer::<TcbInfo>(&inner)).unwrap();
    let svns: Vec<_> = read.tcb_levels.iter().map(|level| level.pce_svn).collect();
    assert_eq!(svns, [65_535, 9, 7]);
    let listed: Vec<_> = read.levels_as_listed().map(|level| level.pce_svn).collect();
    assert_eq!(listed, [7, 65_535, 9]);
    inner["tcbLevels"] = json!([with(70_000), with(70_000)]);
    assert_eq!(info(&outer::<TcbInfo>(&inner)).unwrap_err().problem, Problem::Twice("tcbLevels"));

    let mut inner = qe_identity();
    inner["tcbLevels"] = json!([isv_svn_level(4)]);
    inner["tcbLevels"][0]["tcb"]["isvsvn"] = 65_536.into();
    inner["isvprodid"] = 65_538.into();
    let read = identity(&outer::<QeIdentity>(&inner)).unwrap();
    assert_eq!((read.tcb_levels.len(), read.isv_prod_id), (0, 65_538));
    assert!(opened::<QeIdentity>(&inner).is_err());
}

#[test]
fn component_svns_are_cut_down_to_8_bits() {
    let mut inner = tdx_with_identity();
    let good = info(&outer::<TcbInfo>(&inner)).unwrap();
    for list in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        for component in inner["tcbLevels"][0]["tcb"][list].as_array_mut().unwrap() {
            component["svn"] = 65_281.into();
        }
    }
    assert_eq!(info(&outer::<TcbInfo>(&inner)), Ok(good));
}

#[test]
fn a_module_has_any_status_and_its_identity_may_stand_twice() {
    let mut inner = tdx_with_identity();
    inner["tdxModuleIdentities"][0]["id"] = "tdx_03".into();
    inner["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = "ConfigurationNeeded".into();
    let mut second = inner["tdxModuleIdentities"][0].clone();
    second["tcbLevels"] = json!([isv_svn_level(8)]);
    inner["tdxModuleIdentities"].as_array_mut().unwrap().push(second);
    let read = info(&outer::<TcbInfo>(&inner)).unwrap();
    assert_eq!(read.tdx_module_identities.len(), 2);
    let levels = &read.tdx_module_identity(3).unwrap().tcb_levels;
    let statuses: Vec<_> = levels.iter().map(|level| (level.isv_svn, level.tcb_status)).collect();
    assert_eq!(statuses, [(2, None), (1, Some(TcbStatus::UpToDate))]);
}

#[test]
fn the_first_of_doubled_members_counts_and_unknown_ones_stand_anywhere() {
    let inner = sgx_tcb_info();
    let text = inner.to_string().replacen(
        r#""tcbType":0"#,
        r#""tcbType":0,"tcbType":1,"unknown":{"tcbType":[]}"#,
        1,
    );
    let signature = "ab".repeat(64);
    let text = format!(
        " {{ \"more\":[[[[1]]]], \"signature\":\"{signature}\" ,\"signature\":1, \"tcbInfo\" : {text} }}\n\0x"
    );
    let read = tcb_info::lenient::parse(text.as_bytes()).unwrap();
    assert_eq!(Ok(read.document), opened::<TcbInfo>(&inner));
    assert_eq!(read.signature, Some(EcdsaSignature([0xab; 64])));
}

#[test]
fn texts_end_at_a_nul() {
    let mut inner = tdx_with_identity();
    let good = info(&outer::<TcbInfo>(&inner)).unwrap();
    for pointer in [
        "/id",
        "/issueDate",
        "/fmspc",
        "/tdxModule/mrsigner",
        "/tdxModuleIdentities/0/id",
        "/tcbLevels/0/tcbStatus",
        "/tcbLevels/0/advisoryIDs/0",
    ] {
        let text = inner.pointer_mut(pointer).unwrap();
        *text = format!("{}\0more", text.as_str().unwrap()).into();
    }
    assert_eq!(info(&outer::<TcbInfo>(&inner)), Ok(good));
    assert!(opened::<TcbInfo>(&inner).is_err());
}

#[test]
fn a_signature_of_other_characters_is_read_and_is_a_signature_of_nothing() {
    for text in ["g".repeat(128), "\0".repeat(128), format!("{}\u{fc}", "a".repeat(126))] {
        let mut outer = outer::<TcbInfo>(&sgx_tcb_info());
        outer["signature"] = text.into();
        let read = tcb_info::lenient::parse(outer.to_string().as_bytes()).unwrap();
        assert_eq!(read.signature, None);
    }
}

#[test]
fn the_signed_bytes_are_the_inner_object_written_anew() {
    let inner = r#"{ "id" : "S\u0047X", "version":3, "issueDate":"2025-06-19T10:16:03Z",
        "nextUpdate":"2025-07-19T10:16:03Z", "fmspc":"00906ED50000", "pceId":"0000", "tcbType":-0,
        "tcbEvaluationDataNumber":17, "more\/":[ true , null ], "tcbLevels":[LEVEL] }"#;
    let inner = inner.replace("LEVEL", &level(1).to_string());
    let text = format!(r#"{{"signature":"{}","tcbInfo":{inner}}}"#, "ab".repeat(64));
    let read = tcb_info::lenient::parse(text.as_bytes()).unwrap();
    assert_eq!(read.body(), inner.as_bytes());
    let level = level(1);
    let expected = format!(
        r#"{{"id":"SGX","version":3,"issueDate":"2025-06-19T10:16:03Z","nextUpdate":"2025-07-19T10:16:03Z","fmspc":"00906ED50000","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":17,"more/":[true,null],"tcbLevels":[{level}]}}"#
    );
    assert_eq!(String::from_utf8(read.canonical_body().unwrap()).unwrap(), expected);
    let text = text.replace("[ true", "[ 1.5");
    assert_eq!(tcb_info::lenient::parse(text.as_bytes()).unwrap().canonical_body(), None);
}

#[test]
fn what_is_not_a_json_object_is_of_no_format() {
    let good = outer::<TcbInfo>(&sgx_tcb_info()).to_string();
    let too_long = good.clone() + &" ".repeat(limits::DOCUMENT_BYTES);
    let deep =
        good.replacen('{', &format!("{{\"x\":{},", "[".repeat(100_000) + &"]".repeat(100_000)), 1);
    // Only the inner object is bound in depth, as in Intel's library.
    assert!(tcb_info::lenient::parse(deep.as_bytes()).is_ok());
    for text in ["", "\0", "[]", "null", "{", &good[1..], &format!("{good}x"), &too_long] {
        let fault = tcb_info::lenient::parse(text.as_bytes()).unwrap_err();
        assert_eq!((fault.class, fault.structure), (Format, "TCB info"));
        let fault = qe_identity::lenient::parse(text.as_bytes()).unwrap_err();
        assert_eq!((fault.class, fault.structure), (Format, "QE identity"));
    }
}
