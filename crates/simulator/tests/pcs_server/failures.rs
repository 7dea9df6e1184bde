//! Settable failures, as a client sees them.

use tdattest_simulator::pcs_server::{Endpoint, Failure};
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::TcbInfo;

use crate::client::Client;
use crate::{answer, server};

const TCB: &str = "/tdx/certification/v4/tcb?fmspc=5A1D0F6C0B00";
const CRL: &str = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der";

#[test]
fn a_status_comes_as_often_as_it_is_set_with_an_empty_body_over_the_same_connection() {
    let server = server();
    let mut client = Client::of(&server);
    for status in [400, 401, 404, 410, 429, 500, 503, 599] {
        server.fail(format!("tcb={status},times=2").parse().unwrap());
        for _ in 0..2 {
            let response = client.get(TCB);
            assert_eq!((response.status, response.promised()), (status, 0));
            assert_eq!(response.header("retry-after"), None);
            assert_eq!(response.header("request-id").is_some(), status != 429);
        }
        assert_eq!(client.get(TCB).status, 200);
    }
}

/// What changes nothing is not told, and does not count.
#[test]
fn a_lie_about_what_an_answer_has_not_is_kept_for_one_that_has_it() {
    const SGX_TCB: &str = "/sgx/certification/v4/tcb?fmspc=5A1D0F6C0B00";
    const PROCESSOR_CRL: &str = "/sgx/certification/v4/pckcrl?ca=processor&encoding=der";
    let server = server();
    let mut client = Client::of(&server);
    for (rule, beside, about) in [
        ("tcb=lie:tcb-info.tdx-module-status,times=1", SGX_TCB, TCB),
        ("pckcrl=lie:pck-crl.expired,times=1", PROCESSOR_CRL, CRL),
        ("tcb=lie:tcb-info.expired,times=1", "/tdx/certification/v4/tcb", TCB),
        ("tcb=cut-off:1,times=1", "/tdx/certification/v4/tcb", TCB),
    ] {
        let rule = rule.replace("tcb-info.tdx-module-status", "tcb.tdx-module-status");
        server.fail(rule.parse().unwrap());
        client.get(beside);
        assert_eq!(server.requests().last().unwrap().failure, None, "{rule} for {beside}");
        // It may end the connection before the answer is whole.
        let mut other = Client::of(&server);
        other.send(format!("GET {about} HTTP/1.1\r\nHost: pcs\r\n\r\n").as_bytes());
        let _ = other.receive();
        assert!(server.requests().last().unwrap().failure.is_some(), "{rule} for {about}");
        server.recover();
    }
}

#[test]
fn a_revocation_is_told_by_the_two_answers_that_it_takes() {
    let server = server();
    let mut client = Client::of(&server);
    server.fail("all=lie:tcb-info-issuer-chain.revoked".parse().unwrap());
    let truth = answer("/IntelSGXRootCA.der").body;
    assert_ne!(client.get("/IntelSGXRootCA.der").body, truth);
    assert!(server.requests().last().unwrap().failure.is_some());
}

#[test]
fn a_client_is_told_when_to_come_back() {
    let server = server();
    server.fail("all=429:retry-after=7,times=1".parse().unwrap());
    let response = Client::of(&server).get(TCB);
    assert_eq!((response.status, response.header("retry-after")), (429, Some("7")));
}

#[test]
fn a_failure_is_of_its_endpoint_and_lasts_until_the_server_recovers() {
    let server = server();
    let mut client = Client::of(&server);
    server.fail("tcb=503".parse().unwrap());
    for _ in 0..3 {
        assert_eq!((client.get(TCB).status, client.get(CRL).status), (503, 200));
    }
    server.fail("all=500".parse().unwrap());
    assert_eq!(
        [client.get(TCB).status, client.get(CRL).status, client.get("/").status],
        [503, 500, 500]
    );
    server.recover();
    assert_eq!(
        [client.get(TCB).status, client.get(CRL).status, client.get("/").status],
        [200, 200, 404]
    );
}

#[test]
fn an_answer_is_cut_off_after_so_many_bytes_and_the_next_connection_is_served() {
    let server = server();
    let whole = answer(TCB).body;
    for after in [0, 1, 100, whole.len() - 1] {
        server.fail(format!("tcb=cut-off:{after},times=1").parse().unwrap());
        let mut client = Client::of(&server);
        let response = client.get(TCB);
        assert_eq!((response.status, response.promised()), (200, whole.len()));
        assert_eq!(response.body, whole[..after]);
        assert!(client.is_closed());
    }
    assert_eq!(Client::of(&server).get(TCB).body, whole);
}

#[test]
fn a_lie_is_served_where_it_is_set() {
    let server = server();
    let mut client = Client::of(&server);
    server.fail("tcb=lie:tcb-info.fmspc,times=1".parse().unwrap());
    let fmspc = |body: &[u8]| {
        let document = Signed::<TcbInfo>::from_outer(body).unwrap();
        document.open_untrusted().unwrap().fmspc.to_string()
    };
    assert_eq!(fmspc(&client.get(TCB).body), "5A1D0F6C0B10");
    assert_eq!(fmspc(&client.get(TCB).body), "5A1D0F6C0B00");
}

#[test]
fn a_slow_answer_is_the_right_one() {
    let server = server();
    server.fail("all=slow:1ms".parse().unwrap());
    assert_eq!(Client::of(&server).get(TCB).body, answer(TCB).body);
}

#[test]
fn the_log_says_what_was_asked_what_was_answered_and_which_failure_was_set() {
    let server = server();
    let mut client = Client::of(&server);
    server.fail("tcb=503,times=1".parse().unwrap());
    client.get(TCB);
    client.get(TCB);
    client.get("/sgx/certification/v4/pckcrl?ca=root");
    client.post("/nowhere", "{}");

    let log = server.requests();
    let seen: Vec<(&str, &str, u16)> =
        log.iter().map(|one| (one.method.as_str(), one.path.as_str(), one.status)).collect();
    let expected = [
        ("GET", TCB, 503),
        ("GET", TCB, 200),
        ("GET", "/sgx/certification/v4/pckcrl?ca=root", 400),
        ("POST", "/nowhere", 404),
    ];
    assert_eq!(seen, expected);
    assert_eq!(log[0].failure, Some(Failure::Status { status: 503, retry_after: None }));
    assert_eq!((log[1].failure, log[1].endpoint), (None, Some(Endpoint::TcbInfo)));
    assert_eq!(log[2].refusal.as_deref(), Some("`ca` is `root`, expected processor or platform"));
    assert_eq!(log[3].endpoint, None);
    assert_eq!((server.count(Endpoint::TcbInfo), server.count(Endpoint::PckCrl)), (2, 1));
    assert_eq!(server.count(Endpoint::QeIdentity), 0);
}
