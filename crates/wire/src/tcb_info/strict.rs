//! TCB info read strictly: everything in its place, of its type and size, and nothing twice.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Deserializer};

use super::{ComponentName, IsvSvnLevel, TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity};
use crate::attributes::SeamAttributes;
use crate::bytes::{Fmspc, Measurement, PceId};
use crate::error::ParseError;
use crate::json;
use crate::limits;
use crate::quote::TeeType;
use crate::signed::Document;
use crate::tcb_status::TcbStatus;
use crate::time::UnixTime;

impl Document for TcbInfo {
    const MEMBER: &'static str = "tcbInfo";
    const NAME: &'static str = "TCB info";

    fn parse_untrusted(text: &[u8]) -> Result<Self, ParseError> {
        let raw: RawTcbInfo<'_> = json::parse(text, Self::NAME)?;
        let tee = raw.tee()?;
        if raw.tcb_type != 0 {
            return Err(invalid(alloc::format!("tcbType is {}, expected 0", raw.tcb_type)));
        }
        raw.check_tdx_members(tee)?;
        let (sgx_components, tdx_components) = raw.component_names(tee);
        let mut tcb_levels = Vec::with_capacity(raw.tcb_levels.len());
        for level in raw.tcb_levels {
            tcb_levels.push(level.into_level(raw.version, tee)?);
        }
        // By value, as Intel's library: SGX components, then PCESVN, then TDX components, each from the highest.
        let value = |level: &TcbLevel| Reverse((level.sgx, level.pce_svn, level.tdx));
        let mut in_text: Vec<_> = tcb_levels.iter().map(value).enumerate().collect();
        sorted(&mut tcb_levels, value)?;
        in_text.sort_by_key(|(_, value)| *value);
        let mut listed: Vec<_> = in_text.into_iter().map(|(at, _)| at).enumerate().collect();
        listed.sort_by_key(|(_, at)| *at);
        Ok(Self {
            tee,
            version: raw.version,
            issue_date: raw.issue_date,
            next_update: raw.next_update,
            fmspc: raw.fmspc,
            pce_id: raw.pce_id,
            tcb_evaluation_data_number: raw.tcb_evaluation_data_number,
            sgx_components,
            tdx_components,
            tdx_module: raw.tdx_module.map(TdxModule::from),
            tdx_module_identities: module_identities(raw.tdx_module_identities)?,
            tcb_levels,
            listed: listed.into_iter().map(|(place, _)| place).collect(),
        })
    }
}

/// Sorts levels by a key; none may be missing or stand twice.
pub(crate) fn sorted<T, K: Ord>(levels: &mut [T], key: impl Fn(&T) -> K) -> Result<(), ParseError> {
    if levels.is_empty() {
        return Err(invalid("tcbLevels is empty"));
    }
    levels.sort_by_key(&key);
    let twice = levels.iter().zip(levels.iter().skip(1)).any(|(one, next)| key(one) == key(next));
    if twice { Err(invalid("two TCB levels have the same SVNs")) } else { Ok(()) }
}

fn invalid(text: impl Into<String>) -> ParseError {
    ParseError::invalid("TCB info", text)
}

fn module_identities(raw: Option<Vec<RawIdentity>>) -> Result<Vec<TdxModuleIdentity>, ParseError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    if raw.is_empty() {
        return Err(invalid("tdxModuleIdentities is empty"));
    }
    let mut identities: Vec<TdxModuleIdentity> = Vec::with_capacity(raw.len());
    for identity in raw {
        let id = identity.id.to_ascii_uppercase();
        if identities.iter().any(|known| known.id == id) {
            return Err(invalid(alloc::format!("TDX module identity {id} stands twice")));
        }
        let mut tcb_levels: Vec<IsvSvnLevel> =
            identity.tcb_levels.into_iter().map(Into::into).collect();
        sorted(&mut tcb_levels, |level| Reverse(level.isv_svn))?;
        let module = TdxModule {
            mr_signer: identity.mrsigner,
            attributes: identity.attributes,
            attributes_mask: identity.attributes_mask,
        };
        identities.push(TdxModuleIdentity { id, module, tcb_levels });
    }
    Ok(identities)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTcbInfo<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    version: u8,
    issue_date: UnixTime,
    next_update: UnixTime,
    fmspc: Fmspc,
    pce_id: PceId,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    #[serde(default, deserialize_with = "json::present")]
    tdx_module: Option<RawModule>,
    #[serde(default, deserialize_with = "some_identities")]
    tdx_module_identities: Option<Vec<RawIdentity>>,
    #[serde(borrow, deserialize_with = "levels")]
    tcb_levels: Vec<RawLevel<'a>>,
}

impl RawTcbInfo<'_> {
    fn tee(&self) -> Result<TeeType, ParseError> {
        match (self.version, self.id.as_deref()) {
            (2, _) => Ok(TeeType::Sgx),
            (3, Some("SGX")) => Ok(TeeType::Sgx),
            (3, Some("TDX")) => Ok(TeeType::Tdx),
            (3, Some(id)) => Err(invalid(alloc::format!("id is `{id}`, expected SGX or TDX"))),
            (3, None) => Err(invalid("id is missing")),
            (version, _) => Err(invalid(alloc::format!("version is {version}, expected 2 or 3"))),
        }
    }

    fn check_tdx_members(&self, tee: TeeType) -> Result<(), ParseError> {
        match (tee, &self.tdx_module, &self.tdx_module_identities) {
            (TeeType::Tdx, None, _) => Err(invalid("tdxModule is missing")),
            (TeeType::Sgx, Some(_), _) => Err(invalid("tdxModule stands in TCB info for SGX")),
            (TeeType::Sgx, _, Some(_)) => {
                Err(invalid("tdxModuleIdentities stands in TCB info for SGX"))
            }
            _ => Ok(()),
        }
    }

    /// The names are the same in every level, so the first says them all; lists that no SVN is taken from have none.
    fn component_names(&self, tee: TeeType) -> ([ComponentName; 16], [ComponentName; 16]) {
        let first = self.tcb_levels.first().map(|level| &level.tcb);
        let names = |components: Option<&[RawComponent<'_>; 16]>| {
            components.map(|list| list.each_ref().map(RawComponent::name)).unwrap_or_default()
        };
        let sgx = first.filter(|_| self.version != 2);
        let tdx = first.filter(|_| tee == TeeType::Tdx);
        (
            names(sgx.and_then(|tcb| tcb.sgxtcbcomponents.as_ref())),
            names(tdx.and_then(|tcb| tcb.tdxtcbcomponents.as_ref())),
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLevel<'a> {
    #[serde(borrow)]
    tcb: RawTcb<'a>,
    tcb_date: UnixTime,
    #[serde(borrow)]
    tcb_status: Cow<'a, str>,
    #[serde(default, rename = "advisoryIDs", deserialize_with = "advisory_ids")]
    advisory_ids: Vec<String>,
}

impl RawLevel<'_> {
    fn into_level(self, version: u8, tee: TeeType) -> Result<TcbLevel, ParseError> {
        let status =
            TcbStatus::from_name(&self.tcb_status).filter(|status| status.is_platform_status());
        let tcb_status = status.ok_or_else(|| {
            invalid(alloc::format!("tcbStatus `{}` is not known", self.tcb_status))
        })?;
        let sgx = if version == 2 {
            self.tcb.flat_svns()
        } else {
            self.tcb.sgxtcbcomponents.as_ref().map(svns)
        };
        let sgx = sgx.ok_or_else(|| invalid("a TCB level lacks SGX component SVNs"))?;
        let tdx = match tee {
            TeeType::Sgx => None,
            TeeType::Tdx => {
                let tdx = self.tcb.tdxtcbcomponents.as_ref().map(svns);
                Some(tdx.ok_or_else(|| invalid("a TCB level lacks tdxtcbcomponents"))?)
            }
        };
        let Self { tcb: RawTcb { pcesvn, .. }, tcb_date, advisory_ids, .. } = self;
        Ok(TcbLevel { sgx, pce_svn: pcesvn, tdx, tcb_date, tcb_status, advisory_ids })
    }
}

/// `tcb` of a level: lists of components in version 3, sixteen members in version 2.
#[derive(Deserialize)]
struct RawTcb<'a> {
    pcesvn: u16,
    #[serde(borrow)]
    sgxtcbcomponents: Option<[RawComponent<'a>; 16]>,
    #[serde(borrow)]
    tdxtcbcomponents: Option<[RawComponent<'a>; 16]>,
    sgxtcbcomp01svn: Option<u8>,
    sgxtcbcomp02svn: Option<u8>,
    sgxtcbcomp03svn: Option<u8>,
    sgxtcbcomp04svn: Option<u8>,
    sgxtcbcomp05svn: Option<u8>,
    sgxtcbcomp06svn: Option<u8>,
    sgxtcbcomp07svn: Option<u8>,
    sgxtcbcomp08svn: Option<u8>,
    sgxtcbcomp09svn: Option<u8>,
    sgxtcbcomp10svn: Option<u8>,
    sgxtcbcomp11svn: Option<u8>,
    sgxtcbcomp12svn: Option<u8>,
    sgxtcbcomp13svn: Option<u8>,
    sgxtcbcomp14svn: Option<u8>,
    sgxtcbcomp15svn: Option<u8>,
    sgxtcbcomp16svn: Option<u8>,
}

impl RawTcb<'_> {
    fn flat_svns(&self) -> Option<[u8; 16]> {
        Some([
            self.sgxtcbcomp01svn?,
            self.sgxtcbcomp02svn?,
            self.sgxtcbcomp03svn?,
            self.sgxtcbcomp04svn?,
            self.sgxtcbcomp05svn?,
            self.sgxtcbcomp06svn?,
            self.sgxtcbcomp07svn?,
            self.sgxtcbcomp08svn?,
            self.sgxtcbcomp09svn?,
            self.sgxtcbcomp10svn?,
            self.sgxtcbcomp11svn?,
            self.sgxtcbcomp12svn?,
            self.sgxtcbcomp13svn?,
            self.sgxtcbcomp14svn?,
            self.sgxtcbcomp15svn?,
            self.sgxtcbcomp16svn?,
        ])
    }
}

/// A component of a level. Intel's library truncates larger SVNs to 8 bits; here they are an error.
#[derive(Deserialize)]
struct RawComponent<'a> {
    svn: u8,
    #[serde(borrow, default, deserialize_with = "json::present_text")]
    category: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type", deserialize_with = "json::present_text")]
    kind: Option<Cow<'a, str>>,
}

impl RawComponent<'_> {
    fn name(&self) -> ComponentName {
        let text =
            |text: &Option<Cow<'_, str>>| text.as_deref().map(String::from).unwrap_or_default();
        ComponentName { category: text(&self.category), kind: text(&self.kind) }
    }
}

fn svns(components: &[RawComponent<'_>; 16]) -> [u8; 16] {
    components.each_ref().map(|component| component.svn)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawModule {
    mrsigner: Measurement,
    attributes: SeamAttributes,
    attributes_mask: SeamAttributes,
}

impl From<RawModule> for TdxModule {
    fn from(raw: RawModule) -> Self {
        Self {
            mr_signer: raw.mrsigner,
            attributes: raw.attributes,
            attributes_mask: raw.attributes_mask,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIdentity {
    id: String,
    mrsigner: Measurement,
    attributes: SeamAttributes,
    attributes_mask: SeamAttributes,
    #[serde(deserialize_with = "isv_svn_levels")]
    tcb_levels: Vec<RawIsvSvnLevel>,
}

/// A level with one SVN, of a TDX module or a QE.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawIsvSvnLevel {
    tcb: RawIsvSvn,
    tcb_date: UnixTime,
    tcb_status: String,
    #[serde(default, rename = "advisoryIDs", deserialize_with = "advisory_ids")]
    advisory_ids: Vec<String>,
}

#[derive(Deserialize)]
struct RawIsvSvn {
    isvsvn: u16,
}

impl From<RawIsvSvnLevel> for IsvSvnLevel {
    fn from(raw: RawIsvSvnLevel) -> Self {
        let status = TcbStatus::from_name(&raw.tcb_status);
        Self {
            isv_svn: raw.tcb.isvsvn,
            tcb_date: raw.tcb_date,
            tcb_status: status.filter(|status| status.is_component_status()),
            advisory_ids: raw.advisory_ids,
        }
    }
}

fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawLevel<'de>>, D::Error> {
    json::bounded_vec(deserializer, limits::TCB_LEVELS, "TCB levels")
}

pub(crate) fn isv_svn_levels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RawIsvSvnLevel>, D::Error> {
    json::bounded_vec(deserializer, limits::TCB_LEVELS, "TCB levels")
}

fn some_identities<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<RawIdentity>>, D::Error> {
    json::bounded_vec(deserializer, limits::TDX_MODULE_IDENTITIES, "TDX module identities")
        .map(Some)
}

fn advisory_ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    json::bounded_vec(deserializer, limits::ADVISORY_IDS, "advisory ids")
}
