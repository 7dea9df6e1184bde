//! TCB info as Intel's library reads it.
//!
//! Source: QVL, `TcbInfo` and the classes it is made of.
//! Must stay true: the first fault in Intel's order is the one told.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{ComponentName, IsvSvnLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity};
use crate::json::tree::Value;
use crate::lenient::{
    self, Classes, Fault, FaultClass, Found, Lenient, Outcome, Problem, date, from_text, object,
    optional, require_depth, required, texts,
};
use crate::quote::TeeType;
use crate::tcb_status::TcbStatus;

/// Reads an answer of a PCS: an object with `tcbInfo` and `signature`.
///
/// Unlike the strict reading, it takes the first of members that stand twice, cuts SVNs of components down to 8 bits,
/// keeps module identities that stand twice, ignores `tdxModule` and its like in version 2, ends texts at a NUL, and
/// leaves out levels with a PCESVN over 65535, which no platform reaches.
///
/// # Errors
/// The first fault in the order of Intel's library.
pub fn parse(text: &[u8]) -> Result<Lenient<TcbInfo>, Fault> {
    lenient::parse(text, read)
}

/// The classes of nearly every member.
const MEMBER: Classes = Classes::FORMAT_THEN_CONTENT;

fn read(root: Value<'_, '_>) -> Outcome<Found<TcbInfo>> {
    let info = required(root, "tcbInfo", Classes::FORMAT, object)?;
    let signature = required(root, "signature", Classes::CONTENT, Some)?;
    let version = required(info, "version", MEMBER, version)?;
    let tee = match version {
        2 => TeeType::Sgx,
        _ => required(info, "id", MEMBER, tee)?,
    };
    let issue_date = required(info, "issueDate", MEMBER, date)?;
    let next_update = required(info, "nextUpdate", MEMBER, date)?;
    let fmspc = required(info, "fmspc", MEMBER, from_text)?;
    let pce_id = required(info, "pceId", MEMBER, from_text)?;
    let signature = lenient::signature(signature)
        .ok_or((FaultClass::Content, Problem::Malformed("signature")))?;
    let levels = required(info, "tcbLevels", Classes::CONTENT, Some)?;
    required(info, "tcbType", MEMBER, |value| value.signed().filter(|kind| *kind == 0))?;
    let tcb_evaluation_data_number =
        required(info, "tcbEvaluationDataNumber", MEMBER, Value::unsigned)?;
    let (tdx_module, tdx_module_identities) = match version {
        2 => (None, Vec::new()),
        _ => modules(info, tee)?,
    };
    let levels = Levels::read(levels, version, tee)?;
    require_depth(info)?;
    let (tcb_levels, listed) = levels.kept();
    let document = TcbInfo {
        tee,
        version,
        issue_date,
        next_update,
        fmspc,
        pce_id,
        tcb_evaluation_data_number,
        sgx_components: levels.sgx_components,
        tdx_components: levels.tdx_components,
        tdx_module,
        tdx_module_identities,
        tcb_levels,
        listed,
    };
    Ok(Found { document, signature, body: info.span() })
}

fn version(value: Value<'_, '_>) -> Option<u8> {
    value.unsigned().and_then(|version| u8::try_from(version).ok()).filter(|it| matches!(it, 2 | 3))
}

fn tee(value: Value<'_, '_>) -> Option<TeeType> {
    match value.text()? {
        "SGX" => Some(TeeType::Sgx),
        "TDX" => Some(TeeType::Tdx),
        _ => None,
    }
}

type Modules = (Option<TdxModule>, Vec<TdxModuleIdentity>);

fn modules(info: Value<'_, '_>, tee: TeeType) -> Outcome<Modules> {
    const IDENTITIES: &str = "tdxModuleIdentities";
    if tee == TeeType::Sgx {
        let unexpected =
            ["tdxModule", IDENTITIES].into_iter().find(|name| info.member(name).is_some());
        return match unexpected {
            Some(name) => Err((FaultClass::Content, Problem::Unexpected(name))),
            None => Ok((None, Vec::new())),
        };
    }
    let missing = (FaultClass::Content, Problem::Missing("tdxModule"));
    let value = info.member("tdxModule").ok_or(missing)?;
    let malformed = (FaultClass::Format, Problem::Malformed("tdxModule"));
    let tdx_module = module(object(value).ok_or(malformed)?)?;
    let Some(value) = info.member(IDENTITIES) else { return Ok((Some(tdx_module), Vec::new())) };
    let malformed = (FaultClass::Content, Problem::Malformed(IDENTITIES));
    let identities =
        value.elements().ok_or(malformed)?.map(identity).collect::<Outcome<Vec<_>>>()?;
    if identities.is_empty() {
        return Err((FaultClass::Content, Problem::Empty(IDENTITIES)));
    }
    Ok((Some(tdx_module), identities))
}

fn module(module: Value<'_, '_>) -> Outcome<TdxModule> {
    Ok(TdxModule {
        mr_signer: required(module, "mrsigner", Classes::FORMAT, from_text)?,
        attributes: required(module, "attributes", Classes::FORMAT, from_text)?,
        attributes_mask: required(module, "attributesMask", Classes::FORMAT, from_text)?,
    })
}

/// All faults of an identity are of the format, so that their order does not show.
fn identity(identity: Value<'_, '_>) -> Outcome<TdxModuleIdentity> {
    let id = required(identity, "id", Classes::FORMAT, Value::text)?.to_ascii_uppercase();
    let module = module(identity)?;
    let levels = required(identity, "tcbLevels", Classes::FORMAT, Value::elements)?;
    let mut by_svn = BTreeMap::new();
    for level in levels {
        let level = module_level(level)?;
        if by_svn.insert(Reverse(level.isv_svn), level).is_some() {
            return Err((FaultClass::Format, Problem::Twice("tcbLevels")));
        }
    }
    if by_svn.is_empty() {
        return Err((FaultClass::Format, Problem::Empty("tcbLevels")));
    }
    Ok(TdxModuleIdentity { id, module, tcb_levels: by_svn.into_values().collect() })
}

fn module_level(level: Value<'_, '_>) -> Outcome<IsvSvnLevel> {
    let tcb = required(level, "tcb", Classes::FORMAT, object)?;
    let isv_svn = |value: Value<'_, '_>| value.signed().and_then(|svn| u16::try_from(svn).ok());
    let status = |value: Value<'_, '_>| {
        let status = TcbStatus::from_name(value.text()?);
        Some(status.filter(|status| status.is_component_status()))
    };
    let advisory_ids = optional(level, "advisoryIDs", FaultClass::Format, texts)?;
    Ok(IsvSvnLevel {
        isv_svn: required(tcb, "isvsvn", Classes::FORMAT, isv_svn)?,
        tcb_date: required(level, "tcbDate", Classes::FORMAT, date)?,
        tcb_status: required(level, "tcbStatus", Classes::FORMAT, status)?,
        advisory_ids: advisory_ids.unwrap_or_default(),
    })
}

/// What levels are sorted by: SVNs of the SGX components, PCESVN, SVNs of the TDX components, each from the highest.
type Key = Reverse<([u8; 16], u32, Option<[u8; 16]>)>;

/// The levels of a platform, with their places in the text.
struct Levels {
    by_value: BTreeMap<Key, (usize, TcbLevel)>,
    sgx_components: [ComponentName; 16],
    tdx_components: [ComponentName; 16],
}

impl Levels {
    fn read(levels: Value<'_, '_>, version: u8, tee: TeeType) -> Outcome<Self> {
        const LEVELS: &str = "tcbLevels";
        let malformed = (FaultClass::Content, Problem::Malformed(LEVELS));
        let elements = levels.elements().ok_or(malformed)?;
        let mut read = Self {
            by_value: BTreeMap::new(),
            sgx_components: Default::default(),
            tdx_components: Default::default(),
        };
        for (place, element) in elements.enumerate() {
            let element = object(element).ok_or((FaultClass::Format, Problem::Element(LEVELS)))?;
            let Read { level, pce_svn, names } = level(element, version, tee)?;
            if place == 0 {
                (read.sgx_components, read.tdx_components) = names;
            }
            let key = Reverse((level.sgx, pce_svn, level.tdx));
            if read.by_value.insert(key, (place, level)).is_some() {
                return Err((FaultClass::Content, Problem::Twice(LEVELS)));
            }
        }
        if read.by_value.is_empty() {
            return Err((FaultClass::Content, Problem::Empty(LEVELS)));
        }
        Ok(read)
    }

    /// The levels that a platform can reach, highest first, and which of them stands first in the text, which next.
    fn kept(&self) -> (Vec<TcbLevel>, Vec<usize>) {
        let reachable = |Reverse((_, pce_svn, _)): &Key| u16::try_from(*pce_svn).is_ok();
        let kept = self.by_value.iter().filter(|(key, _)| reachable(key));
        let (places, levels): (Vec<usize>, Vec<TcbLevel>) =
            kept.map(|(_, (place, level))| (*place, level.clone())).unzip();
        let mut listed: Vec<(usize, usize)> = places.into_iter().zip(0..).collect();
        listed.sort_unstable();
        (levels, listed.into_iter().map(|(_, at)| at).collect())
    }
}

type Names = ([ComponentName; 16], [ComponentName; 16]);

/// A level, with what only its first reader needs to know.
struct Read {
    level: TcbLevel,
    /// As it stands in the text, before it is cut down to what a PCE can have.
    pce_svn: u32,
    names: Names,
}

fn level(level: Value<'_, '_>, version: u8, tee: TeeType) -> Outcome<Read> {
    let tcb_date = required(level, "tcbDate", MEMBER, date)?;
    let advisory_ids = optional(level, "advisoryIDs", FaultClass::Content, texts)?;
    let status = required(level, "tcbStatus", Classes::FORMAT, Value::text)?;
    let tcb_status = TcbStatus::from_name(status)
        .filter(|status| status.is_platform_status())
        .ok_or((FaultClass::Content, Problem::Malformed("tcbStatus")))?;
    let tcb = required(level, "tcb", Classes::FORMAT, object)?;
    let Svns { sgx, pce_svn, tdx } = if version == 2 { flat(tcb)? } else { listed(tcb, tee)? };
    let (tdx, tdx_names) = tdx.unzip();
    let level = TcbLevel {
        sgx: sgx.0,
        // Levels beyond are left out by `Levels::kept`.
        pce_svn: u16::try_from(pce_svn).unwrap_or(u16::MAX),
        tdx,
        tcb_date,
        tcb_status,
        advisory_ids: advisory_ids.unwrap_or_default(),
    };
    Ok(Read { level, pce_svn, names: (sgx.1, tdx_names.unwrap_or_default()) })
}

type Components = ([u8; 16], [ComponentName; 16]);

struct Svns {
    sgx: Components,
    pce_svn: u32,
    tdx: Option<Components>,
}

/// `tcb` of version 2: a member for each component, before `pcesvn`.
fn flat(tcb: Value<'_, '_>) -> Outcome<Svns> {
    let mut svns = [0; 16];
    for (svn, name) in svns.iter_mut().zip(FLAT) {
        *svn = low_byte(required(tcb, name, MEMBER, Value::unsigned)?);
    }
    let pce_svn = required(tcb, "pcesvn", Classes::FORMAT, Value::unsigned)?;
    Ok(Svns { sgx: (svns, Default::default()), pce_svn, tdx: None })
}

/// `tcb` of version 3: lists of components, after `pcesvn`. All faults are of the format.
fn listed(tcb: Value<'_, '_>, tee: TeeType) -> Outcome<Svns> {
    let pce_svn = required(tcb, "pcesvn", Classes::FORMAT, Value::unsigned)?;
    let sgx = required(tcb, "sgxtcbcomponents", Classes::FORMAT, components)?;
    let tdx = match tee {
        TeeType::Sgx => None,
        TeeType::Tdx => Some(required(tcb, "tdxtcbcomponents", Classes::FORMAT, components)?),
    };
    Ok(Svns { sgx, pce_svn, tdx })
}

fn components(list: Value<'_, '_>) -> Option<Components> {
    let read: Option<(Vec<u8>, Vec<ComponentName>)> = list.elements()?.map(component).collect();
    let (svns, names) = read?;
    Some((svns.try_into().ok()?, names.try_into().ok()?))
}

fn component(component: Value<'_, '_>) -> Option<(u8, ComponentName)> {
    let name = |name: &str| match component.member(name) {
        None => Some(String::new()),
        Some(value) => lenient::text(value),
    };
    let svn = component.member("svn").and_then(Value::unsigned)?;
    Some((low_byte(svn), ComponentName { category: name("category")?, kind: name("type")? }))
}

/// Intel's library keeps the low 8 bits; its own sample data rely on it.
fn low_byte(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

const FLAT: [&str; 16] = [
    "sgxtcbcomp01svn",
    "sgxtcbcomp02svn",
    "sgxtcbcomp03svn",
    "sgxtcbcomp04svn",
    "sgxtcbcomp05svn",
    "sgxtcbcomp06svn",
    "sgxtcbcomp07svn",
    "sgxtcbcomp08svn",
    "sgxtcbcomp09svn",
    "sgxtcbcomp10svn",
    "sgxtcbcomp11svn",
    "sgxtcbcomp12svn",
    "sgxtcbcomp13svn",
    "sgxtcbcomp14svn",
    "sgxtcbcomp15svn",
    "sgxtcbcomp16svn",
];
