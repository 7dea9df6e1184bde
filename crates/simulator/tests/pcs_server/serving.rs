//! Sockets: kept alive, bounded, exchanged under, and gone when the server is.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tdattest_simulator::pcs_server::{Address, PcsServer, StartError};
use tdattest_simulator::{Platform, Seed};
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::time::UnixTime;

use crate::client::Client;
use crate::{answer, now, platform, server};

const TCB: &str = "/tdx/certification/v4/tcb?fmspc=5A1D0F6C0B00";

/// A folder of one test, removed after it.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pcs-{}-{test}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(address: &Address) -> Result<PcsServer, StartError> {
    PcsServer::start(platform(), address, Arc::new(now))
}

fn tcb_info(server: &PcsServer) -> TcbInfo {
    let body = Client::of(server).get(TCB).body;
    Signed::<TcbInfo>::from_outer(&body).unwrap().open_untrusted().unwrap()
}

#[test]
fn a_connection_serves_one_request_after_the_other_and_many_connections_at_a_time() {
    let server = server();
    let mut clients: Vec<Client> = (0..8).map(|_| Client::of(&server)).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.get(TCB).body, answer(TCB).body);
        }
    }
    assert_eq!(server.requests().len(), 24);
}

#[test]
fn headers_go_over_the_wire_as_they_are_and_no_clock_is_read() {
    let server = server();
    let response = Client::of(&server).get(TCB);
    let mut sent: Vec<(String, String)> = vec![];
    for (name, value) in answer(TCB).headers {
        // The server counts from 1.
        let value = if name == "Request-ID" { format!("{:032x}", 1) } else { value };
        sent.push((name.to_lowercase(), value));
    }
    sent.push(("content-length".into(), response.body.len().to_string()));
    assert_eq!(response.headers, sent);
}

#[test]
fn the_same_requests_get_the_same_answers_of_two_servers() {
    let answers = || {
        let server = server();
        let mut client = Client::of(&server);
        [client.get(TCB), client.get("/"), client.get("/sgx/certification/v4/qe/identity")]
    };
    assert_eq!(answers(), answers());
}

#[test]
fn the_url_names_the_port_that_the_system_chose() {
    let server = server();
    let Address::Tcp(address) = server.address() else { panic!("{server:?}") };
    assert_ne!(address.port(), 0);
    assert_eq!(server.url(), format!("http://{address}"));
}

#[test]
fn a_server_that_stops_frees_its_port_and_ends_its_connections() {
    // An address of its own where there are many, so that no other test can take the port once it is free.
    let host = if cfg!(target_os = "linux") { "127.0.0.2:0" } else { "127.0.0.1:0" };
    let server = start(&host.parse().unwrap()).unwrap();
    let Address::Tcp(address) = server.address().clone() else { panic!("{server:?}") };
    let mut client = Client::of(&server);
    assert_eq!(client.get(TCB).status, 200);
    drop(server);
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err());
    drop(TcpListener::bind(address).unwrap());
}

#[test]
fn a_server_stops_in_the_middle_of_a_slow_answer() {
    let server = server();
    server.fail("all=slow:3600s".parse().unwrap());
    let mut client = Client::of(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: pcs\r\n\r\n");
    while server.requests().is_empty() {
        thread::yield_now();
    }
    drop(server);
    assert_eq!(client.receive(), None);
}

#[test]
fn a_unix_socket_serves_the_same_and_is_gone_with_its_server() {
    let folder = Folder::of("unix");
    let path = folder.socket();
    let server = start(&Address::Unix(path.clone())).unwrap();
    assert_eq!(server.url(), format!("unix:{}", path.display()));
    assert_eq!(Client::of(&server).get(TCB).body, answer(TCB).body);
    drop(server);
    assert!(!path.exists());
    // And so it can be had again.
    start(&Address::Unix(path)).unwrap();
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = server();
    let fault = start(taken.address()).unwrap_err();
    assert!(matches!(&fault, StartError::PortInUse(address) if address == taken.address()));
    assert_eq!(
        fault.to_string(),
        format!("cannot listen at {}: the port is in use", taken.address())
    );
}

#[test]
fn a_file_in_the_place_of_the_socket_is_an_error_and_stays_there() {
    let folder = Folder::of("stale");
    let path = folder.socket();
    let address = Address::Unix(path.clone());
    // What a server that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let fault = start(&address).unwrap_err();
    assert!(matches!(&fault, StartError::FileExists(found) if *found == path));
    assert!(path.exists());

    fs::remove_file(&path).unwrap();
    let running = start(&address).unwrap();
    assert!(matches!(start(&address), Err(StartError::FileExists(_))));
    assert_eq!(Client::of(&running).get(TCB).status, 200);
}

#[test]
fn a_server_does_not_remove_the_socket_that_took_the_place_of_its_own() {
    let folder = Folder::of("replaced");
    let address = Address::Unix(folder.socket());
    let first = start(&address).unwrap();
    fs::remove_file(folder.socket()).unwrap();
    let second = start(&address).unwrap();
    drop(first);
    assert_eq!(Client::of(&second).get(TCB).status, 200);
    drop(second);
    assert!(!folder.socket().exists());
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = Folder::of("missing");
    let address = Address::Unix(folder.0.join("nowhere").join("socket"));
    assert!(matches!(start(&address), Err(StartError::Address { .. })));
}

#[test]
fn a_body_that_is_too_large_is_refused_and_one_at_the_bound_is_read() {
    let server = server();
    let path = "/sgx/certification/v4/pckcerts";
    let at_the_bound = Client::of(&server).post(path, &" ".repeat(128 * 1024));
    assert_eq!(at_the_bound.status, 400);
    let mut client = Client::of(&server);
    let length = 128 * 1024 + 1;
    client.send(
        format!("POST {path} HTTP/1.1\r\nHost: pcs\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
    );
    client.send(&vec![b' '; length]);
    assert_eq!(client.receive().unwrap().status, 413);
    let statuses: Vec<u16> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [400, 413]);
}

#[test]
fn a_head_that_is_too_large_is_refused_before_the_api_sees_it() {
    let server = server();
    let filling = "x".repeat(20 * 1024);
    let mut client = Client::of(&server);
    client.send(format!("GET / HTTP/1.1\r\nHost: pcs\r\nFilling: {filling}\r\n\r\n").as_bytes());
    assert_eq!(client.receive().unwrap().status, 431);
    assert!(server.requests().is_empty());
}

#[test]
fn a_tcb_recovery_happens_while_it_runs() {
    let server = server();
    assert_eq!(tcb_info(&server).tcb_evaluation_data_number, 20);
    let mut recovered = platform();
    recovered.standard = recovered.early.clone();
    server.set_platform(recovered);
    assert_eq!(tcb_info(&server).tcb_evaluation_data_number, 21);
    let retired = Client::of(&server).get(&format!("{TCB}&tcbEvaluationDataNumber=20"));
    assert_eq!(retired.status, 410);
}

#[test]
fn time_is_what_the_clock_says() {
    let server = server();
    let midnight: UnixTime = "2026-11-01T00:00:00Z".parse().unwrap();
    assert_eq!(tcb_info(&server).issue_date, midnight);
    let later: UnixTime = "2027-03-05T06:07:08Z".parse().unwrap();
    server.set_clock(Arc::new(move || later));
    assert_eq!(tcb_info(&server).issue_date, "2027-03-05T00:00:00Z".parse().unwrap());
}

#[test]
fn servers_of_two_platforms_do_not_share_a_root() {
    let other = Platform::new(Seed::of("another"));
    let other = PcsServer::start(other, &"127.0.0.1:0".parse().unwrap(), Arc::new(now)).unwrap();
    let chain = |server: &PcsServer| {
        let response = Client::of(server).get(TCB);
        response.header("tcb-info-issuer-chain").unwrap().to_owned()
    };
    assert_ne!(chain(&other), chain(&server()));
}
