//! The QGS of the simulator: what it answers to whom, and that it leaves nothing behind.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use tdattest_simulator::qgs_server::{Misbehaviour, Outcome, QgsServer, Served, StartError};
use tdattest_simulator::{Platform, Seed};
use tdattest_wire::Fixed as _;
use tdattest_wire::bytes::ReportData;
use tdattest_wire::qgs::{MessageType, NoAnswer, QgsError, QuoteResponse, Request};
use tdattest_wire::quote::Quote;
use tempfile::TempDir;

const REPORT_DATA: ReportData = ReportData([0x77; 64]);

/// The answer of a server that closes the connection.
const NOTHING: [u8; 0] = [];

fn platform() -> Platform {
    Platform::new(Seed::of("the tests of the QGS"))
}

fn report() -> Vec<u8> {
    platform().launch_td().report(REPORT_DATA).to_bytes()
}

fn server() -> (QgsServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = QgsServer::start(&platform(), &folder.path().join("qgs.socket")).unwrap();
    (server, folder)
}

fn frame(report: &[u8]) -> Vec<u8> {
    Request::Quote { report, id_list: &[] }.write()
}

/// Sends pieces, each in a write of its own, and reads until the server closes.
fn exchange<'p>(path: &Path, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn assert_quote(bytes: &[u8]) {
    assert_eq!(*Quote::parse(bytes).unwrap().body().report_data(), REPORT_DATA);
}

#[test]
fn a_request_is_answered_however_it_is_split() {
    let (server, _folder) = server();
    let frame = frame(&report());
    for length in [1, 3, 19, 500, frame.len()] {
        let answer = exchange(server.path(), frame.chunks(length));
        let response = QuoteResponse::parse(&answer[4..]).unwrap();
        assert!(response.selected_id.is_empty());
        assert_quote(response.quote);
    }
}

#[test]
fn bare_reports_get_bare_quotes() {
    let (server, _folder) = server();
    for length in [7, 1024] {
        assert_quote(&exchange(server.path(), report().chunks(length)));
    }
    let mut forged = report();
    forged[600] ^= 1;
    assert_eq!(exchange(server.path(), [forged.as_slice()]), NOTHING);
}

#[test]
fn reports_that_no_cpu_of_the_platform_made_are_refused() {
    let (server, _folder) = server();
    let elsewhere = Platform::new(Seed::of("another platform")).launch_td().report(REPORT_DATA);
    let mut forged = report();
    forged[600] ^= 1;
    for report in [forged, elsewhere.to_bytes(), report()[..1023].to_vec()] {
        let answer = exchange(server.path(), [frame(&report).as_slice()]);
        let refused = NoAnswer::Refused(QgsError::UNEXPECTED);
        assert_eq!(QuoteResponse::parse(&answer[4..]), Err(refused));
    }
}

#[test]
fn other_messages_are_refused_or_closed_as_by_intels_daemon() {
    let (server, _folder) = server();
    let whole = frame(&report());
    let changed = |at: usize, value: u8| {
        let mut frame = whole.clone();
        frame[at] = value;
        frame
    };
    // Minor version 9 is none of its business.
    assert!(QuoteResponse::parse(&exchange(server.path(), [&changed(6, 9)[..]])[4..]).is_ok());
    // An error code in a request.
    let refused = QgsError::UNEXPECTED.write(MessageType::QuoteResponse);
    assert_eq!(exchange(server.path(), [&changed(16, 1)[..]]), refused);
    for (at, value) in [(4, 2), (8, 1), (8, 3), (8, 5), (8, 7), (12, 0)] {
        assert_eq!(exchange(server.path(), [&changed(at, value)[..]]), NOTHING, "{at} as {value}");
    }
    let asked = Request::PlatformInfo.write();
    let refused = QgsError::UNEXPECTED.write(MessageType::PlatformInfoResponse);
    assert_eq!(exchange(server.path(), [asked.as_slice()]), refused);
}

#[test]
fn each_request_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told: Arc<Mutex<Vec<Served>>> = Arc::default();
    let teller = Arc::clone(&told);
    let observer = Arc::new(move |served: &Served| teller.lock().unwrap().push(served.clone()));
    let path = folder.path().join("qgs.socket");
    let server = QgsServer::start_observed(&platform(), &path, Some(observer)).unwrap();
    exchange(&path, [frame(&report()).as_slice()]);
    server.misbehave(Some(Misbehaviour::CloseMidBody));
    exchange(&path, [report().as_slice()]);
    drop(server);
    let told: Vec<_> = told.lock().unwrap().clone();
    let [first, second] = told.as_slice() else { panic!("{told:?}") };
    let Outcome::Quote { report_data, length, raw } = first.outcome else { panic!("{first:?}") };
    assert_eq!((report_data, raw, first.misbehaviour), (REPORT_DATA, false, None));
    let expected = Outcome::Quote { report_data, length, raw: true };
    assert_eq!(
        (&second.outcome, second.misbehaviour),
        (&expected, Some(Misbehaviour::CloseMidBody))
    );
    let line = format!("quote of {length} bytes for report data 7777777777777777...");
    assert_eq!(first.to_string(), line);
}

#[test]
fn a_server_that_is_dropped_ends_its_connections_and_leaves_no_file() {
    let (server, folder) = server();
    let path: PathBuf = server.path().into();
    server.misbehave(Some(Misbehaviour::Hang));
    let mut hanging = UnixStream::connect(&path).unwrap();
    hanging.write_all(&frame(&report())).unwrap();
    let mut idle = UnixStream::connect(&path).unwrap();
    idle.write_all(&[0]).unwrap();
    drop(server);
    for stream in [&mut hanging, &mut idle] {
        // Closed, or never accepted: no answer in any case.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, NOTHING);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    QgsServer::start(&platform(), &path).unwrap();
}

#[test]
fn a_path_that_is_taken_is_left_alone() {
    let (first, _folder) = server();
    let second = QgsServer::start(&platform(), first.path());
    assert!(matches!(second, Err(StartError::FileExists(path)) if path == first.path()));
    assert_quote(&exchange(first.path(), [report().as_slice()]));
    let nowhere = QgsServer::start(&platform(), Path::new("/nowhere/qgs.socket"));
    assert!(matches!(nowhere, Err(StartError::Socket { .. })));
}

#[test]
fn an_observer_that_is_stuck_holds_up_neither_clients_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qgs.socket");
    let (stuck, release) = mpsc::channel::<()>();
    let release = Mutex::new(release);
    let observer = Arc::new(move |_: &Served| {
        let _ = release.lock().unwrap().recv();
    });
    let server = QgsServer::start_observed(&platform(), &path, Some(observer)).unwrap();
    for _ in 0..3 {
        assert_quote(&exchange(&path, [report().as_slice()]));
    }
    drop(server);
    assert!(!path.exists());
    drop(stuck);
}
