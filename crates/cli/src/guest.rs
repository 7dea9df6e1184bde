//! The TD that a command runs in: where its devices are, the ways to a quote, and how to say what cannot be had here.

mod remedy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tdattest_attester::{
    Deadline, Endpoint, NoAnswer, Paths, Provider, ProviderError, ReportError, RtmrError,
};
use tdattest_verifier::wire::bytes::ReportData;

use crate::arguments::ReportDataArgs;
use crate::exit::Exit;
use crate::output;
use crate::shell::quoted;
use crate::table::aligned;

/// Where Intel's QGS has its socket.
const QGS_SOCKET: &str = "/var/run/tdx-qgs/qgs.socket";

/// Longest time that can be waited for one way to a quote, in seconds.
const LONGEST_WAIT_S: f64 = 3600.0;

/// `--root`: where the TD's devices and files are.
#[derive(clap::Args)]
pub(crate) struct RootArgs {
    /// Look for /dev, /sys, /etc and /run of the TD below this folder, as in a container or a simulated TD
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl RootArgs {
    /// The places below it.
    pub(crate) fn paths(&self) -> Paths {
        self.root.as_deref().map_or_else(Paths::default, Paths::below)
    }
}

/// What the report data of a TDREPORT or quote is to be, and how a verifier demands the same.
pub(crate) struct Challenge {
    /// The report data.
    pub(crate) report_data: ReportData,
    /// Words of a command that demand it.
    pub(crate) words: String,
    /// Whether it was chosen here, for want of anything given.
    pub(crate) chosen_here: bool,
}

impl Challenge {
    /// What is given, or the hash of a random nonce.
    ///
    /// Not zeros, which would make every quote of this TD stand for every other; and shown, since a nonce that nobody
    /// knows demands nothing.
    pub(crate) fn new(given: &ReportDataArgs) -> Result<Self> {
        let chosen = given.or_random_nonce()?;
        Ok(Self {
            report_data: chosen.report_data()?.unwrap_or_default(),
            words: chosen.words().join(" "),
            chosen_here: given.words().is_empty(),
        })
    }

    /// A warning where the nonce is the TD's own.
    pub(crate) fn warn(&self) {
        if self.chosen_here {
            output::note(&output::warning(
                "no report data was given, so the nonce is a random one: it proves to nobody that this is fresh; \
                 a verifier's nonce does (--nonce)",
            ));
        }
    }
}

/// One word of `--provider`.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// All ways that may work, in the usual order.
    Auto,
    /// This one.
    One(Provider),
}

/// `--provider` and `--timeout`.
#[derive(clap::Args)]
pub(crate) struct ProviderArgs {
    /// The way to the quote, or several in the order to try them, with commas between
    ///
    /// configfs: the kernel's configfs-tsm (Linux 6.7 and later). vsock: the QGS on the host's port that
    /// /etc/tdx-attest.conf names. vsock:CID:PORT: a QGS there. unix:PATH: a QGS on this socket; unix alone means
    /// /var/run/tdx-qgs/qgs.socket. ioctl: GET_QUOTE of downstream kernels. auto: configfs,vsock,ioctl.
    #[arg(long, value_name = "WAY,…", value_delimiter = ',', default_value = "auto", value_parser = parse_way)]
    provider: Vec<Way>,

    /// Wait this long for each way; kernel, hypervisor and QGS each wait 30 s for theirs
    #[arg(long, value_name = "SECONDS", default_value_t = Deadline::DEFAULT.as_secs().into(), value_parser = parse_timeout)]
    timeout: Seconds,
}

impl ProviderArgs {
    /// The ways, in order.
    pub(crate) fn providers(&self) -> Vec<Provider> {
        let ways = self.provider.iter().flat_map(|way| match way {
            Way::Auto => vec![Provider::Configfs, Provider::ConfiguredVsock, Provider::Ioctl],
            Way::One(provider) => vec![provider.clone()],
        });
        ways.collect()
    }

    /// How long to wait for each.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.0
    }
}

/// A time to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl From<u64> for Seconds {
    fn from(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

pub(crate) fn parse_timeout(text: &str) -> Result<Seconds, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=LONGEST_WAIT_S).contains(seconds));
    let seconds = seconds.ok_or(format!("expected seconds, from 0.001 to {LONGEST_WAIT_S}"))?;
    Ok(Seconds(Duration::from_secs_f64(seconds)))
}

fn parse_way(text: &str) -> Result<Way, String> {
    Ok(Way::One(match text {
        "auto" => return Ok(Way::Auto),
        "configfs" => Provider::Configfs,
        "vsock" => Provider::ConfiguredVsock,
        "ioctl" => Provider::Ioctl,
        other => Provider::Qgs(parse_endpoint(other).map_err(|_| {
            "expected auto, configfs, vsock, vsock:CID:PORT, unix, unix:PATH or ioctl".to_owned()
        })?),
    }))
}

/// `unix`, `unix:PATH` or `vsock:CID:PORT`.
pub(crate) fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    let vsock = |address: &str| {
        let (cid, port) = address.split_once(':')?;
        Some(Endpoint::Vsock { cid: cid.parse().ok()?, port: port.parse().ok()? })
    };
    let endpoint = match text.split_once(':') {
        None if text == "unix" => Some(Endpoint::Unix(QGS_SOCKET.into())),
        Some(("unix", path)) if !path.is_empty() => Some(Endpoint::Unix(path.into())),
        Some(("vsock", address)) => vsock(address),
        _ => None,
    };
    endpoint.ok_or_else(|| "expected vsock:CID:PORT, unix:PATH or unix".into())
}

/// Says that no way brought a quote, what became of each, and what to do.
pub(crate) fn no_quote(no_quote: &NoAnswer) -> Exit {
    output::note(&output::problem("no quote can be had here"));
    output::note(attempts(&no_quote.failed).trim_end());
    // A way that is there and failed says more than one that is not there.
    let failed = no_quote.failed.iter().find(|attempt| !attempt.error.is_unavailable());
    if let Some(attempt) = failed.or(no_quote.failed.first()) {
        let hint = remedy::of_provider(&attempt.provider, &attempt.error);
        output::note(&output::hint(&hint));
    }
    Exit::Unavailable
}

/// What became of each way, in rows.
pub(crate) fn attempts(attempts: &[tdattest_attester::Attempt]) -> String {
    let rows: Vec<_> = attempts
        .iter()
        .map(|attempt| vec![attempt.provider.to_string(), attempt.error.to_string()])
        .collect();
    aligned(&rows, &[], "  ")
}

/// Says why there is no TDREPORT.
pub(crate) fn no_report(fault: &ReportError) -> Exit {
    unavailable(&format!("no TDREPORT can be had here: {fault}"), &remedy::of_report(fault))
}

/// Says why registers cannot be read, or one cannot be extended.
pub(crate) fn no_register(what: &str, fault: &RtmrError) -> Exit {
    unavailable(&format!("{what}: {fault}"), &remedy::of_register(fault))
}

/// What to do about a QGS that brings no quote.
pub(crate) fn qgs_remedy(endpoint: &Endpoint, configured: bool, fault: &ProviderError) -> String {
    let provider = match configured {
        true => Provider::ConfiguredVsock,
        false => Provider::Qgs(endpoint.clone()),
    };
    remedy::of_provider(&provider, fault)
}

/// Says that something cannot be had here, and what to do.
pub(crate) fn unavailable(problem: &str, hint: &str) -> Exit {
    output::note(&output::problem(problem));
    output::note(&output::hint(hint));
    Exit::Unavailable
}

/// A file as a word of a command; a name to fill in where it went elsewhere.
pub(crate) fn word(path: Option<&Path>, otherwise: &str) -> String {
    path.map_or_else(|| otherwise.into(), |path| quoted(path.as_os_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str) -> Option<Provider> {
        match parse_way(text) {
            Ok(Way::One(provider)) => Some(provider),
            _ => None,
        }
    }

    #[test]
    fn a_way_is_a_name_or_an_address_and_nothing_near_it() {
        let unix = |path: &str| Some(Provider::Qgs(Endpoint::Unix(path.into())));
        let vsock = |cid, port| Some(Provider::Qgs(Endpoint::Vsock { cid, port }));
        assert!(matches!(parse_way("auto"), Ok(Way::Auto)));
        for (text, expected) in [
            ("configfs", Some(Provider::Configfs)),
            ("vsock", Some(Provider::ConfiguredVsock)),
            ("ioctl", Some(Provider::Ioctl)),
            ("unix", unix(QGS_SOCKET)),
            ("unix:qgs.socket", unix("qgs.socket")),
            ("unix:/a:b", unix("/a:b")),
            ("vsock:2:4050", vsock(2, 4050)),
            ("vsock:4294967295:70000", vsock(u32::MAX, 70_000)),
            ("", None),
            ("Configfs", None),
            ("unix:", None),
            ("vsock:", None),
            ("vsock:4050", None),
            ("vsock:2:4050:1", None),
            ("vsock:-1:4050", None),
            ("tcp:127.0.0.1:4050", None),
        ] {
            assert_eq!(way(text), expected, "{text}");
        }
    }

    #[test]
    fn only_an_address_is_an_endpoint() {
        for name in ["auto", "configfs", "vsock", "ioctl"] {
            assert!(parse_endpoint(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_time_to_wait_is_positive_and_bounded() {
        for (text, milliseconds) in
            [("60", 60_000), ("0.5", 500), ("0.001", 1), ("3600", 3_600_000)]
        {
            assert_eq!(parse_timeout(text).unwrap().0.as_millis(), milliseconds);
        }
        for text in ["", "0", "-1", "3601", "NaN", "inf", "1s"] {
            assert!(parse_timeout(text).is_err(), "{text}");
        }
    }
}
