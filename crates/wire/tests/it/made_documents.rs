//! TCB info and QE identities: what they say, and one of the many texts that say it.

use std::cmp::Reverse;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use tdattest_wire::attributes::{SeamAttributes, SgxAttributes};
use tdattest_wire::bytes::{EnclaveMeasurement, Fmspc, Measurement, MiscSelect, PceId};
use tdattest_wire::error::ParseError;
use tdattest_wire::qe_identity::{EnclaveId, QeIdentity};
use tdattest_wire::quote::TeeType;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::{
    ComponentName, IsvSvnLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity,
};
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

/// Parses the text of a document as if its signature had been checked.
pub(crate) fn opened<T: Document>(text: &Value) -> Result<T, ParseError> {
    opened_text(text.to_string().into_bytes())
}

pub(crate) fn opened_text<T: Document>(text: Vec<u8>) -> Result<T, ParseError> {
    Signed::new(text, tdattest_wire::bytes::EcdsaSignature([0; 64])).open_untrusted()
}

/// TCB info with distinct levels in the order in which it keeps them, highest first.
pub(crate) fn any_tcb_info() -> impl Strategy<Value = TcbInfo> {
    let kind =
        prop_oneof![Just((TeeType::Sgx, 2)), Just((TeeType::Sgx, 3)), Just((TeeType::Tdx, 3)),];
    let levels = vec(any_level(), 1..8);
    let names = (any_names(), any_names());
    let modules = (any_module(), vec(any_identity(), 0..3));
    (kind, any_head(), levels, names, modules).prop_map(
        |((tee, version), head, levels, (sgx_components, tdx_components), modules)| {
            let is_tdx = tee == TeeType::Tdx;
            let (module, mut identities) = modules;
            identities.sort_by(|one, other| one.id.cmp(&other.id));
            identities.dedup_by(|one, other| one.id == other.id);
            let (issue_date, next_update, fmspc, tcb_evaluation_data_number) = head;
            let tcb_levels = kept(levels, is_tdx);
            TcbInfo {
                tee,
                version,
                issue_date,
                next_update,
                fmspc,
                pce_id: PceId([0; 2]),
                tcb_evaluation_data_number,
                sgx_components: if version == 3 { sgx_components } else { Default::default() },
                tdx_components: if is_tdx { tdx_components } else { Default::default() },
                tdx_module: is_tdx.then_some(module),
                tdx_module_identities: if is_tdx { identities } else { vec![] },
                listed: (0..tcb_levels.len()).collect(),
                tcb_levels,
            }
        },
    )
}

/// As the parser keeps them: by value from the highest, none twice.
fn kept(mut levels: Vec<TcbLevel>, is_tdx: bool) -> Vec<TcbLevel> {
    if !is_tdx {
        levels.iter_mut().for_each(|level| level.tdx = None);
    }
    let key = |level: &TcbLevel| Reverse((level.sgx, level.pce_svn, level.tdx));
    levels.sort_by_key(key);
    levels.dedup_by_key(|level| key(level));
    levels
}

/// One text that says it.
pub(crate) fn tcb_info_text(info: &TcbInfo) -> Value {
    let levels: Vec<Value> = info.tcb_levels.iter().map(|level| level_text(info, level)).collect();
    let mut text = json!({
        "version": info.version,
        "issueDate": info.issue_date,
        "nextUpdate": info.next_update,
        "fmspc": info.fmspc,
        "pceId": info.pce_id,
        "tcbType": 0,
        "tcbEvaluationDataNumber": info.tcb_evaluation_data_number,
        "tcbLevels": levels,
    });
    if info.version == 3 {
        text["id"] = info.tee.to_string().into();
    }
    if let Some(module) = &info.tdx_module {
        text["tdxModule"] = module_text(module);
    }
    if !info.tdx_module_identities.is_empty() {
        let identities = info.tdx_module_identities.iter().map(|identity| {
            let mut text = module_text(&identity.module);
            text["id"] = identity.id.clone().into();
            text["tcbLevels"] = identity.tcb_levels.iter().map(isv_svn_level_text).collect();
            text
        });
        text["tdxModuleIdentities"] = identities.collect();
    }
    text
}

fn level_text(info: &TcbInfo, level: &TcbLevel) -> Value {
    let mut tcb = json!({ "pcesvn": level.pce_svn });
    if info.version == 2 {
        for (number, svn) in (1..).zip(level.sgx) {
            tcb[format!("sgxtcbcomp{number:02}svn")] = svn.into();
        }
    } else {
        tcb["sgxtcbcomponents"] = components_text(&level.sgx, &info.sgx_components);
    }
    if let Some(tdx) = &level.tdx {
        tcb["tdxtcbcomponents"] = components_text(tdx, &info.tdx_components);
    }
    json!({
        "tcb": tcb,
        "tcbDate": level.tcb_date,
        "tcbStatus": level.tcb_status,
        "advisoryIDs": level.advisory_ids,
    })
}

fn components_text(svns: &[u8; 16], names: &[ComponentName; 16]) -> Value {
    let components = svns.iter().zip(names).map(|(svn, name)| {
        let mut component = json!({ "svn": svn });
        // Intel leaves out what is empty.
        if !name.category.is_empty() {
            component["category"] = name.category.clone().into();
        }
        if !name.kind.is_empty() {
            component["type"] = name.kind.clone().into();
        }
        component
    });
    components.collect()
}

fn module_text(module: &TdxModule) -> Value {
    json!({
        "mrsigner": module.mr_signer,
        "attributes": module.attributes,
        "attributesMask": module.attributes_mask,
    })
}

fn isv_svn_level_text(level: &IsvSvnLevel) -> Value {
    json!({
        "tcb": { "isvsvn": level.isv_svn },
        "tcbDate": level.tcb_date,
        "tcbStatus": level.tcb_status.unwrap(),
        "advisoryIDs": level.advisory_ids,
    })
}

/// A QE identity with its levels as it keeps them.
pub(crate) fn any_qe_identity() -> impl Strategy<Value = QeIdentity> {
    let id = prop_oneof![Just(EnclaveId::Qe), Just(EnclaveId::TdQe), Just(EnclaveId::Qve)];
    let masked = any::<([u8; 4], [u8; 4], [u8; 16], [u8; 16])>();
    let who = any::<([u8; 32], u16)>();
    (id, any_head(), masked, who, any_isv_svn_levels()).prop_map(
        |(id, head, masked, (mr_signer, isv_prod_id), tcb_levels)| QeIdentity {
            id,
            version: 2,
            issue_date: head.0,
            next_update: head.1,
            tcb_evaluation_data_number: head.3,
            misc_select: MiscSelect(masked.0),
            misc_select_mask: MiscSelect(masked.1),
            attributes: SgxAttributes(masked.2),
            attributes_mask: SgxAttributes(masked.3),
            mr_signer: EnclaveMeasurement(mr_signer),
            isv_prod_id: u32::from(isv_prod_id),
            tcb_levels,
        },
    )
}

/// One text that says it.
pub(crate) fn qe_identity_text(identity: &QeIdentity) -> Value {
    let levels: Vec<Value> = identity.tcb_levels.iter().map(isv_svn_level_text).collect();
    json!({
        "id": identity.id.name(),
        "version": identity.version,
        "issueDate": identity.issue_date,
        "nextUpdate": identity.next_update,
        "tcbEvaluationDataNumber": identity.tcb_evaluation_data_number,
        "miscselect": identity.misc_select,
        "miscselectMask": identity.misc_select_mask,
        "attributes": identity.attributes,
        "attributesMask": identity.attributes_mask,
        "mrsigner": identity.mr_signer,
        "isvprodid": identity.isv_prod_id,
        "tcbLevels": levels,
    })
}

type Head = (UnixTime, UnixTime, Fmspc, u32);

fn any_head() -> impl Strategy<Value = Head> {
    (any_time(), any_time(), any::<[u8; 6]>().prop_map(Fmspc), any::<u32>())
}

fn any_time() -> impl Strategy<Value = UnixTime> {
    (0..=UnixTime::MAX.as_secs()).prop_map(|seconds| UnixTime::from_secs(seconds).unwrap())
}

fn any_level() -> impl Strategy<Value = TcbLevel> {
    let status = (0..7usize).prop_map(|at| TcbStatus::ALL[at]);
    // Few values, so that levels differ late and orders matter.
    let svns = || any::<[bool; 16]>().prop_map(|bits| bits.map(u8::from));
    (svns(), 0..3u16, svns(), any_time(), status, any_advisory_ids()).prop_map(
        |(sgx, pce_svn, tdx, tcb_date, tcb_status, advisory_ids)| TcbLevel {
            sgx,
            pce_svn,
            tdx: Some(tdx),
            tcb_date,
            tcb_status,
            advisory_ids,
        },
    )
}

fn any_isv_svn_levels() -> impl Strategy<Value = Vec<IsvSvnLevel>> {
    let statuses = vec![TcbStatus::UpToDate, TcbStatus::OutOfDate, TcbStatus::Revoked];
    let status = proptest::sample::select(statuses).prop_map(Some);
    let level = (any::<u16>(), any_time(), status, any_advisory_ids()).prop_map(
        |(isv_svn, tcb_date, tcb_status, advisory_ids)| IsvSvnLevel {
            isv_svn,
            tcb_date,
            tcb_status,
            advisory_ids,
        },
    );
    vec(level, 1..5).prop_map(|mut levels| {
        levels.sort_by_key(|level| Reverse(level.isv_svn));
        levels.dedup_by_key(|level| level.isv_svn);
        levels
    })
}

fn any_identity() -> impl Strategy<Value = TdxModuleIdentity> {
    (any::<u8>(), any_module(), any_isv_svn_levels()).prop_map(|(version, module, tcb_levels)| {
        TdxModuleIdentity { id: format!("TDX_{version:02X}"), module, tcb_levels }
    })
}

fn any_module() -> impl Strategy<Value = TdxModule> {
    (vec(any::<u8>(), 48), any::<[u8; 8]>(), any::<[u8; 8]>()).prop_map(
        |(mr_signer, attributes, attributes_mask)| TdxModule {
            mr_signer: Measurement(mr_signer.try_into().unwrap()),
            attributes: SeamAttributes(attributes),
            attributes_mask: SeamAttributes(attributes_mask),
        },
    )
}

fn any_names() -> impl Strategy<Value = [ComponentName; 16]> {
    let names = vec!["", "BIOS", "OS/VMM", "SEAMLDR ACM", "with \"quotes\" and \u{fc}"];
    let name = proptest::sample::select(names).prop_map(String::from);
    let names = vec((name.clone(), name), 16);
    names.prop_map(|names| {
        let names = names.into_iter().map(|(category, kind)| ComponentName { category, kind });
        names.collect::<Vec<_>>().try_into().unwrap()
    })
}

fn any_advisory_ids() -> impl Strategy<Value = Vec<String>> {
    let known = ["INTEL-SA-00289", "INTEL-SA-00615", "INTEL-DOC-10000"].map(String::from).to_vec();
    subsequence(known, 0..=3)
}
