//! The truth table of relaunch advice, each cell minted and verified: the status at launch × the status now.
//!
//! Source: Intel QVL 1.27, `checkForRelaunch`; read, not run.

use tdattest_simulator::platform::{IsvLevel, PlatformLevel};
use tdattest_simulator::{Format, Platform};
use tdattest_verifier::wire::tcb_status::TcbStatus;

use TcbStatus::{
    ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
    OutOfDateConfigurationNeeded, Revoked, SwHardeningNeeded, TdRelaunchAdvised,
    TdRelaunchAdvisedConfigurationNeeded, UpToDate,
};

use crate::case::{Case, platform};
use crate::peer::assert_agrees;

const PLATFORM_STATUSES: [TcbStatus; 7] = [
    UpToDate,
    SwHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSwHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
];

/// As the page of facts has it: launch ∈ {OutOfDate, OutOfDateConfigurationNeeded} and now ∈ {UpToDate,
/// SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded} is advice, with a configuration if one of
/// the two has one; everything else is the launch status.
fn expected(launch: TcbStatus, now: TcbStatus) -> TcbStatus {
    match (launch, now) {
        (OutOfDate, UpToDate | SwHardeningNeeded) => TdRelaunchAdvised,
        (OutOfDate, ConfigurationNeeded | ConfigurationAndSwHardeningNeeded)
        | (
            OutOfDateConfigurationNeeded,
            UpToDate | SwHardeningNeeded | ConfigurationNeeded | ConfigurationAndSwHardeningNeeded,
        ) => TdRelaunchAdvisedConfigurationNeeded,
        (launch, _) => launch,
    }
}

/// A platform that was at one level when the TD was launched and is at another now. The SEAM loader's SVN tells.
fn launched_and_now(launch: TcbStatus, now: TcbStatus) -> Platform {
    let mut platform = platform();
    let template = platform.standard.tcb_level[0].clone();
    let level = |status, loader| {
        let mut level = PlatformLevel { status, ..template.clone() };
        level.tdx[2] = loader;
        level
    };
    platform.tdx_module.tee_tcb_svn[2] = 3;
    platform.tdx_module.tee_tcb_svn_2.as_mut().unwrap()[2] = 7;
    platform.standard.tcb_level = vec![level(now, 7), level(launch, 3)];
    platform
}

#[test]
fn every_cell_of_launch_and_now_gives_intels_advice() {
    for launch in PLATFORM_STATUSES {
        for now in PLATFORM_STATUSES {
            let platform = launched_and_now(launch, now);
            for format in [Format::V5_TD_1_5, Format::V5_TD_1_5_EX] {
                let case = Case::new(&platform, format);
                let verified = case.verify().unwrap();
                let (cell, tcb) = (format!("{launch}, then {now}, in a {format}"), verified.tcb());
                assert_eq!(tcb.status, expected(launch, now), "{cell}");
                assert_eq!(tcb.platform, launch, "{cell}");
                assert_eq!(tcb.current, Some(now), "{cell}");
                assert_agrees(&case, &verified, format, &cell);
            }
        }
    }
}

/// The same through the TDX module's own levels, which converge before the advice.
#[test]
fn every_cell_of_a_module_updated_under_the_td_gives_intels_advice() {
    let components = [UpToDate, OutOfDate, Revoked];
    for of_platform in PLATFORM_STATUSES {
        for launch in components {
            for now in components {
                let mut platform = platform();
                platform.tdx_module.tee_tcb_svn[0] = 2;
                platform.tdx_module.tee_tcb_svn_2.as_mut().unwrap()[0] = 5;
                let set = &mut platform.standard;
                set.tcb_level.iter_mut().for_each(|level| level.status = of_platform);
                let date = set.tcb_date;
                let level =
                    |status, isv_svn| IsvLevel { status, date, isv_svn, advisory_ids: vec![] };
                set.tdx_module[0].tcb_level = vec![level(now, 5), level(launch, 2)];
                let case = Case::new(&platform, Format::V5_TD_1_5);
                let verified = case.verify().unwrap();
                let (at_launch, at_now) =
                    (converged(of_platform, launch), converged(of_platform, now));
                let cell = format!("{of_platform}, module {launch}, then {now}");
                assert_eq!(verified.tcb().status, expected(at_launch, at_now), "{cell}");
                assert_eq!(verified.tcb().current, Some(at_now), "{cell}");
                assert_agrees(&case, &verified, Format::V5_TD_1_5, &cell);
            }
        }
    }
}

/// One component, as observed from Intel's library.
fn converged(platform: TcbStatus, component: TcbStatus) -> TcbStatus {
    match (component, platform) {
        (Revoked, _) => Revoked,
        (OutOfDate, UpToDate | SwHardeningNeeded) => OutOfDate,
        (OutOfDate, ConfigurationNeeded | ConfigurationAndSwHardeningNeeded) => {
            OutOfDateConfigurationNeeded
        }
        (_, platform) => platform,
    }
}

#[test]
fn quotes_of_tdx_1_0_know_nothing_of_now() {
    let platform = launched_and_now(OutOfDate, UpToDate);
    for format in [Format::V4_TD_1_0, Format::V5_TD_1_0] {
        let verified = Case::new(&platform, format).verify().unwrap();
        assert_eq!(verified.tcb().status, OutOfDate, "{format}");
        assert_eq!(verified.tcb().current, None, "{format}");
    }
}
