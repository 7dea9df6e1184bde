//! How the statuses of platform, TDX module and QE become one.
//!
//! Source: Intel QVL 1.27, `EvaluateTcb` (converge). Versions up to 1.26 differ in relaunch advice, not in this.

use tdattest_wire::tcb_status::TcbStatus;

/// The platform's status under those of its components: a component never makes anything better, revocation wins.
pub(crate) fn converge(platform: TcbStatus, components: &[TcbStatus]) -> TcbStatus {
    if components.contains(&TcbStatus::Revoked) {
        return TcbStatus::Revoked;
    }
    if !components.contains(&TcbStatus::OutOfDate) {
        return platform;
    }
    match platform {
        TcbStatus::UpToDate | TcbStatus::SwHardeningNeeded => TcbStatus::OutOfDate,
        TcbStatus::ConfigurationNeeded | TcbStatus::ConfigurationAndSwHardeningNeeded => {
            TcbStatus::OutOfDateConfigurationNeeded
        }
        unchanged => unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TcbStatus::{
        ConfigurationAndSwHardeningNeeded, ConfigurationNeeded, OutOfDate,
        OutOfDateConfigurationNeeded, Revoked, SwHardeningNeeded, UpToDate,
    };

    /// Observed by running Intel's library: platform level, then the result under a module that is up to date, out of
    /// date, revoked.
    const OBSERVED: [(TcbStatus, [TcbStatus; 3]); 7] = [
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

    #[test]
    fn converges_as_intels_library_does() {
        for (platform, expected) in OBSERVED {
            for (component, expected) in [UpToDate, OutOfDate, Revoked].into_iter().zip(expected) {
                assert_eq!(
                    converge(platform, &[component]),
                    expected,
                    "{platform} with {component}"
                );
                assert_eq!(
                    converge(platform, &[UpToDate, component]),
                    expected,
                    "order does not matter"
                );
                assert_eq!(
                    converge(platform, &[component, UpToDate]),
                    expected,
                    "order does not matter"
                );
            }
        }
    }

    #[test]
    fn a_revoked_component_wins_over_one_that_is_out_of_date() {
        for platform in TcbStatus::ALL {
            assert_eq!(converge(platform, &[OutOfDate, Revoked]), Revoked);
        }
    }
}
