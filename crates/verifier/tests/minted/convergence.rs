//! Every cell of the convergence matrix, minted and verified: platform × TDX module × QE.
//!
//! Source: Intel QVL 1.27, observed by running it.

use tdattest_simulator::{Format, Platform};
use tdattest_verifier::VerifyError;
use tdattest_verifier::error::NotSupported;
use tdattest_verifier::wire::quote::TeeType;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::time::UnixTime;

use TcbStatus::{
    ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
    OutOfDateConfigurationNeeded, Revoked, SwHardeningNeeded, UpToDate,
};

use crate::case::{Case, platform};
use crate::peer::assert_agrees;

/// The platform's status, then the result under a component that is up to date, out of date, revoked.
const MATRIX: [(TcbStatus, [TcbStatus; 3]); 7] = [
    (UpToDate, [UpToDate, OutOfDate, Revoked]),
    (OutOfDate, [OutOfDate, OutOfDate, Revoked]),
    (ConfigurationNeeded, [ConfigurationNeeded, OutOfDateConfigurationNeeded, Revoked]),
    (
        OutOfDateConfigurationNeeded,
        [OutOfDateConfigurationNeeded, OutOfDateConfigurationNeeded, Revoked],
    ),
    (SwHardeningNeeded, [SwHardeningNeeded, OutOfDate, Revoked]),
    (
        ConfigurationAndSwHardeningNeeded,
        [ConfigurationAndSwHardeningNeeded, OutOfDateConfigurationNeeded, Revoked],
    ),
    (Revoked, [Revoked, Revoked, Revoked]),
];

/// What a TDX module or a QE can be, in the order of the matrix.
const COMPONENT: [TcbStatus; 3] = [UpToDate, OutOfDate, Revoked];

/// A platform whose levels all have these statuses.
fn with_statuses(of_platform: TcbStatus, of_module: TcbStatus, of_qe: TcbStatus) -> Platform {
    let mut platform = platform();
    let set = &mut platform.standard;
    for level in &mut set.tcb_level {
        (level.status, level.date) = (of_platform, date(2));
        level.advisory_ids = vec!["of the platform".into(), "of all".into()];
    }
    for level in set.tdx_module.iter_mut().flat_map(|module| &mut module.tcb_level) {
        (level.status, level.date) = (of_module, date(1));
        level.advisory_ids = vec!["of all".into(), "of the module".into()];
    }
    for level in set.td_qe.iter_mut().chain(&mut set.qe) {
        (level.status, level.date) = (of_qe, date(3));
        level.advisory_ids = vec!["of all".into(), "of the QE".into()];
    }
    platform
}

/// A date of 2024, another for each part.
fn date(month: u8) -> UnixTime {
    format!("2024-{month:02}-01T00:00:00Z").parse().unwrap()
}

/// The worse of two components, as the matrix is indexed by.
fn worse(one: usize, other: usize) -> usize {
    one.max(other)
}

#[test]
fn every_cell_of_platform_module_and_qe_converges_as_intels_library_does() {
    let mut cells = 0;
    for (of_platform, results) in MATRIX {
        for (module_index, of_module) in COMPONENT.into_iter().enumerate() {
            for (qe_index, of_qe) in COMPONENT.into_iter().enumerate() {
                let platform = with_statuses(of_platform, of_module, of_qe);
                for format in Format::ALL {
                    let is_tdx = format.tee() == TeeType::Tdx;
                    let case = Case::new(&platform, format);
                    let verified = case.verify().unwrap();
                    let tcb = verified.tcb();
                    // An enclave has no TDX module.
                    let component = if is_tdx { worse(module_index, qe_index) } else { qe_index };
                    let cell = format!("{of_platform}, {of_module}, {of_qe} in a {format}");
                    assert_eq!(tcb.status, results[component], "{cell}");
                    assert_eq!(tcb.platform, of_platform, "{cell}");
                    assert_eq!(tcb.tdx_module, is_tdx.then_some(of_module), "{cell}");
                    assert_eq!(tcb.qe, of_qe, "{cell}");
                    // The earliest date of the levels reached, and the advisories of all of them, each once.
                    assert_eq!(tcb.date, date(if is_tdx { 1 } else { 2 }), "{cell}");
                    let of_module = is_tdx.then_some("of the module");
                    let advisories = ["of all", "of the QE"].into_iter().chain(of_module);
                    let advisories: Vec<&str> = advisories.chain(["of the platform"]).collect();
                    assert_eq!(tcb.advisory_ids, advisories, "{cell}");
                    assert_agrees(&case, &verified, format, &cell);
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 7 * 3 * 3 * Format::ALL.len());
}

#[test]
fn a_module_status_that_no_module_can_have_is_not_supported() {
    for status in TcbStatus::ALL.into_iter().filter(|status| !COMPONENT.contains(status)) {
        // TCB info can carry only what platforms can have; relaunch advice is nothing that Intel writes there.
        if !status.is_platform_status() {
            continue;
        }
        let platform = with_statuses(UpToDate, status, UpToDate);
        let refused = Case::new(&platform, Format::V4_TD_1_0).verify().unwrap_err();
        let expected = VerifyError::TcbNotSupported(NotSupported::TdxModuleStatus);
        assert_eq!(refused.error(), &expected, "{status}");
    }
}

/// Version 0 is the module before there were identities: it has no levels, and the first two TDX components count.
#[test]
fn a_module_without_a_major_version_is_judged_by_the_platforms_levels_alone() {
    for (of_platform, results) in MATRIX {
        let mut platform = with_statuses(of_platform, Revoked, UpToDate);
        platform.tdx_module.tee_tcb_svn[1] = 0;
        platform.tdx_module.tee_tcb_svn_2.as_mut().unwrap()[1] = 0;
        platform.standard.tcb_level.iter_mut().for_each(|level| level.tdx[1] = 0);
        let verified = Case::new(&platform, Format::V4_TD_1_0).verify().unwrap();
        assert_eq!(verified.tcb().status, results[0], "{of_platform}");
        assert_eq!(verified.tcb().tdx_module, None);
    }
}
