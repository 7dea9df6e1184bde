//! Many threads ask a simulated TD for quotes at once, half of them through the kernel and half a QGS: each gets its own.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "says why it is skipped, and what came of the trial")]

mod simulated_td;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tdattest_attester::{Attester, Endpoint, Paths, Provider};
use tdattest_simulator::qgs_server::{Outcome, QgsServer, Served};
use tdattest_simulator::td_devices::{Mounted, QuoteSource, TdDevices};
use tdattest_simulator::{CollateralDraft, Platform, Seed};
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::{Quote, TeeType};
use tdattest_verifier::{PreparedCollateral, TrustAnchor, Verifier, crypto};
use tempfile::TempDir;

const THREADS: usize = 64;

/// A TD with its devices mounted, and a QGS beside it.
struct Td {
    platform: Platform,
    devices: TdDevices,
    paths: Paths,
    qgs: QgsServer,
    told_by_qgs: Arc<AtomicUsize>,
    // In this order: unmounted, then removed.
    _mounted: Mounted,
    _folder: TempDir,
}

impl Td {
    fn new() -> Option<Self> {
        if let Err(reason) = simulated_td::possible() {
            eprintln!("skipped: {reason}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let platform = Platform::new(Seed::of("many at once"));
        let devices = TdDevices::launch(&platform, QuoteSource::Platform).unwrap();
        let mounted = match devices.mount(&root) {
            Ok(mounted) => mounted,
            Err(fault) => {
                eprintln!("skipped: {fault}");
                return None;
            }
        };
        let told_by_qgs = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&told_by_qgs);
        let observer = Arc::new(move |served: &Served| {
            assert!(matches!(served.outcome, Outcome::Quote { .. }), "{served}");
            count.fetch_add(1, Ordering::Relaxed);
        });
        let socket = folder.path().join("qgs.socket");
        let qgs = QgsServer::start_observed(&platform, &socket, Some(observer)).unwrap();
        let paths = Paths::below(&root);
        Some(Self {
            platform,
            devices,
            paths,
            qgs,
            told_by_qgs,
            _mounted: mounted,
            _folder: folder,
        })
    }

    /// What one of the threads asks with: every other one through the kernel.
    fn attester(&self, thread: usize) -> Attester {
        let provider = match thread % 2 {
            0 => Provider::Configfs,
            _ => Provider::Qgs(Endpoint::Unix(self.qgs.path().into())),
        };
        Attester::new(self.paths.clone()).with_providers(vec![provider])
    }

    /// What verifies its quotes.
    fn collateral(&self) -> PreparedCollateral {
        let draft = CollateralDraft::new(
            &self.platform,
            TeeType::Tdx,
            EvaluationDataSet::Standard,
            simulated_td::AT.parse().unwrap(),
        );
        let anchor = TrustAnchor::from_der(&self.platform.root_ca().der().unwrap()).unwrap();
        let verifier = Verifier::new(anchor, crypto::aws_lc());
        verifier.prepare(&draft.unwrap().mint().unwrap()).unwrap()
    }

    /// Asks in all threads at once for as long as each is told to go on, which knows how many quotes it has; verifies all
    /// of them and counts those of both ways.
    fn ask(&self, goes_on: impl Fn(usize) -> bool + Sync) -> [usize; 2] {
        let start = Barrier::new(THREADS);
        let quotes: Vec<Vec<Vec<u8>>> = thread::scope(|scope| {
            let asking = |thread: usize| {
                let (start, goes_on) = (&start, &goes_on);
                scope.spawn(move || {
                    let attester = self.attester(thread);
                    start.wait();
                    let rounds = (0..).take_while(|round| goes_on(*round));
                    rounds
                        .map(|round| attester.quote(&request(thread, round)).unwrap().bytes)
                        .collect()
                })
            };
            let threads: Vec<_> = (0..THREADS).map(asking).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        self.assert_answered(&quotes);
        [0, 1].map(|way| quotes.iter().skip(way).step_by(2).map(Vec::len).sum())
    }

    /// Each quote is genuine and has the report data that was asked for with it, and nothing is left behind.
    fn assert_answered(&self, quotes: &[Vec<Vec<u8>>]) {
        let (collateral, at) = (self.collateral(), simulated_td::AT.parse().unwrap());
        let mut seen = BTreeSet::new();
        for (thread, quotes) in quotes.iter().enumerate() {
            for (round, bytes) in quotes.iter().enumerate() {
                let quote = Quote::parse(bytes).unwrap();
                assert_eq!(*quote.body().report_data(), request(thread, round));
                collateral.verify(&quote, at).unwrap();
                assert!(seen.insert(quote.body().report_data().0));
            }
        }
        assert_eq!(self.devices.entries(), [""; 0]);
        assert_eq!(self.paths.tsm_report.read_dir().unwrap().count(), 0);
    }
}

impl Td {
    /// Ends the QGS: how many requests it has told of.
    fn told(self) -> usize {
        drop(self.qgs);
        self.told_by_qgs.load(Ordering::Relaxed)
    }
}

/// Report data of nobody else.
fn request(thread: usize, round: usize) -> ReportData {
    let mut report_data = [0xa5; 64];
    report_data[..8].copy_from_slice(&thread.to_be_bytes());
    report_data[56..].copy_from_slice(&round.to_be_bytes());
    ReportData(report_data)
}

#[test]
fn each_of_64_threads_gets_its_own_quotes() {
    const ROUNDS: usize = 8;
    let Some(td) = Td::new() else { return };
    assert_eq!(td.ask(|round| round < ROUNDS), [THREADS / 2 * ROUNDS; 2]);
    assert_eq!(td.told(), THREADS / 2 * ROUNDS);
}

/// `cargo test --release --package tdattest-cli --test many_at_once -- --ignored --nocapture`
#[test]
#[ignore = "a trial of 10 seconds, whose figures depend on the machine"]
fn each_of_64_threads_gets_its_own_quotes_for_10_seconds() {
    let Some(td) = Td::new() else { return };
    let start = Instant::now();
    let [configfs, qgs] = td.ask(|_| start.elapsed() < Duration::from_secs(10));
    assert_eq!(td.told(), qgs);
    eprintln!("{configfs} quotes over configfs-tsm and {qgs} from the QGS, all of them verified");
}
