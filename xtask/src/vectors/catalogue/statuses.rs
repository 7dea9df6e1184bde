//! Every TCB status: accepted by the policy that names it, refused by the one that does not, `Revoked` by both.

use anyhow::Result;
use tdattest_simulator::{Format, Platform};
use tdattest_verifier::wire::tcb_status::TcbStatus::{
    self, ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
    OutOfDateConfigurationNeeded, Revoked, SwHardeningNeeded, TdRelaunchAdvised,
    TdRelaunchAdvisedConfigurationNeeded, UpToDate,
};

use super::{Bench, Draft, OLD, accepted, refused};
use crate::vectors::vector::{Demands, Tcb};

/// Statuses of platform, TDX module and QE, and the one that comes of them.
type Row = ([TcbStatus; 3], TcbStatus);

/// Each status of the platform, then what the components make of it.
const ROWS: [Row; 13] = [
    ([SwHardeningNeeded, UpToDate, UpToDate], SwHardeningNeeded),
    ([ConfigurationNeeded, UpToDate, UpToDate], ConfigurationNeeded),
    ([ConfigurationAndSwHardeningNeeded, UpToDate, UpToDate], ConfigurationAndSwHardeningNeeded),
    ([OutOfDate, UpToDate, UpToDate], OutOfDate),
    ([OutOfDateConfigurationNeeded, UpToDate, UpToDate], OutOfDateConfigurationNeeded),
    ([Revoked, UpToDate, UpToDate], Revoked),
    ([UpToDate, OutOfDate, UpToDate], OutOfDate),
    ([UpToDate, Revoked, UpToDate], Revoked),
    ([UpToDate, UpToDate, OutOfDate], OutOfDate),
    ([UpToDate, UpToDate, Revoked], Revoked),
    ([SwHardeningNeeded, OutOfDate, UpToDate], OutOfDate),
    ([ConfigurationNeeded, UpToDate, OutOfDate], OutOfDateConfigurationNeeded),
    ([ConfigurationAndSwHardeningNeeded, OutOfDate, UpToDate], OutOfDateConfigurationNeeded),
];

const SOURCE: &str = "PCS API v4, \"Get TDX TCB Info\"; Intel QVL 1.27, observed";
const RELAUNCH: &str = "Intel QVL 1.27, relaunch check";

/// How an accepted case ends.
const NAMED: &str = "which the policy names";

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let up_to_date = bench.case(Format::V4_TD_1_0)?;
    let mut cases = Vec::new();
    for row in ROWS {
        let case = of_row(bench, row)?;
        if row.1 == Revoked {
            cases.push(by_default(&case, Revoked, &up_to_date));
        } else {
            cases.extend(both(&case, row.1));
        }
    }
    cases.extend(named_revoked(bench, &up_to_date)?);
    for (current, status) in
        [(UpToDate, TdRelaunchAdvised), (ConfigurationNeeded, TdRelaunchAdvisedConfigurationNeeded)]
    {
        cases.extend(both(&relaunch(bench, current, status)?, status));
    }
    Ok(cases)
}

/// A quote with these statuses, accepted by the policy that names what comes of them.
fn of_row(bench: &Bench, (levels, status): Row) -> Result<Draft> {
    let [platform, tdx_module, qe] = levels;
    let parts = ["platform", "tdx-module", "qe"].into_iter().zip(levels);
    let others = parts.filter(|(_, status)| *status != UpToDate);
    let parts: Vec<String> = others.map(|(part, status)| format!("{part}-{status}")).collect();
    let mut case = bench.with(|bench| set(bench, levels)).case(Format::V4_TD_1_0)?;
    let why = format!(
        "TCB levels: platform {platform}, TDX module {tdx_module}, QE {qe}; together {status}, {NAMED}."
    );
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: status.to_string(),
        platform: platform.to_string(),
        tdx_module: Some(tdx_module.to_string()),
        qe: qe.to_string(),
        ..tcb
    });
    let case = case.named(accepted(format!("tcb-status.{}", parts.join("."))), &why);
    Ok(Draft { source: SOURCE.into(), policy: Demands::accepting(status), ..case })
}

/// Gives the highest level of platform, TDX module and TD QE these statuses.
fn set(bench: &mut Platform, [platform, tdx_module, qe]: [TcbStatus; 3]) {
    let set = &mut bench.standard;
    set.tcb_level.iter_mut().take(1).for_each(|level| level.status = platform);
    let modules = set.tdx_module.iter_mut().flat_map(|module| module.tcb_level.iter_mut().take(1));
    modules.for_each(|level| level.status = tdx_module);
    set.td_qe.iter_mut().take(1).for_each(|level| level.status = qe);
}

/// A case that its policy accepts, and the same under the policy that loosens nothing.
fn both(case: &Draft, status: TcbStatus) -> [Draft; 2] {
    [case.clone(), by_default(case, status, case)]
}

/// A case under the policy that loosens nothing.
fn by_default(case: &Draft, status: TcbStatus, twin: &Draft) -> Draft {
    let what = case.name.split_once("tcb-status.").map_or("", |(_, what)| what);
    let not_named = if status == Revoked {
        "which no policy accepts"
    } else {
        "which the policy does not name"
    };
    let why = case.why.replace(NAMED, not_named);
    let name = refused(format!("policy.tcb-status.{what}"));
    let case = Draft { policy: Demands::strict(), ..case.clone() }.named(name, &why);
    case.refused("policy.tcb-status", Some(intel_status(status)), twin)
}

/// A policy that names `Revoked` accepts no more than one that does not.
fn named_revoked(bench: &Bench, up_to_date: &Draft) -> Result<[Draft; 2]> {
    let policy = Demands::accepting(Revoked);
    let why = "The platform is up to date, and the policy names Revoked, which changes nothing.";
    let twin = up_to_date.clone().named(accepted("policy.accept-tcb.Revoked"), why);
    let twin = Draft { policy: policy.clone(), source: SOURCE.into(), ..twin };
    let case = of_row(bench, ([Revoked, UpToDate, UpToDate], Revoked))?;
    let why =
        "The platform's TCB level is Revoked, which no policy accepts, not even one that names it.";
    let case = case.named(refused("policy.tcb-status.platform-Revoked.named"), why);
    let case = case.refused("policy.tcb-status", Some(intel_status(Revoked)), &twin);
    Ok([twin, Draft { policy, ..case }])
}

/// A TD launched under an older TDX module than the one that runs now.
fn relaunch(bench: &Bench, current: TcbStatus, status: TcbStatus) -> Result<Draft> {
    let bench = bench.with(|platform| {
        set(platform, [current, UpToDate, UpToDate]);
        let launch = &mut platform.tdx_module.tee_tcb_svn;
        let [minor, _, others @ ..] = launch;
        *minor = 3;
        others.iter_mut().for_each(|svn| *svn = svn.saturating_sub(1));
    });
    let mut case = bench.case(Format::V5_TD_1_5)?;
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: status.to_string(),
        platform: OutOfDate.to_string(),
        tdx_module: Some(OutOfDate.to_string()),
        current: Some(current.to_string()),
        date: OLD.into(),
        advisory_ids: vec!["SIMULATED-SA-00001".into()],
        ..tcb
    });
    let why = format!(
        "Platform and TDX module were OutOfDate at launch and are {current} now: {status}, {NAMED}."
    );
    let case = case.named(accepted(format!("tcb-status.{status}")), &why);
    Ok(Draft { source: RELAUNCH.into(), policy: Demands::accepting(status), ..case })
}

/// What Intel's library answers.
fn intel_status(status: TcbStatus) -> &'static str {
    match status {
        UpToDate => "OK",
        SwHardeningNeeded => "TCB_SW_HARDENING_NEEDED",
        ConfigurationNeeded => "TCB_CONFIGURATION_NEEDED",
        ConfigurationAndSwHardeningNeeded => "TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED",
        OutOfDate => "TCB_OUT_OF_DATE",
        OutOfDateConfigurationNeeded => "TCB_OUT_OF_DATE_CONFIGURATION_NEEDED",
        Revoked => "TCB_REVOKED",
        TdRelaunchAdvised => "TCB_TD_RELAUNCH_ADVISED",
        TdRelaunchAdvisedConfigurationNeeded => "TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED",
    }
}
