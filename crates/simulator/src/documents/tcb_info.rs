//! TCB info, versions 2 and 3.

use std::collections::HashSet;

use serde::{Serialize, Serializer};
use tdattest_wire::attributes::SeamAttributes;
use tdattest_wire::bytes::{Fmspc, Measurement, PceId};
use tdattest_wire::quote::TeeType;
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::time::UnixTime;

use super::{Content, JsonIsvLevel, isv_levels, to_json, upper_hex, window};
use crate::error::MintError;
use crate::platform::{EvaluationSet, ModuleIdentity, Platform, PlatformLevel};

/// TCB info to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbInfoDraft {
    /// SGX or TDX.
    pub tee: TeeType,
    /// 2 or 3; version 2 is for SGX.
    pub version: u8,
    /// When it is issued.
    pub issue_date: UnixTime,
    /// When the next is due.
    pub next_update: UnixTime,
    /// The platform family.
    pub fmspc: Fmspc,
    /// The PCE's id.
    pub pce_id: PceId,
    /// How levels are compared: 0.
    pub tcb_type: u32,
    /// The number of its set.
    pub tcb_evaluation_data_number: u32,
    /// TDX modules; TDX only.
    pub tdx_modules: Vec<ModuleIdentity>,
    /// The platform's levels.
    pub tcb_levels: Vec<PlatformLevel>,
}

impl TcbInfoDraft {
    /// The TCB info of a platform in one of its sets.
    pub fn new(platform: &Platform, tee: TeeType, set: &EvaluationSet, at: UnixTime) -> Self {
        let (issue_date, next_update) = window(platform, at);
        Self {
            tee,
            version: 3,
            issue_date,
            next_update,
            fmspc: platform.hardware.fmspc,
            pce_id: platform.hardware.pce_id,
            tcb_type: 0,
            tcb_evaluation_data_number: set.tcb_evaluation_data_number,
            tdx_modules: set.tdx_module.clone(),
            tcb_levels: match tee {
                TeeType::Tdx => set.tcb_level.clone(),
                TeeType::Sgx => distinct_without_tdx(&set.tcb_level),
            },
        }
    }
}

/// Levels that differ in TDX components alone are one level for SGX: the first of them.
fn distinct_without_tdx(levels: &[PlatformLevel]) -> Vec<PlatformLevel> {
    let mut seen = HashSet::new();
    levels.iter().filter(|level| seen.insert((level.sgx, level.pce_svn))).cloned().collect()
}

impl Content for TcbInfoDraft {
    type Document = TcbInfo;

    fn json(&self) -> Result<Vec<u8>, MintError> {
        let is_tdx = self.tee == TeeType::Tdx;
        let modules: Vec<JsonModule<'_>> = self.tdx_modules.iter().map(JsonModule::from).collect();
        to_json(&Json {
            id: (self.version != 2).then_some(self.tee.name()),
            version: self.version,
            issue_date: self.issue_date,
            next_update: self.next_update,
            fmspc: &self.fmspc,
            pce_id: &self.pce_id,
            tcb_type: self.tcb_type,
            tcb_evaluation_data_number: self.tcb_evaluation_data_number,
            tdx_module: is_tdx.then_some(JsonModule::BASE),
            tdx_module_identities: (is_tdx && !modules.is_empty()).then_some(modules),
            tcb_levels: self.tcb_levels.iter().map(|level| self.level(level)).collect(),
        })
    }
}

impl TcbInfoDraft {
    fn level<'d>(&self, level: &'d PlatformLevel) -> JsonLevel<'d> {
        let tcb = match self.version {
            2 => JsonTcb::Version2(version_2(level)),
            _ => JsonTcb::Version3 {
                sgxtcbcomponents: components(&level.sgx, &SGX_COMPONENTS),
                pcesvn: level.pce_svn,
                tdxtcbcomponents: (self.tee == TeeType::Tdx)
                    .then(|| components(&level.tdx, &TDX_COMPONENTS)),
            },
        };
        JsonLevel {
            tcb,
            tcb_date: level.date,
            tcb_status: level.status.name(),
            advisory_ids: &level.advisory_ids,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    #[serde(serialize_with = "upper_hex")]
    fmspc: &'d Fmspc,
    #[serde(serialize_with = "upper_hex")]
    pce_id: &'d PceId,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module: Option<JsonModule<'d>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tdx_module_identities: Option<Vec<JsonModule<'d>>>,
    tcb_levels: Vec<JsonLevel<'d>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonModule<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(serialize_with = "upper_hex")]
    mrsigner: Measurement,
    #[serde(serialize_with = "upper_hex")]
    attributes: SeamAttributes,
    #[serde(serialize_with = "upper_hex")]
    attributes_mask: SeamAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcb_levels: Option<Vec<JsonIsvLevel<'d>>>,
}

impl JsonModule<'_> {
    /// The module before there were identities: signer and attributes of Intel's production modules.
    const BASE: Self = Self {
        id: None,
        mrsigner: Measurement([0; 48]),
        attributes: SeamAttributes([0; 8]),
        attributes_mask: SeamAttributes([0xff; 8]),
        tcb_levels: None,
    };
}

impl<'d> From<&'d ModuleIdentity> for JsonModule<'d> {
    fn from(module: &'d ModuleIdentity) -> Self {
        Self {
            id: Some(format!("TDX_{:02X}", module.version)),
            mrsigner: module.mr_signer,
            attributes: module.attributes,
            attributes_mask: SeamAttributes([0xff; 8]),
            tcb_levels: Some(isv_levels(&module.tcb_level)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonLevel<'d> {
    tcb: JsonTcb,
    tcb_date: UnixTime,
    tcb_status: &'d str,
    #[serde(rename = "advisoryIDs", skip_serializing_if = "<[String]>::is_empty")]
    advisory_ids: &'d [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonTcb {
    Version2(FlatTcb),
    Version3 {
        sgxtcbcomponents: Vec<JsonComponent>,
        pcesvn: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        tdxtcbcomponents: Option<Vec<JsonComponent>>,
    },
}

#[derive(Serialize)]
struct JsonComponent {
    svn: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

/// Category and type of a component, where Intel names them.
type Names = [(Option<&'static str>, Option<&'static str>); 16];

const NONE: (Option<&str>, Option<&str>) = (None, None);

const SGX_COMPONENTS: Names = {
    let mut names = [NONE; 16];
    names[0] = (Some("BIOS"), Some("Early Microcode Update"));
    names[1] = (Some("OS/VMM"), Some("SGX Late Microcode Update"));
    names[2] = (Some("OS/VMM"), Some("TXT SINIT"));
    names[3] = (Some("BIOS"), None);
    names[4] = (Some("BIOS"), None);
    names[5] = (Some("BIOS"), None);
    names[7] = (Some("OS/VMM"), Some("SEAMLDR ACM"));
    names
};

const TDX_COMPONENTS: Names = {
    let mut names = [NONE; 16];
    names[0] = (Some("OS/VMM"), Some("TDX Module"));
    names[1] = (Some("OS/VMM"), Some("TDX Module"));
    names[2] = (Some("OS/VMM"), Some("TDX Late Microcode Update"));
    names
};

fn components(svns: &[u8; 16], names: &Names) -> Vec<JsonComponent> {
    let component = |(svn, (category, kind)): (&u8, &_)| JsonComponent {
        svn: *svn,
        category: *category,
        kind: *kind,
    };
    svns.iter().zip(names).map(component).collect()
}

/// The flat form of version 2, which PCK certificates are listed in to this day.
pub(crate) struct FlatTcb(Vec<(String, u16)>);

/// `sgxtcbcomp01svn` to `16svn`, and `pcesvn`.
pub(crate) fn version_2(level: &PlatformLevel) -> FlatTcb {
    let component =
        |(number, svn): (u8, &u8)| (format!("sgxtcbcomp{number:02}svn"), u16::from(*svn));
    let pce = ("pcesvn".to_owned(), level.pce_svn);
    FlatTcb((1..).zip(&level.sgx).map(component).chain([pce]).collect())
}

impl Serialize for FlatTcb {
    /// An object whose members stand in the order of the list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
