//! How up to date the platform, its TDX module and its QE are: the TCB evaluation.
//!
//! Source: PCS API v4, "Get TDX TCB Info" (steps of "TCB level matching"); Intel QVL 1.27, `EvaluateTcb`.
//! Must stay true: levels are compared by component, in descending order of value, never in the order of the text; the
//! SGX components are the PCK certificate's, not a report's CPUSVN.

use alloc::string::String;
use alloc::vec::Vec;

use tdattest_wire::bytes::TeeTcbSvn;
use tdattest_wire::pck::PckTcb;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::tcb_info::{TcbInfo, TcbLevel};
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use crate::error::NotSupported;
use crate::qe;
use crate::relaunch;
use crate::tcb_status::converge;
use crate::td_module;

/// The SVNs of a platform, as its quote and PCK certificate say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformSvns {
    /// Component SVNs and PCESVN of the PCK certificate.
    pub pck: PckTcb,
    /// TEE_TCB_SVN at launch; TDX only.
    pub launch: Option<TeeTcbSvn>,
    /// TEE_TCB_SVN2, now; TDX 1.5 bodies only.
    pub current: Option<TeeTcbSvn>,
    /// ISVSVN of the QE.
    pub qe_isv_svn: u16,
}

/// The outcome of a TCB evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbEvaluation {
    /// The one status, after convergence and relaunch advice.
    pub status: TcbStatus,
    /// The platform's level.
    pub platform: TcbStatus,
    /// The TDX module's level, if it has any.
    pub tdx_module: Option<TcbStatus>,
    /// The QE's level.
    pub qe: TcbStatus,
    /// The converged status with the SVNs of now; TDX 1.5 bodies only.
    pub current: Option<TcbStatus>,
    /// The earliest date of the levels reached.
    pub date: UnixTime,
    /// The advisories of all levels reached, sorted, each once.
    pub advisory_ids: Vec<String>,
}

/// Evaluates the SVNs of a platform.
pub(crate) fn evaluate(
    svns: &PlatformSvns,
    tcb_info: &TcbInfo,
    qe_identity: &QeIdentity,
) -> Result<TcbEvaluation, NotSupported> {
    let launch = evaluate_at(svns, svns.launch, tcb_info, qe_identity)?;
    let Some(current_svn) = svns.current else { return Ok(launch) };
    let current = evaluate_at(svns, Some(current_svn), tcb_info, qe_identity)
        .map_err(NotSupported::of_now)?;
    let status = relaunch::advise(launch.status, current.status);
    Ok(TcbEvaluation { status, current: Some(current.status), ..launch })
}

impl NotSupported {
    /// The same fault, met with the SVNs of now.
    fn of_now(self) -> Self {
        match self {
            Self::Platform => Self::CurrentPlatform,
            Self::TdxModule | Self::TdxModuleStatus => Self::CurrentTdxModule,
            other => other,
        }
    }
}

/// Evaluates with one TEE_TCB_SVN, that of launch or that of now.
fn evaluate_at(
    svns: &PlatformSvns,
    tee_tcb_svn: Option<TeeTcbSvn>,
    tcb_info: &TcbInfo,
    qe_identity: &QeIdentity,
) -> Result<TcbEvaluation, NotSupported> {
    let platform = tcb_info
        .tcb_levels
        .iter()
        .find(|level| reaches(&svns.pck, tee_tcb_svn, level))
        .ok_or(NotSupported::Platform)?;
    let (qe_level, qe_status) = qe::level(qe_identity, svns.qe_isv_svn)?;
    let module = match tee_tcb_svn {
        Some(svn) => td_module::level(tcb_info, svn)?,
        None => None,
    };
    let module_status = module.map(|(_, status)| status);
    let mut components = Vec::with_capacity(2);
    components.extend(module_status);
    components.push(qe_status);

    let mut date = platform.tcb_date.min(qe_level.tcb_date);
    let mut advisory_ids = [&*platform.advisory_ids, &*qe_level.advisory_ids].concat();
    if let Some((level, _)) = module {
        date = date.min(level.tcb_date);
        advisory_ids.extend_from_slice(&level.advisory_ids);
    }
    advisory_ids.sort_unstable();
    advisory_ids.dedup();
    Ok(TcbEvaluation {
        status: converge(platform.tcb_status, &components),
        platform: platform.tcb_status,
        tdx_module: module_status,
        qe: qe_status,
        current: None,
        date,
        advisory_ids,
    })
}

/// Whether the platform has at least every SVN of the level.
fn reaches(pck: &PckTcb, tee_tcb_svn: Option<TeeTcbSvn>, level: &TcbLevel) -> bool {
    at_least(&pck.components, &level.sgx)
        && pck.pce_svn >= level.pce_svn
        && match (tee_tcb_svn, &level.tdx) {
            (None, None) => true,
            (Some(svn), Some(tdx)) => svn
                .0
                .iter()
                .zip(tdx)
                .skip(first_tdx_component(svn))
                .all(|(have, need)| have >= need),
            // TCB info of the other TEE, which the caller has refused; never a match.
            _ => false,
        }
}

/// Pairwise, not as one number. Both have sixteen components by type, so no pair is lost.
fn at_least(have: &[u8; 16], need: &[u8; 16]) -> bool {
    have.iter().zip(need).all(|(have, need)| have >= need)
}

/// Where comparing TDX components starts: a module with a major version has levels of its own for the first two.
pub(crate) fn first_tdx_component(svn: TeeTcbSvn) -> usize {
    if svn.module_version() > 0 { 2 } else { 0 }
}

/// An SVN that the platform has, and the one that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvnNeed {
    /// Which SVN.
    pub component: SvnComponent,
    /// Intel's category: `BIOS`, `OS/VMM`; may be empty.
    pub category: String,
    /// Intel's type: `Early Microcode Update`, `TDX Module`; may be empty.
    pub kind: String,
    /// The SVN it has.
    pub have: u16,
    /// The SVN of the lowest level that is good enough; `None` where no level is.
    pub need: Option<u16>,
}

impl SvnNeed {
    /// Whether it has what it needs; `None` where no level is good enough, whatever it has.
    pub fn is_met(&self) -> Option<bool> {
        self.need.map(|need| self.have >= need)
    }

    /// Whether an update of this component would help.
    pub fn falls_short(&self) -> bool {
        self.is_met() == Some(false)
    }
}

/// The SVNs that a TCB is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvnComponent {
    /// SGX component, 1 to 16.
    Sgx(u8),
    /// PCESVN.
    Pce,
    /// TDX component, 1 to 16.
    Tdx(u8),
    /// The TDX module's ISV SVN.
    TdxModule,
    /// The QE's ISV SVN.
    Qe,
}

impl core::fmt::Display for SvnComponent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sgx(number) => write!(f, "SGX component {number}"),
            Self::Pce => f.write_str("PCESVN"),
            Self::Tdx(number) => write!(f, "TDX component {number}"),
            Self::TdxModule => f.write_str("TDX module SVN"),
            Self::Qe => f.write_str("QE SVN"),
        }
    }
}

/// Every SVN of the platform beside the one that the lowest good level demands.
///
/// Good is `UpToDate`, or, where no level is, whatever is up to date but for a configuration or a mitigation.
pub(crate) fn needs(
    svns: &PlatformSvns,
    tcb_info: &TcbInfo,
    qe_identity: &QeIdentity,
) -> Vec<SvnNeed> {
    let target = lowest_good_level(tcb_info);
    let mut needs = Vec::new();
    let target_sgx = target.map(|level| level.sgx);
    push_components(
        &mut needs,
        SvnComponent::Sgx,
        &svns.pck.components,
        target_sgx,
        &tcb_info.sgx_components,
        0,
    );
    needs.push(SvnNeed {
        component: SvnComponent::Pce,
        category: String::new(),
        kind: "PCE".into(),
        have: svns.pck.pce_svn,
        need: target.map(|level| level.pce_svn),
    });
    if let Some(svn) = svns.launch {
        let target_tdx = target.and_then(|level| level.tdx);
        let first = first_tdx_component(svn);
        push_components(
            &mut needs,
            SvnComponent::Tdx,
            &svn.0,
            target_tdx,
            &tcb_info.tdx_components,
            first,
        );
        needs.extend(module_need(svn, tcb_info));
    }
    needs.push(SvnNeed {
        component: SvnComponent::Qe,
        category: String::new(),
        kind: "QE".into(),
        have: svns.qe_isv_svn,
        need: lowest_good_isv_svn(&qe_identity.tcb_levels),
    });
    needs
}

fn lowest_good_level(tcb_info: &TcbInfo) -> Option<&TcbLevel> {
    let lowest = |good: fn(TcbStatus) -> bool| {
        tcb_info.tcb_levels.iter().rev().find(|level| good(level.tcb_status))
    };
    lowest(|status| status == TcbStatus::UpToDate).or_else(|| {
        lowest(|status| {
            matches!(
                status,
                TcbStatus::SwHardeningNeeded
                    | TcbStatus::ConfigurationNeeded
                    | TcbStatus::ConfigurationAndSwHardeningNeeded
            )
        })
    })
}

fn lowest_good_isv_svn(levels: &[tdattest_wire::tcb_info::IsvSvnLevel]) -> Option<u16> {
    let good = levels.iter().rev().find(|level| level.tcb_status == Some(TcbStatus::UpToDate));
    good.map(|level| level.isv_svn)
}

fn module_need(svn: TeeTcbSvn, tcb_info: &TcbInfo) -> Option<SvnNeed> {
    let version = svn.module_version();
    let levels = tcb_info.tdx_module_identity(version).map(|identity| &*identity.tcb_levels);
    (version > 0).then(|| SvnNeed {
        component: SvnComponent::TdxModule,
        category: String::new(),
        kind: alloc::format!("TDX module {version}.x"),
        have: svn.module_isv_svn().into(),
        need: levels.and_then(lowest_good_isv_svn),
    })
}

fn push_components(
    needs: &mut Vec<SvnNeed>,
    component: fn(u8) -> SvnComponent,
    have: &[u8; 16],
    need: Option<[u8; 16]>,
    names: &[tdattest_wire::tcb_info::ComponentName; 16],
    first: usize,
) {
    let need = need.map(|need| need.map(u16::from).map(Some)).unwrap_or([None; 16]);
    let rows = (1..=16u8).zip(have).zip(need).zip(names).skip(first);
    needs.extend(rows.map(|(((number, have), need), name)| SvnNeed {
        component: component(number),
        category: name.category.clone(),
        kind: name.kind.clone(),
        have: u16::from(*have),
        need,
    }));
}
