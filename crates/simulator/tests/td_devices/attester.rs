//! What the attester makes of the devices: their faults, a QGS behind or beside them, and many at once.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tdattest_attester::{
    Attester, Endpoint, Hop, ObtainedQuote, Provider, ProviderError, ReportError,
};
use tdattest_simulator::qgs_server::QgsServer;
use tdattest_simulator::td_devices::{DeviceFault, QuoteSource};
use tdattest_wire::bytes::ReportData;
use tdattest_wire::error::ParseErrorKind;
use tdattest_wire::qgs::{NoAnswer, QgsError};

use super::{Td, platform, report_data_of, td, td_with};

const REPORT_DATA: ReportData = ReportData([0x5a; 64]);

/// Asks in one way, for as long as the deadline says.
fn ask(td: &Td, provider: Provider, allowed: Duration) -> Result<ObtainedQuote, ProviderError> {
    let attester = Attester::new(td.paths.clone()).with_providers(vec![provider]);
    let obtained = attester.with_deadline(allowed).quote(&REPORT_DATA);
    obtained.map_err(|mut none| none.failed.remove(0).error)
}

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);
/// Long enough to ask on a busy machine, and short enough to wait for the end of.
const SHORT: Duration = Duration::from_secs(1);

fn configfs(td: &Td, allowed: Duration) -> Result<ObtainedQuote, ProviderError> {
    ask(td, Provider::Configfs, allowed)
}

#[test]
fn a_quote_comes_over_configfs_from_the_platform_and_from_a_qgs() {
    let Some(direct) = td() else { return };
    let mut server = None;
    let Some(over_qgs) = td_with(|folder| {
        let path = folder.join("qgs.socket");
        server = Some(QgsServer::start(&platform(), &path).unwrap());
        QuoteSource::Qgs(path)
    }) else {
        return;
    };
    let quotes = [&direct, &over_qgs].map(|td| configfs(td, LONG).unwrap().bytes);
    assert_eq!(report_data_of(&quotes[0]), REPORT_DATA);
    assert_eq!(quotes[0], quotes[1]);
    assert_eq!(over_qgs.devices.entries(), [""; 0]);
    // QEMU is given what no client of the QGS would be.
    let server = server.unwrap();
    for (misbehaviour, expected) in
        [("wrong-minor", false), ("selected-id", false), ("byte-by-byte", true), ("paused=0", true)]
    {
        server.misbehave(Some(misbehaviour.parse().unwrap()));
        assert_eq!(configfs(&over_qgs, LONG).is_ok(), expected, "{misbehaviour}");
    }
    drop(server);
    assert!(matches!(configfs(&over_qgs, LONG), Err(ProviderError::Io { hop: Hop::Configfs, .. })));
}

#[test]
fn each_fault_of_the_devices_is_told_for_what_it_is() {
    let Some(td) = td() else { return };
    let entries = td.paths.tsm_report.clone();
    let mut read_to_the_end = Vec::new();
    for fault in DeviceFault::ALL {
        td.devices.recover();
        td.devices.fail(fault.into());
        // No attester waits for the end of these.
        let allowed = match fault {
            DeviceFault::Busy
            | DeviceFault::TimedOut
            | DeviceFault::Interrupted
            | DeviceFault::Delay(_) => SHORT,
            _ => LONG,
        };
        let told = configfs(&td, allowed).map(|quote| quote.bytes.len());
        let io = |text: &str| {
            let ends = |fault: &str| fault.contains(text) && fault.contains("outblob");
            matches!(&told, Err(ProviderError::Io { hop: Hop::Configfs, fault }) if ends(fault))
        };
        let as_expected = match fault {
            DeviceFault::Busy => told == Err(ProviderError::Busy { hop: Hop::Configfs }),
            DeviceFault::Io => io("os error 5)"),
            DeviceFault::TooLarge => io("os error 27)"),
            DeviceFault::Empty => told == Err(ProviderError::Empty),
            DeviceFault::CompetingWriter => {
                told == Err(ProviderError::Generation { expected: 1, found: "2".into() })
            }
            // The kernel's patience, or the attester's own.
            DeviceFault::TimedOut | DeviceFault::Interrupted | DeviceFault::Delay(_) => {
                told == Err(ProviderError::Deadline { hop: Hop::Configfs, allowed })
            }
            DeviceFault::MkdirDenied => {
                matches!(&told, Err(ProviderError::Permission(path)) if path.starts_with(&entries))
            }
            DeviceFault::NoProvider => told == Err(ProviderError::NoProvider),
            DeviceFault::OtherProvider => told == Err(ProviderError::OtherTee("sev_guest".into())),
            // Only GET_REPORT0 meets it.
            DeviceFault::Report => told.is_ok(),
        };
        assert!(as_expected, "{fault}: {told:?}");
        let mut left = td.devices.entries();
        left.retain(|entry| !read_to_the_end.contains(entry));
        if matches!(fault, DeviceFault::Delay(_)) {
            // The kernel lets nobody remove it while it makes the quote: whoever reads it does, when it is there.
            read_to_the_end = std::mem::take(&mut left);
        }
        assert_eq!(left, [""; 0], "{fault}");
    }
}

#[test]
fn faults_that_pass_are_waited_for() {
    let Some(td) = td() else { return };
    for fault in ["busy,times=2", "timed-out,times=1", "interrupted,times=2", "delay=0"] {
        td.devices.fail(fault.parse().unwrap());
        assert_eq!(
            configfs(&td, LONG).map(|quote| report_data_of(&quote.bytes)),
            Ok(REPORT_DATA),
            "{fault}"
        );
        td.devices.recover();
    }
}

#[test]
fn a_report_that_the_module_refuses_is_told_with_the_device() {
    let Some(td) = td() else { return };
    td.devices.fail(DeviceFault::Report.into());
    let found = ask(&td, Provider::Qgs(Endpoint::Unix("/nowhere".into())), LONG);
    let device = td.paths.devices.join("tdx_guest");
    assert!(
        matches!(&found, Err(ProviderError::Report(ReportError::Io { path, .. })) if *path == device),
        "{found:?}"
    );
}

/// What the attester says of a QGS that misbehaves, `None` if it has a quote.
fn of_misbehaving(td: &Td, server: &QgsServer, name: &str) -> Option<ProviderError> {
    server.misbehave(Some(name.parse().unwrap()));
    let allowed = if matches!(name, "hang" | "slow" | "paused=9") { SHORT } else { LONG };
    ask(td, Provider::Qgs(Endpoint::Unix(server.path().into())), allowed).err()
}

#[test]
fn each_misbehaviour_of_a_qgs_is_told_for_what_it_is() {
    let Some(td) = td() else { return };
    let server = QgsServer::start(&platform(), &td.folder.path().join("qgs.socket")).unwrap();
    let unsupported = |error: &ProviderError, named: &str| {
        let ProviderError::Qgs(NoAnswer::Malformed(fault)) = error else { return false };
        matches!(&fault.kind, ParseErrorKind::Unsupported { field, .. } if *field == named)
    };
    let malformed =
        |error: &ProviderError| matches!(error, ProviderError::Qgs(NoAnswer::Malformed(_)));
    type Check<'c> = &'c dyn Fn(&ProviderError) -> bool;
    let late: Check<'_> =
        &|it| *it == ProviderError::Deadline { hop: Hop::Receive, allowed: SHORT };
    let early = |it: &ProviderError, received: std::ops::RangeInclusive<usize>| matches!(it, ProviderError::ClosedEarly { received: found, .. } if received.contains(found));
    let refused =
        |code| ProviderError::Qgs(NoAnswer::Refused(QgsError::from_number(code).unwrap()));
    let expected: [(&str, Option<Check<'_>>); 26] = [
        ("hang", Some(late)),
        ("slow", Some(late)),
        ("slow=0", None),
        (
            "close",
            Some(&|it| {
                early(it, 0..=0)
                    || matches!(it, ProviderError::Io { hop: Hop::Send | Hop::Receive, .. })
            }),
        ),
        ("close-after-request", Some(&|it| early(it, 0..=0))),
        ("short-prefix", Some(&|it| early(it, 2..=2))),
        ("close-after-prefix", Some(&|it| early(it, 0..=0))),
        ("close-mid-body", Some(&|it| early(it, 1000..=5000))),
        ("garbage", Some(&|it| unsupported(it, "major version"))),
        ("wrong-major", Some(&|it| unsupported(it, "major version"))),
        // As Intel's client.
        ("wrong-minor", None),
        ("wrong-type", Some(&|it| unsupported(it, "message type"))),
        ("oversize", Some(&malformed)),
        ("lying-size", Some(&malformed)),
        ("lying-quote-size", Some(&malformed)),
        ("empty-quote", Some(&malformed)),
        ("error", Some(&|it| *it == refused(0x12001))),
        ("error=0x12004", Some(&|it| *it == refused(0x12004))),
        ("byte-by-byte", None),
        ("paused=0", None),
        ("paused=9", Some(late)),
        ("unframed", Some(&malformed)),
        ("selected-id", None),
        ("trailing-bytes", None),
        ("other-report-data", Some(&|it| *it == ProviderError::OtherReportData)),
        ("truncated-quote", Some(&|it| matches!(it, ProviderError::NotAQuote(_)))),
    ];
    for (name, check) in expected {
        let found = of_misbehaving(&td, &server, name);
        match (check, &found) {
            (None, None) => {}
            (Some(check), Some(error)) if check(error) => {}
            _ => panic!("{name}: {found:?}"),
        }
    }
    server.misbehave(Some("padded-quote".parse().unwrap()));
    let padded = ask(&td, Provider::Qgs(Endpoint::Unix(server.path().into())), LONG).unwrap();
    assert_eq!(padded.padding, 307);
}

#[test]
fn many_at_once_each_get_their_own_quote() {
    const THREADS: u8 = 64;
    const ROUNDS: u8 = 4;
    let Some(td) = td() else { return };
    let server = QgsServer::start(&platform(), &td.folder.path().join("qgs.socket")).unwrap();
    let attesters = [Provider::Configfs, Provider::Qgs(Endpoint::Unix(server.path().into()))]
        .map(|provider| Arc::new(Attester::new(td.paths.clone()).with_providers(vec![provider])));
    let asking: Vec<_> = (0..THREADS)
        .map(|number| {
            let attester = Arc::clone(&attesters[usize::from(number % 2)]);
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    let mut report_data = ReportData([number; 64]);
                    report_data.0[0] = round;
                    let quote = attester.quote(&report_data).unwrap();
                    assert_eq!(report_data_of(&quote.bytes), report_data);
                }
            })
        })
        .collect();
    for thread in asking {
        thread.join().unwrap();
    }
    assert_eq!(td.devices.entries(), [""; 0]);
    assert!(is_empty(&td.paths.tsm_report));
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}
