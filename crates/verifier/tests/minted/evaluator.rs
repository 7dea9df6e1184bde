//! The TCB evaluation against one written a second time, without any cleverness, and whether it is monotone.
//!
//! Source of the second one: PCS API v4, "Get TDX TCB Info"; Intel QVL 1.27, `EvaluateTcb`.

use proptest::collection::vec;
use proptest::prelude::*;
use tdattest_simulator::platform::{IsvLevel, ModuleIdentity, PlatformLevel};
use tdattest_simulator::{Format, Platform};
use tdattest_verifier::wire::quote::{BodyType, TeeType};
use tdattest_verifier::wire::tcb_status::TcbStatus;

use TcbStatus::{
    ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
    OutOfDateConfigurationNeeded, Revoked, SwHardeningNeeded, TdRelaunchAdvised,
    TdRelaunchAdvisedConfigurationNeeded, UpToDate,
};

use crate::case::{Case, platform};

/// The verifier's answer: a status, or the code of the error.
type Answer = Result<TcbStatus, String>;

fn verifier_says(platform: &Platform, format: Format) -> Answer {
    match Case::new(platform, format).verify() {
        Ok(verified) => Ok(verified.tcb().status),
        Err(refused) => Err(refused.error().code().to_owned()),
    }
}

/// The page of facts, line by line.
fn page_says(platform: &Platform, format: Format) -> Answer {
    if format.tee() == TeeType::Sgx {
        return evaluate(platform, None).map_err(str::to_owned);
    }
    let module = &platform.tdx_module;
    let known = |svn: [u8; 16]| {
        svn[1] == 0 || platform.standard.tdx_module.iter().any(|it| it.version == svn[1])
    };
    if !known(module.tee_tcb_svn) {
        return Err("tdx-module.unknown".into());
    }
    let launch = evaluate(platform, Some(module.tee_tcb_svn))?;
    if !matches!(format.body(), BodyType::Td15 | BodyType::Td15Ex) {
        return Ok(launch);
    }
    let now = evaluate(platform, module.tee_tcb_svn_2).map_err(|code| match code {
        "tcb.platform-not-supported" => "tcb.current-platform-not-supported",
        "tcb.tdx-module-not-supported" => "tcb.current-tdx-module-not-supported",
        other => other,
    })?;
    let fine =
        [UpToDate, SwHardeningNeeded, ConfigurationNeeded, ConfigurationAndSwHardeningNeeded];
    let configuration =
        [ConfigurationNeeded, OutOfDateConfigurationNeeded, ConfigurationAndSwHardeningNeeded];
    let stale = [OutOfDate, OutOfDateConfigurationNeeded].contains(&launch);
    if stale && fine.contains(&now) {
        if configuration.contains(&launch) || configuration.contains(&now) {
            return Ok(TdRelaunchAdvisedConfigurationNeeded);
        }
        return Ok(TdRelaunchAdvised);
    }
    Ok(launch)
}

fn evaluate(platform: &Platform, svn: Option<[u8; 16]>) -> Result<TcbStatus, &'static str> {
    let (hardware, set) = (&platform.hardware, &platform.standard);
    let mut best: Option<&PlatformLevel> = None;
    for level in &set.tcb_level {
        let mut reached = level.pce_svn <= hardware.pce_svn;
        for index in 0..16 {
            reached &= level.sgx[index] <= hardware.sgx_tcb_svns[index];
            if let Some(svn) = svn {
                let counts = index >= 2 || svn[1] == 0;
                reached &= !counts || level.tdx[index] <= svn[index];
            }
        }
        let key = |level: &PlatformLevel| (level.sgx, level.pce_svn, svn.map(|_| level.tdx));
        if reached && best.is_none_or(|best| key(best) < key(level)) {
            best = Some(level);
        }
    }
    let mut status = best.ok_or("tcb.platform-not-supported")?.status;

    let (qe_svn, qe_levels) = match svn {
        None => (hardware.qe_isv_svn, &set.qe),
        Some(_) => (hardware.td_qe_isv_svn, &set.td_qe),
    };
    let qe = isv_status(qe_levels, qe_svn).ok_or("tcb.qe-not-supported")?;
    let mut components = vec![qe];
    if let Some(svn) = svn.filter(|svn| svn[1] != 0) {
        let identity = set.tdx_module.iter().find(|identity| identity.version == svn[1]);
        // Of now: at launch it was looked for before.
        let identity = identity.ok_or("tcb.current-tdx-module-not-supported")?;
        let module = isv_status(&identity.tcb_level, svn[0].into());
        components.push(module.ok_or("tcb.tdx-module-not-supported")?);
    }
    if components.contains(&OutOfDate) {
        if [UpToDate, SwHardeningNeeded].contains(&status) {
            status = OutOfDate;
        } else if [ConfigurationNeeded, ConfigurationAndSwHardeningNeeded].contains(&status) {
            status = OutOfDateConfigurationNeeded;
        }
    }
    if components.contains(&Revoked) {
        status = Revoked;
    }
    Ok(status)
}

fn isv_status(levels: &[IsvLevel], svn: u16) -> Option<TcbStatus> {
    let reached = levels.iter().filter(|level| level.isv_svn <= svn);
    reached.max_by_key(|level| level.isv_svn).map(|level| level.status)
}

/// SVNs so small that levels are reached, missed, and met exactly.
fn svns(all: std::ops::Range<u8>) -> impl Strategy<Value = [u8; 16]> {
    // Mostly equal, so that a level is reached now and then.
    let base = (all, vec((0..16_usize, 0..4_u8), 0..3));
    base.prop_map(|(all, others)| {
        let mut svns = [all; 16];
        others.into_iter().for_each(|(index, svn)| svns[index] = svn);
        svns
    })
}

fn tee_tcb_svn() -> impl Strategy<Value = [u8; 16]> {
    let module = (0..5_u8, proptest::sample::select(vec![0, 1, 1, 1, 3, 3, 3, 2]));
    (svns(1..4), module).prop_map(|(mut svns, (minor, major))| {
        (svns[0], svns[1]) = (minor, major);
        svns
    })
}

/// The SVNs at launch and now: of an updated module mostly, or of any two.
fn launch_and_now() -> impl Strategy<Value = ([u8; 16], [u8; 16])> {
    let updated = (tee_tcb_svn(), 0..4_u8).prop_map(|(launch, by)| {
        let mut now = launch.map(|svn| svn + by);
        now[1] = launch[1];
        (launch, now)
    });
    prop_oneof![4 => updated, 1 => (tee_tcb_svn(), tee_tcb_svn())]
}

/// Statuses from the highest level to the lowest: any, or in an order in which no step down makes anything better.
fn platform_statuses(monotone: bool) -> BoxedStrategy<Vec<TcbStatus>> {
    if !monotone {
        let mut any = TcbStatus::ALL.to_vec();
        any.retain(|status| status.is_platform_status());
        any.extend([UpToDate, OutOfDate, OutOfDateConfigurationNeeded]);
        return vec(proptest::sample::select(any), 1..5).boxed();
    }
    let chains = [
        vec![UpToDate, SwHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, Revoked],
        vec![
            UpToDate,
            SwHardeningNeeded,
            ConfigurationAndSwHardeningNeeded,
            OutOfDateConfigurationNeeded,
            Revoked,
        ],
        vec![
            UpToDate,
            ConfigurationNeeded,
            ConfigurationAndSwHardeningNeeded,
            OutOfDateConfigurationNeeded,
            Revoked,
        ],
    ];
    let chain = proptest::sample::select(chains.to_vec());
    chain.prop_flat_map(|chain| proptest::sample::subsequence(chain, 1..5)).boxed()
}

fn isv_levels(monotone: bool) -> impl Strategy<Value = Vec<IsvLevel>> {
    let of_component = [UpToDate, OutOfDate, Revoked].to_vec();
    let statuses = if monotone {
        proptest::sample::subsequence(of_component, 1..=3).boxed()
    } else {
        let mostly_current = [of_component, vec![UpToDate; 3]].concat();
        vec(proptest::sample::select(mostly_current), 1..4).boxed()
    };
    let date = platform().standard.tcb_date;
    statuses.prop_map(move |statuses| {
        let highest = u16::try_from(statuses.len()).unwrap();
        let levels = (0..=highest).rev().zip(statuses);
        let level = |(isv_svn, status)| IsvLevel { status, date, isv_svn, advisory_ids: vec![] };
        levels.map(level).collect()
    })
}

prop_compose! {
    fn platforms(monotone: bool)(
        statuses in platform_statuses(monotone),
        levels in vec((svns(0..3), 0..3_u16, svns(0..3)), 5),
        hardware in (svns(1..4), 1..5_u16, 0..5_u16, 0..5_u16),
        svn in launch_and_now(),
        module_1 in isv_levels(monotone),
        module_3 in isv_levels(monotone),
        td_qe in isv_levels(monotone),
        qe in isv_levels(monotone),
    ) -> Platform {
        let mut platform = platform();
        (
            platform.hardware.sgx_tcb_svns,
            platform.hardware.pce_svn,
            platform.hardware.qe_isv_svn,
            platform.hardware.td_qe_isv_svn,
        ) = hardware;
        platform.tdx_module.tee_tcb_svn = svn.0;
        platform.tdx_module.tee_tcb_svn_2 = Some(svn.1);
        let date = platform.standard.tcb_date;
        // From the highest value to the lowest, none twice; some differ in TDX components alone.
        let mut levels = levels;
        levels.sort_unstable_by(|one, other| other.cmp(one));
        levels.dedup();
        // Where there are too many, the lowest stay: they are reached most often.
        levels.drain(..levels.len().saturating_sub(statuses.len()));
        let level = |((sgx, pce_svn, tdx), status)| PlatformLevel {
            status, date, sgx, pce_svn, tdx, advisory_ids: vec![],
        };
        let set = &mut platform.standard;
        set.tcb_level = levels.into_iter().zip(statuses).map(level).collect();
        let identity = |version, level| ModuleIdentity {
            version, tcb_level: level, ..set.tdx_module[0].clone()
        };
        set.tdx_module = vec![identity(1, module_1), identity(3, module_3)];
        (set.td_qe, set.qe) = (td_qe, qe);
        platform
    }
}

/// From the best to the worst.
const SEVERITY: [TcbStatus; 9] = [
    UpToDate,
    SwHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSwHardeningNeeded,
    TdRelaunchAdvised,
    TdRelaunchAdvisedConfigurationNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
];

/// Worse than any status is none at all.
fn severity(answer: &Answer) -> usize {
    let known = answer.as_ref().ok().and_then(|it| SEVERITY.iter().position(|one| one == it));
    known.unwrap_or(SEVERITY.len())
}

/// Raises one SVN of a platform; of TEE_TCB_SVN never the module's major version, with which another module runs.
fn raise(platform: &mut Platform, which: usize) {
    let (hardware, module) = (&mut platform.hardware, &mut platform.tdx_module);
    match which {
        0..16 => hardware.sgx_tcb_svns[which] += 1,
        16 => hardware.pce_svn += 1,
        17 => {
            (hardware.qe_isv_svn, hardware.td_qe_isv_svn) =
                (hardware.qe_isv_svn + 1, hardware.td_qe_isv_svn + 1)
        }
        18..34 if which != 19 => module.tee_tcb_svn[which - 18] += 1,
        34..50 if which != 35 => {
            if let Some(svn) = &mut module.tee_tcb_svn_2 {
                svn[which - 34] += 1;
            }
        }
        _ => {}
    }
}

fn formats() -> impl Strategy<Value = Format> {
    proptest::sample::select(vec![Format::V3_SGX, Format::V4_TD_1_0, Format::V5_TD_1_5])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_status_is_that_of_a_straightforward_evaluator(
        platform in platforms(false),
        format in formats(),
    ) {
        prop_assert_eq!(verifier_says(&platform, format), page_says(&platform, format));
    }

    #[test]
    fn raising_an_svn_never_worsens_the_verdict_where_levels_are_monotone(
        platform in platforms(true),
        format in formats(),
        which in 0..50_usize,
    ) {
        let mut raised = platform.clone();
        raise(&mut raised, which);
        let (before, after) = (verifier_says(&platform, format), verifier_says(&raised, format));
        prop_assert!(severity(&after) <= severity(&before), "{before:?}, then {after:?}");
    }
}

/// The two properties would hold of nothing much if nearly every platform were refused, or all had one status.
#[test]
fn generated_platforms_have_every_kind_of_answer() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..4_000 {
        let sample = (platforms(false), formats()).new_tree(&mut runner).unwrap().current();
        let answer = match page_says(&sample.0, sample.1) {
            Ok(status) => status.name().to_owned(),
            Err(code) => code,
        };
        *answers.entry(answer).or_insert(0) += 1;
    }
    let codes = [
        "tdx-module.unknown",
        "tcb.platform-not-supported",
        "tcb.qe-not-supported",
        "tcb.tdx-module-not-supported",
        "tcb.current-platform-not-supported",
        "tcb.current-tdx-module-not-supported",
    ];
    for answer in TcbStatus::ALL.map(TcbStatus::name).into_iter().chain(codes) {
        assert!(answers.contains_key(answer), "no {answer} among {answers:?}");
    }
    let refused: usize =
        answers.iter().filter(|(answer, _)| answer.contains('.')).map(|(_, count)| count).sum();
    assert!(refused < 2_400, "{refused} of 4,000 refused: {answers:?}");
}
