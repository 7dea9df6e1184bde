//! A service on a real socket: what it answers, and what no peer and no backend can do to the others.
#![cfg(target_os = "linux")]
mod scripted;

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use scripted::{Gate, Handle, Running, Scripted, all, answered, failure, quote_of, report};
use tdattest_qgs::backend::Backend;
use tdattest_qgs::wire::qgs::{
    CollateralResponse, NoAnswer, PREFIX_BYTES, PlatformInfoResponse, QgsError, Request,
};
use tdattest_qgs::{Deadlines, Limits, PoolSettings, Settings};

/// The quote that the scripted backend makes for a report.
fn expected(number: u32) -> Vec<u8> {
    quote_of(report(number).as_slice().try_into().unwrap(), false)
}

/// One worker that tries again at once.
fn one_worker() -> Settings {
    Settings {
        pool: PoolSettings {
            workers: 1,
            first_pause: Duration::ZERO,
            longest_pause: Duration::ZERO,
            ..PoolSettings::default()
        },
        ..Settings::default()
    }
}

fn refused(error: QgsError) -> Result<Vec<u8>, NoAnswer> {
    Err(NoAnswer::Refused(error))
}

#[test]
fn every_kind_of_request_gets_its_answer() {
    let running = Running::start(&Scripted::honest(), Settings::default());
    assert_eq!(running.quote(7), Ok(expected(7)));

    // A bare report, for monitors that pass on what the kernel gives them.
    assert_eq!(running.exchange(&report(8)), expected(8));

    let bytes = report(9);
    let history = [3; 272];
    let request = Request::MigrationQuote { report: &bytes, service_td: &history, id_list: &[] };
    let with_history = quote_of(bytes.as_slice().try_into().unwrap(), true);
    assert_eq!(answered(&running.exchange(&request.write())), Ok(with_history));

    for minor_0 in [false, true] {
        let request = Request::Collateral { fmspc: &[5; 6], pck_ca: b"platform\0", minor_0 };
        let answer = running.exchange(&request.write());
        let collateral = CollateralResponse::parse(&answer[PREFIX_BYTES..]).unwrap();
        assert_eq!(collateral.tcb_info, b"tcb infoplatform\x05\x05\x05\x05\x05\x05");
        assert_eq!(answer.ends_with(&[0; 4]), minor_0);
    }

    let answer = running.exchange(&Request::PlatformInfo.write());
    let info = PlatformInfoResponse::parse(&answer[PREFIX_BYTES..]).unwrap();
    assert_eq!((info.tdqe_isv_svn, info.cpu_svn), (4, &[2; 16][..]));
    assert_eq!(running.failures(), Vec::<String>::new());
}

#[test]
fn a_request_in_two_pieces_is_one_request_wherever_it_is_cut() {
    let running = Running::start(&Scripted::honest(), Settings::default());
    let bytes = report(1);
    let request = Request::Quote { report: &bytes, id_list: &[] }.write();
    for cut in [1, 4, 19, 20, 21, 28, 500, request.len() - 1] {
        let mut stream = running.connect();
        stream.write_all(&request[..cut]).unwrap();
        stream.write_all(&request[cut..]).unwrap();
        assert_eq!(answered(&all(stream)), Ok(expected(1)), "{cut}");
    }
    // One that says that it will send no more still wants its answer.
    let mut stream = running.connect();
    stream.write_all(&request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answered(&all(stream)), Ok(expected(1)));
}

#[test]
fn noise_is_answered_or_closed_with_a_reason_and_the_next_is_served() {
    let running = Running::start(&Scripted::honest(), Settings::default());
    for (bytes, code) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "request.length"),
        (&[0; 64][..], "request.length"),
        (&[0xff; 2_000][..], "request.length"),
        (&[0, 0, 0, 16, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9][..], "request.malformed"),
    ] {
        running.exchange(bytes);
        assert_eq!(running.failures().last().map(String::as_str), Some(code));
    }
    let mut stream = running.connect();
    stream.write_all(&[0, 0, 4]).unwrap();
    drop(stream);
    assert_eq!(running.quote(1), Ok(expected(1)));
}

#[test]
fn a_peer_that_only_looks_whether_somebody_listens_is_no_failure() {
    let mut running = Running::start(&Scripted::honest(), Settings::default());
    drop(running.connect());
    assert_eq!(running.quote(1), Ok(expected(1)));
    assert_eq!(running.failures(), Vec::<String>::new());
    assert!(running.drain());
}

/// Lets this process have as many descriptors as it may.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn a_silent_peer_is_let_go_and_a_thousand_idle_ones_keep_nobody_waiting() {
    raise_descriptor_limit();
    let patient = Running::start(&Scripted::honest(), Settings::default());
    let idle: Vec<UnixStream> = (0..1_000).map(|_| patient.connect()).collect();
    assert_eq!(patient.quote(1), Ok(expected(1)));
    drop(idle);

    let request = Duration::from_millis(1);
    let deadlines = Deadlines { request, ..Deadlines::default() };
    let impatient = Running::start(&Scripted::honest(), Settings { deadlines, ..one_worker() });
    let mut stream = impatient.connect();
    // It may be let go before it says anything.
    let _ = stream.write_all(&[0]);
    assert_eq!(all(stream), Vec::<u8>::new());
    let codes = impatient.failures();
    assert!(codes == ["connection.unfinished"] || codes == ["connection.silent"], "{codes:?}");
}

#[test]
fn a_failure_of_the_backend_is_told_kept_and_not_sticky() {
    let backend = Scripted::of(
        |_| Ok(()),
        |call| match call {
            0 => Err(failure("enclave.lost").spoiling().told_as(QgsError::OUT_OF_MEMORY)),
            1 => Err(failure("enclave.busy")),
            2 => panic!("as a library may"),
            _ => Ok(vec![]),
        },
    );
    let mut running = Running::start(&backend, one_worker());
    assert_eq!(running.quote(0), refused(QgsError::OUT_OF_MEMORY));
    assert_eq!(running.quote(1), refused(QgsError::UNEXPECTED));
    assert_eq!(running.quote(2), refused(QgsError::UNEXPECTED));
    assert_eq!(running.quote(3), Ok(expected(3)));
    assert_eq!(running.failures(), ["enclave.lost", "enclave.busy", "backend.panic"]);
    assert!(running.drain());
    // Only the two that spoilt their contexts have cost one.
    assert_eq!(backend.opened.load(Ordering::SeqCst), 3);
}

#[test]
fn a_backend_that_does_not_open_says_why_and_is_opened_again() {
    let repaired = Arc::new(Gate::default());
    let gate = Arc::clone(&repaired);
    let backend = Scripted::of(
        move |call| match call {
            0 => Err(failure("enclave.load")),
            _ => {
                gate.wait();
                Ok(())
            }
        },
        |_| Ok(vec![]),
    );
    // It waits long enough to answer in between, and is opened again when somebody reloads it.
    let pool = PoolSettings {
        first_pause: Duration::from_secs(3_600),
        longest_pause: Duration::from_secs(3_600),
        ..one_worker().pool
    };
    let running = Running::start(&backend, Settings { pool, ..Settings::default() });
    assert_eq!(running.quote(1), refused(QgsError::UNEXPECTED));
    assert_eq!(running.failures(), ["enclave.load"]);
    let status = running.service().status();
    assert!(!status.ready);
    assert_eq!(status.workers[0].reason.as_ref().unwrap().code, "enclave.load");

    repaired.open();
    let handle: Arc<dyn Backend> = Arc::new(Handle(backend));
    running.service().reload(Some(handle), one_worker(), Duration::from_secs(60)).unwrap();
    assert_eq!(running.quote(2), Ok(expected(2)));
    assert!(running.service().status().ready);
}

#[test]
fn one_worker_without_a_context_leaves_the_requests_to_the_other() {
    let backend = Scripted::of(
        |call| if call == 0 { Err(failure("enclave.load")) } else { Ok(()) },
        |_| Ok(vec![]),
    );
    let hour = Duration::from_secs(3_600);
    let pool = PoolSettings {
        workers: 2,
        first_pause: hour,
        longest_pause: hour,
        ..PoolSettings::default()
    };
    let running = Running::start(&backend, Settings { pool, ..Settings::default() });
    // The first requests may come while the one is known to fail and the other still opens.
    while !running.service().status().ready {
        thread::yield_now();
    }
    for number in 0..50 {
        assert_eq!(running.quote(number), Ok(expected(number)));
    }
}

#[test]
fn what_says_success_and_gives_nothing_or_too_much_is_a_failure() {
    let backend = Scripted::of(
        |_| Ok(()),
        |call| match call {
            0 => Ok(vec![0; 1024 * 1024]),
            _ => Ok(vec![1; 1024 * 1024 - 24]),
        },
    );
    let running = Running::start(&backend, one_worker());
    assert_eq!(running.quote(0), refused(QgsError::UNEXPECTED));
    assert_eq!(running.quote(1).map(|quote| quote.len()), Ok(1024 * 1024 - 24));
    assert_eq!(running.failures(), ["backend.size"]);
}

#[test]
fn a_backend_that_hangs_costs_one_answer_and_its_worker_is_replaced() {
    let (backend, gate) = Scripted::held();
    let deadlines = Deadlines { answer: Duration::from_millis(1), ..Deadlines::default() };
    let mut running = Running::start(&backend, Settings { deadlines, ..one_worker() });
    // A deadline this short may pass before the worker begins.
    while !running.failures().contains(&"backend.hangs".into()) {
        assert_eq!(running.quote(0), refused(QgsError::UNEXPECTED));
    }
    let workers = running.service().status().workers;
    assert!(workers.iter().any(|worker| worker.state == "hanging"));

    let honest: Arc<dyn Backend> = Arc::new(Handle(Scripted::honest()));
    running.service().reload(Some(honest), one_worker(), Duration::from_secs(60)).unwrap();
    assert_eq!(running.quote(1), Ok(expected(1)));
    gate.open();
    assert!(running.drain());
}

#[test]
fn a_reload_whose_workers_cannot_make_quotes_changes_nothing() {
    let running = Running::start(&Scripted::honest(), one_worker());
    assert_eq!(running.quote(1), Ok(expected(1)));
    let broken = Scripted::of(|_| Err(failure("enclave.load")), |_| Ok(vec![]));
    let hour = Duration::from_secs(3_600);
    let pool = PoolSettings { first_pause: hour, longest_pause: hour, ..one_worker().pool };
    let settings = Settings { pool, ..one_worker() };
    let reloaded = running.service().reload(Some(Arc::new(Handle(broken))), settings, hour);
    assert_eq!(reloaded.unwrap_err().code, "enclave.load");
    assert_eq!(running.quote(2), Ok(expected(2)));

    let limits = Limits { connections_per_user: 0, ..Limits::default() };
    let settings = Settings { limits, ..one_worker() };
    running.service().reload(None, settings, Duration::ZERO).unwrap();
    assert_eq!(running.quote(3), refused(QgsError::UNEXPECTED));
}

#[test]
fn a_peers_text_is_not_kept_whatever_its_length() {
    let running = Running::start(&Scripted::honest(), Settings::default());
    let name = vec![1; 512 * 1024];
    let request = Request::Collateral { fmspc: &[5; 6], pck_ca: &name, minor_0: false };
    running.exchange(&request.write());
    let failures = running.service().status().failures;
    assert_eq!(failures[0].reason.code, "request.pck-ca");
    assert!(failures[0].reason.cause.len() < 200, "{}", failures[0].reason.cause);
}

#[test]
fn overload_is_answered_at_once_and_counted() {
    let (backend, gate) = Scripted::held();
    let pool = PoolSettings { queue: 1, ..one_worker().pool };
    let running = Running::start(&backend, Settings { pool, ..Settings::default() });
    thread::scope(|scope| {
        let first = scope.spawn(|| running.quote(1));
        while backend.asked.load(Ordering::SeqCst) < 1 {
            thread::yield_now();
        }
        let second = scope.spawn(|| running.quote(2));
        while running.service().status().waiting < 1 {
            thread::yield_now();
        }
        assert_eq!(running.quote(3), refused(QgsError::UNEXPECTED));
        // A bare report has no way to be told.
        assert_eq!(running.exchange(&report(4)), Vec::<u8>::new());
        assert_eq!(running.failures(), ["queue.full", "queue.full"]);
        gate.open();
        assert_eq!(first.join().unwrap(), Ok(expected(1)));
        assert_eq!(second.join().unwrap(), Ok(expected(2)));
    });
}

#[test]
fn one_user_gets_no_more_than_its_share() {
    let (backend, gate) = Scripted::held();
    let limits = Limits { requests_per_user: 1, ..Limits::default() };
    let running = Running::start(&backend, Settings { limits, ..one_worker() });
    thread::scope(|scope| {
        let first = scope.spawn(|| running.quote(1));
        while backend.asked.load(Ordering::SeqCst) < 1 {
            thread::yield_now();
        }
        assert_eq!(running.quote(2), refused(QgsError::UNEXPECTED));
        assert_eq!(running.failures(), ["queue.peer"]);
        gate.open();
        assert_eq!(first.join().unwrap(), Ok(expected(1)));
    });
    assert_eq!(running.quote(3), Ok(expected(3)));
}

#[test]
fn one_connection_too_many_is_told_so() {
    let limits = Limits { connections_per_user: 1, ..Limits::default() };
    let running = Running::start(&Scripted::honest(), Settings { limits, ..one_worker() });
    let held = running.connect();
    while running.service().status().connections < 1 {
        thread::yield_now();
    }
    assert_eq!(running.quote(1), refused(QgsError::UNEXPECTED));
    assert_eq!(running.failures(), ["queue.peer"]);
    drop(held);
    while running.service().status().connections > 0 {
        thread::yield_now();
    }
    assert_eq!(running.quote(2), Ok(expected(2)));
}

#[test]
fn a_drain_answers_who_was_let_in_and_takes_nobody_more() {
    let (backend, gate) = Scripted::held();
    let mut running = Running::start(&backend, one_worker());
    let stream = running.ask_and_wait(&backend);
    let path = running.path.clone();
    let service = running.service.take().unwrap();
    let draining = thread::spawn(move || service.drain(Duration::from_secs(60)));
    // The file goes with the listener.
    while path.exists() {
        thread::yield_now();
    }
    assert!(UnixStream::connect(&path).is_err());
    gate.open();
    assert_eq!(answered(&all(stream)), Ok(expected(1)));
    assert!(draining.join().unwrap());
}

#[test]
fn what_hangs_does_not_keep_a_drain_for_ever() {
    let (backend, gate) = Scripted::held();
    let mut running = Running::start(&backend, one_worker());
    let stream = running.ask_and_wait(&backend);
    assert!(!running.service.take().unwrap().drain(Duration::from_millis(1)));
    assert_eq!(all(stream), Vec::<u8>::new());
    gate.open();
}

#[test]
fn many_at_once_each_get_their_own() {
    let running = Running::start(&Scripted::honest(), Settings::default());
    thread::scope(|scope| {
        for thread in 0..32_u32 {
            let running = &running;
            scope.spawn(move || {
                for number in 0..50 {
                    let number = thread * 1_000 + number;
                    assert_eq!(running.quote(number), Ok(expected(number)));
                }
            });
        }
    });
    // An answer counts when all of it is sent, which its peer may see first.
    while running.service().status().connections > 0 {
        thread::yield_now();
    }
    let requests = running.service().status().requests;
    assert_eq!(
        (requests.len(), requests[0].outcome.as_str(), requests[0].count),
        (1, "answered", 1_600)
    );
}

/// What the service answers over HTTP.
fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    text
}

#[test]
fn metrics_and_health_are_told_over_http() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let backend = Scripted::of(
        |_| Ok(()),
        move |_| match breaks.load(Ordering::SeqCst) {
            true => Err(failure("enclave.lost")),
            false => Ok(vec![]),
        },
    );
    let health_interval = Some(Duration::from_millis(1));
    let running = Running::start(&backend, Settings { health_interval, ..one_worker() });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    running.service().serve_http(listener).unwrap();
    let health = || running.service().status().health;

    while health().is_none() {
        thread::yield_now();
    }
    assert_eq!(running.quote(1), Ok(expected(1)));
    // From now on it quotes that report.
    while !health().unwrap().quoted {
        thread::yield_now();
    }
    let healthy = get(address, "/healthz");
    assert!(
        healthy.starts_with("HTTP/1.1 200 ") && healthy.contains("a quote was made"),
        "{healthy}"
    );
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 "));

    broken.store(true, Ordering::SeqCst);
    while health().unwrap().reason.is_none() {
        thread::yield_now();
    }
    let ill = get(address, "/healthz");
    assert!(ill.starts_with("HTTP/1.1 503 ") && ill.contains("enclave.lost"), "{ill}");
    // It is not well, and lives.
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "));
    assert_eq!(running.quote(2), refused(QgsError::UNEXPECTED));

    let metrics = get(address, "/metrics");
    for line in [
        r#"tdattest_qgs_requests_total{asked="quote",hop="none",outcome="answered"} 1"#,
        r#"tdattest_qgs_requests_total{asked="quote",hop="enclave",outcome="enclave.lost"} 1"#,
        r#"tdattest_qgs_duration_seconds_bucket{le="+Inf"} 1"#,
        "tdattest_qgs_healthy 0",
        "tdattest_qgs_ready 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(get(address, "/status").contains(r#""schema": "tdattest.qgs-status/1""#));
    assert!(get(address, "/nothing").starts_with("HTTP/1.1 404 "));
}
