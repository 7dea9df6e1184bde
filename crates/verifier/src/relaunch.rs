//! Would launching the TD again help? TDX 1.5 can update its module under a running TD.
//!
//! Source: Intel QVL 1.27, `checkForRelaunch`.

use tdattest_wire::tcb_status::TcbStatus;

use TcbStatus::{
    ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
    OutOfDateConfigurationNeeded, SwHardeningNeeded, TdRelaunchAdvised,
    TdRelaunchAdvisedConfigurationNeeded, UpToDate,
};

/// The status of a TD launched at `launch` whose platform is at `current` now.
pub(crate) fn advise(launch: TcbStatus, current: TcbStatus) -> TcbStatus {
    let launched_out_of_date = matches!(launch, OutOfDate | OutOfDateConfigurationNeeded);
    let current_is_fine = matches!(
        current,
        UpToDate | SwHardeningNeeded | ConfigurationNeeded | ConfigurationAndSwHardeningNeeded
    );
    if !launched_out_of_date || !current_is_fine {
        return launch;
    }
    let configuration = |status| {
        matches!(
            status,
            ConfigurationNeeded | OutOfDateConfigurationNeeded | ConfigurationAndSwHardeningNeeded
        )
    };
    if configuration(launch) || configuration(current) {
        TdRelaunchAdvisedConfigurationNeeded
    } else {
        TdRelaunchAdvised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advises_a_relaunch_only_if_the_launch_was_out_of_date_and_the_platform_is_not() {
        for launch in TcbStatus::ALL {
            for current in TcbStatus::ALL {
                let expected = match (launch, current) {
                    (OutOfDate, UpToDate | SwHardeningNeeded) => TdRelaunchAdvised,
                    (OutOfDate, ConfigurationNeeded | ConfigurationAndSwHardeningNeeded)
                    | (
                        OutOfDateConfigurationNeeded,
                        UpToDate
                        | SwHardeningNeeded
                        | ConfigurationNeeded
                        | ConfigurationAndSwHardeningNeeded,
                    ) => TdRelaunchAdvisedConfigurationNeeded,
                    _ => launch,
                };
                assert_eq!(advise(launch, current), expected, "{launch} then {current}");
            }
        }
    }
}
