//! The service on real sockets, with real TLS: what it takes, what it refuses, and how it ends.

mod scripted;

use std::io::{Read, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scripted::{CLOSED, Host, PANIC, SETTINGS, SLOW, uncertified};
use tdattest_pccs::{Limits, ListenAt, Rhythm};

const REQUEST_ID: &str = "00112233445566778899aabbccddeeff";

/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A wait that is meant to be over soon.
const SHORT: Duration = Duration::from_millis(50);

fn limited(limits: Limits) -> Host {
    Host::with(limits, Rhythm { refresh: None, ..Rhythm::default() })
}

#[test]
fn http_1_and_2_give_the_same_answer_over_tls() {
    let host = Host::start();
    for (version, client) in
        [(reqwest::Version::HTTP_11, host.http1()), (reqwest::Version::HTTP_2, host.client())]
    {
        let answer = host.run(client.get(host.url("/echo?a=b")).send()).unwrap();
        assert_eq!(answer.version(), version);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["tcb-info-issuer-chain"], "chain");
        assert_eq!(answer.headers()["request-id"].len(), 32);
        let kept = answer.headers().get("keep-alive").map(|value| value.to_str().unwrap());
        assert_eq!(kept, (version == reqwest::Version::HTTP_11).then_some("timeout=60"));
        assert_eq!(host.run(answer.text()).unwrap(), "GET /echo a=b 0");
    }
}

#[test]
fn head_has_the_length_and_no_body() {
    let host = Host::start();
    for client in [host.http1(), host.client()] {
        let answer = host.run(client.head(host.url("/echo")).send()).unwrap();
        assert_eq!(answer.headers()["content-length"], "13");
        assert_eq!(host.run(answer.text()).unwrap(), "");
    }
}

#[test]
fn a_request_id_is_taken_over_if_it_is_one() {
    let host = Host::start();
    let ask = |id: &str| {
        let request = host.client().get(host.url("/echo")).header("Request-ID", id);
        host.run(request.send()).unwrap().headers()["request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask(REQUEST_ID), REQUEST_ID);
    let fresh = ask("no id");
    assert_eq!(fresh.len(), 32);
    assert_ne!(ask("no id"), fresh);
}

#[test]
fn a_certificate_is_exchanged_without_a_restart() {
    let host = Host::start();
    let old = host.certificate();
    let client = host.client();
    assert_eq!(host.run(client.get(host.url("/echo")).send()).unwrap().status(), 200);
    host.certify_again();
    host.run(host.service().reload_certificate());
    assert_ne!(host.certificate(), old);
    // The connection that was open goes on, and a new one is trusted as well.
    assert_eq!(host.run(client.get(host.url("/echo")).send()).unwrap().status(), 200);
    assert_eq!(host.run(host.client().get(host.url("/echo")).send()).unwrap().status(), 200);
}

#[test]
fn a_changed_certificate_is_noticed_without_a_signal() {
    let rhythm = Rhythm { certificate: Duration::from_millis(1), ..Rhythm::default() };
    let host = Host::with(Limits::default(), rhythm);
    let old = host.certificate();
    host.certify_again();
    while host.certificate() == old {}
}

#[test]
fn a_panic_costs_the_request_that_it_is_in() {
    let host = Host::start();
    for client in [host.http1(), host.client()] {
        let answer = host.run(client.get(host.url(PANIC)).send()).unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(host.run(answer.text()).unwrap(), "Internal server error occurred.");
        assert_eq!(host.run(client.get(host.url("/echo")).send()).unwrap().status(), 200);
    }
}

#[test]
fn a_body_at_the_limit_comes_whole_and_one_byte_more_is_too_large() {
    let host = limited(Limits { body_bytes: 10_000, ..Limits::default() });
    for client in [host.http1(), host.client()] {
        for (bytes, told) in [(10_000, "POST /echo  10000"), (10_001, "POST /echo  too large")] {
            let request = client.post(host.url("/echo")).body(vec![b'a'; bytes]);
            let answer = host.run(request.send()).unwrap();
            assert_eq!(host.run(answer.text()).unwrap(), told);
        }
    }
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    let host = limited(Limits { body_bytes: 100, ..Limits::default() });
    let mut stream = host.unix();
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).unwrap();
    for _ in 0..11 {
        stream.write_all(format!("a\r\n{}\r\n", "x".repeat(10)).as_bytes()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let text = read(&mut stream);
    assert!(text.ends_with("too large"), "{text}");
}

#[test]
fn slow_bodies_that_are_not_wanted_hold_nobody_up() {
    let host = limited(Limits { body_bytes: 1024, ..Limits::default() });
    let mut slow = Vec::new();
    for head in ["GET /echo", "POST /closed"] {
        for _ in 0..20 {
            let mut stream = host.unix();
            let text = format!("{head} HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\na");
            stream.write_all(text.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    while host.counted("head of /echo") < 20 || host.counted("head of /closed") < 20 {
        std::thread::yield_now();
    }
    let request = host.client().post(host.url("/echo")).body(vec![b'a'; 1024]);
    let answer = host.run(request.send()).unwrap();
    assert_eq!(host.run(answer.text()).unwrap(), "POST /echo  1024");
}

#[test]
fn a_body_that_is_not_wanted_is_in_the_way_of_no_answer() {
    let host = limited(Limits { body_bytes: 1000, ..Limits::default() });
    for client in [host.http1(), host.client()] {
        for size in [1, 4000] {
            let request = client.post(host.url(CLOSED)).body(vec![b'a'; size]);
            let answer = host.run(request.send()).unwrap();
            assert_eq!(answer.status(), 401);
            assert_eq!(host.run(answer.text()).unwrap(), "closed");
        }
    }
    assert_eq!(host.counted(CLOSED), 0);
    // One that is there goes by, and the connection goes on.
    let mut stream = host.unix();
    let heads = "POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                 GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    stream.write_all(heads.as_bytes()).unwrap();
    let text = read(&mut stream);
    assert!(text.starts_with("HTTP/1.1 401") && text.ends_with("GET /echo  0"), "{text}");
}

#[test]
fn whoever_asks_whether_to_send_a_body_is_told_at_once_that_it_is_not_wanted() {
    let host = Host::start();
    let mut stream = host.unix();
    let head =
        b"POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).unwrap();
    let text = read(&mut stream);
    assert!(text.starts_with("HTTP/1.1 401") && text.contains("Connection: close"), "{text}");
}

#[test]
fn little_may_arrive_unread_over_http_2() {
    let settings = Host::start().http2_settings();
    // RFC 9113, "Defined Settings": SETTINGS_INITIAL_WINDOW_SIZE is 4, and 65 535 where it is not said.
    let window = settings.chunks(6).find(|setting| setting[..2] == [0, 4]);
    assert_eq!(
        window.map_or([0, 0, 255, 255], |found| found[2..].try_into().unwrap()),
        [0, 0, 255, 255]
    );
}

/// SETTINGS_INITIAL_WINDOW_SIZE is 0: nothing of an answer's body may be sent.
const NO_WINDOW: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";

/// A request on the first stream: `:method` GET, `:scheme` https, `:path` /echo and `:authority` a.
const ASKED: &[u8] = b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x87\x04\x05/echo\x01\x01a";

/// Whether the service closes a connection before anybody would lose patience.
fn is_closed<S: Read>(mut stream: S) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(fault) => {
            let waits = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
            !waits.contains(&fault.kind())
        }
    }
}

#[test]
fn an_answer_over_http_2_that_is_not_taken_ends_the_connection() {
    let host = limited(Limits { send: SHORT, ..Limits::default() });
    let stream = host.http2(&[NO_WINDOW, ASKED].concat());
    stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(is_closed(stream));
    assert_eq!(host.counted("/echo"), 1);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let host = Host::start();
    let mut stream = host.unix();
    let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    // It may be refused before all of it is written.
    let _ = stream.write_all(head.as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
    assert_eq!(host.counted("/echo"), 0);
}

#[test]
fn whoever_dawdles_with_a_head_is_let_go() {
    let host = limited(Limits { head: SHORT, ..Limits::default() });
    let mut stream = host.unix();
    stream.write_all(b"GET /echo HTTP/1.1\r\n").unwrap();
    assert_eq!(read(&mut stream), "");
}

#[test]
fn whoever_dawdles_with_a_body_is_told_so() {
    let host = limited(Limits { request: SHORT, ..Limits::default() });
    let mut stream = host.unix();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").unwrap();
    let text = read(&mut stream);
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
}

#[test]
fn a_connection_at_rest_ends() {
    let host = limited(Limits { keep_alive: SHORT, ..Limits::default() });
    let mut stream = host.unix();
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read(&mut stream).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_request_that_is_being_answered_is_not_at_rest() {
    let limits = Limits { keep_alive: SHORT, head: SHORT, request: SHORT, ..Limits::default() };
    let host = limited(limits);
    let mut stream = host.unix();
    stream.write_all(format!("GET {SLOW} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    host.until_counted(SLOW);
    // Another connection is let go for its idleness in the meantime.
    assert_eq!(read(&mut host.unix()), "");
    assert_eq!(read(&mut host.unix()), "");
    host.release();
    assert!(read(&mut stream).starts_with("HTTP/1.1 200"));
}

#[test]
fn whoever_never_finishes_the_handshake_is_let_go() {
    let host = limited(Limits { handshake: SHORT, ..Limits::default() });
    let mut stream = std::net::TcpStream::connect(host.https()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[22, 3, 1]).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn an_answer_that_takes_for_ever_is_an_empty_503() {
    let host = limited(Limits { answer: SHORT, ..Limits::default() });
    let answer = host.run(host.client().get(host.url(SLOW)).send()).unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(host.run(answer.text()).unwrap(), "");
}

#[test]
fn connections_past_the_limit_wait_for_a_place() {
    let host = limited(Limits { connections: 1, ..Limits::default() });
    let mut first = host.unix();
    first.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(first.read(&mut [0; 4096]).unwrap() > 0);
    let mut second = host.unix();
    second.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    second.set_nonblocking(true).unwrap();
    let waits = second.read(&mut [0; 16]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(host.counted("/echo"), 1);
    drop(first);
    second.set_nonblocking(false).unwrap();
    assert!(read(&mut second).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_listener_goes_on_while_connections_wait_and_closes_those_that_may_not() {
    let host = limited(Limits { connections: 1, ..Limits::default() });
    let mut first = host.unix();
    first.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(first.read(&mut [0; 4096]).unwrap() > 0);
    // One may wait; which of the two comes first is not said.
    let mut others = [host.unix(), host.unix()];
    for other in &mut others {
        other.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        other.set_nonblocking(true).unwrap();
    }
    let closed = loop {
        let is_closed = |other: &mut UnixStream| match other.read(&mut [0; 16]) {
            Ok(read) => read == 0,
            Err(fault) => fault.kind() != std::io::ErrorKind::WouldBlock,
        };
        if let Some(closed) = others.iter_mut().position(is_closed) {
            break closed;
        }
        std::thread::yield_now();
    };
    drop(first);
    let waited = &mut others[1 - closed];
    waited.set_nonblocking(false).unwrap();
    assert!(read(waited).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_drain_answers_who_was_let_in_and_lets_nobody_in() {
    let mut host = Host::start();
    let (url, client) = (host.url(SLOW), host.client());
    let asked = host.spawn(async move { client.get(url).send().await.unwrap().status() });
    host.until_counted(SLOW);
    let drain = host.spawn_drain(PATIENCE);
    host.until_refused();
    host.release();
    assert_eq!(host.run(asked).unwrap(), 200);
    assert!(host.run(drain).unwrap());
}

#[test]
fn a_drain_does_not_wait_for_those_at_rest() {
    let mut host = Host::start();
    let clients = [host.http1(), host.client()];
    for client in &clients {
        assert_eq!(host.run(client.get(host.url("/echo")).send()).unwrap().status(), 200);
    }
    let drain = host.spawn_drain(PATIENCE);
    assert!(host.run(drain).unwrap());
}

#[test]
fn a_drain_does_not_wait_for_those_that_have_vanished() {
    let mut host = Host::start();
    let mut stream = host.http2(&[SETTINGS, ASKED].concat());
    stream.read_exact(&mut [0; 9]).unwrap();
    host.until_counted("/echo");
    // It neither closes the connection nor says anything.
    let drain = host.spawn_drain(PATIENCE);
    assert!(host.run(drain).unwrap());
}

#[test]
fn a_drain_says_when_somebody_was_left_without_an_answer() {
    let mut host = Host::start();
    let (url, client) = (host.url(SLOW), host.client());
    host.spawn(async move { client.get(url).send().await });
    host.until_counted(SLOW);
    let drain = host.spawn_drain(SHORT);
    assert!(!host.run(drain).unwrap());
}

#[test]
fn health_and_the_description_of_the_api_are_there() {
    let host = Host::start();
    let get = |path: &str| {
        let answer = host.run(host.client().get(host.url(path)).send()).unwrap();
        (answer.status().as_u16(), host.run(answer.text()).unwrap())
    };
    for path in ["/healthz/live", "/healthz/ready", "/healthz/startup"] {
        assert_eq!(get(path), (200, r#"{"status":"UP"}"#.into()), "{path}");
    }
    // What is neither goes to the API.
    assert_eq!(get("/healthz/other").1, "GET /healthz/other  0");
    let (status, text) = get("/openapi.json");
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &description["openapi"]), (200, &"3.1.0".into()));
}

#[test]
fn metrics_count_answers() {
    let host = Host::start();
    for path in ["/echo", "/echo", PANIC] {
        host.run(host.client().get(host.url(path)).send()).unwrap();
    }
    let text = host.metrics("/metrics");
    for line in [
        r#"tdattest_pccs_requests_total{route="echo",status="200"} 2"#,
        r#"tdattest_pccs_requests_total{route="none",status="500"} 1"#,
        r#"tdattest_pccs_duration_seconds_count{route="echo"} 2"#,
        "tdattest_pccs_ready 1",
        "tdattest_pccs_store_errors_total 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(host.metrics("/readyz").ends_with("ready\n"));
    assert!(host.metrics("/healthz").ends_with("alive\n"));
    assert!(host.metrics("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn what_is_due_and_what_has_changed_is_looked_for_by_itself() {
    let often = Duration::from_millis(1);
    let rhythm = Rhythm { refresh: Some(often), follow: often, ..Rhythm::default() };
    let host = Host::with(Limits::default(), rhythm);
    while host.script.refreshed.load(Ordering::Relaxed) < 3
        || host.script.followed.load(Ordering::Relaxed) < 3
    {
        std::thread::yield_now();
    }
    while !host.metrics("/metrics").contains(r#"refreshed_total{result="failed"}"#) {}
}

#[test]
fn a_part_that_ends_by_itself_is_told_of_and_the_rest_is_drained() {
    let rhythm = Rhythm { refresh: None, follow: Duration::from_millis(1), ..Rhythm::default() };
    let mut host = Host::with(Limits::default(), rhythm);
    host.script.breaks.store(true, Ordering::Relaxed);
    host.until_ended();
    assert_eq!(host.run(host.client().get(host.url("/echo")).send()).unwrap().status(), 200);
    let drain = host.spawn_drain(PATIENCE);
    assert!(host.run(drain).unwrap());
}

#[tokio::test]
async fn https_without_a_certificate_does_not_start() {
    let fault = uncertified("127.0.0.1:0").await.err().unwrap();
    assert_eq!(fault.kind(), std::io::ErrorKind::InvalidInput);
    assert!(uncertified("http://127.0.0.1:0").await.is_ok());
}

#[test]
fn plain_http_is_spoken_where_its_name_was_said() {
    let host = Host::start();
    let ListenAt::PlainHttp(address) = host.plain() else { panic!("no plain HTTP") };
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /echo HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200") && text.ends_with("GET /echo  0"), "{text}");
}

/// Reads until the service closes the connection.
fn read(stream: &mut UnixStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
