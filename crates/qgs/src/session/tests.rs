//! The wire, byte by byte, in both directions; then pieces, noise and every cut.

use proptest::prelude::*;

use super::*;
use crate::ask::{Answer, Collateral, PlatformInfo};

/// Bytes from hexadecimal with blanks; `NN*COUNT` repeats a byte.
fn bytes(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .flat_map(|word| match word.split_once('*') {
            Some((byte, count)) => {
                vec![u8::from_str_radix(byte, 16).unwrap(); count.parse().unwrap()]
            }
            None => (0..word.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap())
                .collect(),
        })
        .collect()
}

/// What becomes of bytes that arrive at once.
fn at_once(text: &str) -> Step {
    Session::default().take(&bytes(text))
}

/// The answer to a request that goes wrong, with the failure's code.
fn refusal(text: &str) -> (&'static str, Vec<u8>) {
    match at_once(text) {
        Step::Refused(failure, form) => {
            let code = failure.code;
            (code, form.map_or_else(Vec::new, |form| form.write(&Err(failure))))
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn report() -> Box<[u8; REPORT_BYTES]> {
    let mut report = Box::new([0; REPORT_BYTES]);
    report[0] = TDX;
    report
}

const GET_QUOTE: &str =
    "00000418 0100 0100 00000000 18040000 00000000 00040000 00000000 81 00*1023";

const ERROR_1: &str = "00000018 0100 0100 01000000 18000000";

#[test]
fn a_quote_is_asked_for_and_answered() {
    let form = Form::Framed { response: MessageType::QuoteResponse, minor_0: false };
    let ask = Ask::Quote { report: report(), service_td: None };
    assert_eq!(at_once(GET_QUOTE), Step::Whole(ask, form));
    assert_eq!(
        form.write(&Ok(Answer::Quote(b"quote".to_vec()))),
        bytes("0000001d 0100 0100 01000000 1d000000 00000000 00000000 05000000 71756f7465")
    );
}

#[test]
fn ids_of_attestation_keys_are_not_looked_at() {
    let text = "0000041a 0100 0100 00000000 1a040000 00000000 00040000 02000000 81 00*1023 abcd";
    assert!(matches!(at_once(text), Step::Whole(Ask::Quote { service_td: None, .. }, _)));
}

#[test]
fn a_quote_with_migration_history_is_asked_for_and_answered_with_type_1() {
    let text = "0000052c 0100 0100 06000000 2c050000 00000000 00040000 10010000 00000000 \
                81 00*1023 e5*272";
    let form = Form::Framed { response: MessageType::QuoteResponse, minor_0: false };
    let service_td = Some(Box::new([0xe5; SERVICE_TD_BYTES]));
    assert_eq!(at_once(text), Step::Whole(Ask::Quote { report: report(), service_td }, form));
}

#[test]
fn collateral_is_asked_for_and_answered_with_four_bytes_more_for_minor_0() {
    let ask = Ask::Collateral { fmspc: [0x50, 0x80, 0x6f, 0, 0, 0], ca: PckCa::Platform };
    let framed = |minor_0| Form::Framed { response: MessageType::CollateralResponse, minor_0 };
    let request = |minor: &str| {
        format!(
            "00000027 0100 {minor} 02000000 27000000 00000000 06000000 09000000 50806f000000 706c6174666f726d00"
        )
    };
    assert_eq!(at_once(&request("0100")), Step::Whole(ask.clone(), framed(false)));
    assert_eq!(at_once(&request("0000")), Step::Whole(ask, framed(true)));

    let one = |text: &str| text.as_bytes().to_vec();
    let answer = Ok(Answer::Collateral(Box::new(Collateral {
        version: (3, 1),
        pck_crl_issuer_chain: one("a"),
        root_ca_crl: one("bb"),
        pck_crl: one("c"),
        tcb_info_issuer_chain: one("d"),
        tcb_info: one("e"),
        qe_identity_issuer_chain: one("f"),
        qe_identity: one("g"),
    })));
    let sizes = "01000000 02000000 01000000 01000000 01000000 01000000 01000000";
    let body = format!("0300 0100 {sizes} 61 6262 63 64 65 66 67");
    assert_eq!(
        framed(false).write(&answer),
        bytes(&format!("00000038 0100 0100 03000000 38000000 00000000 {body}"))
    );
    assert_eq!(
        framed(true).write(&answer),
        bytes(&format!("0000003c 0100 0100 03000000 3c000000 00000000 {body} 00000000"))
    );
}

#[test]
fn the_name_of_the_ca_needs_no_nul_and_has_two_values() {
    let with = |length: &str, size: &str, name: &str| {
        format!(
            "{length} 0100 0100 02000000 {} 00000000 06000000 {size} 00*6 {name}",
            little(length)
        )
    };
    let processor = with("00000027", "09000000", "70726f636573736f72");
    assert!(matches!(
        at_once(&processor),
        Step::Whole(Ask::Collateral { ca: PckCa::Processor, .. }, _)
    ));
    for (length, size, name) in [
        ("00000026", "08000000", "70726f636573736f"),
        ("00000028", "0a000000", "70726f636573736f7272"),
        ("00000028", "0a000000", "706c6174666f726d0000"),
        ("0000001f", "01000000", "00"),
    ] {
        assert_eq!(refusal(&with(length, size, name)).0, "request.pck-ca", "{name}");
    }
}

/// A big endian number the other way round.
fn little(text: &str) -> String {
    u32::from_str_radix(text, 16)
        .unwrap()
        .to_le_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn platform_information_is_asked_for_and_answered_with_four_stray_bytes() {
    let form = Form::Framed { response: MessageType::PlatformInfoResponse, minor_0: false };
    let text = "00000010 0100 0100 04000000 10000000 00000000";
    assert_eq!(at_once(text), Step::Whole(Ask::PlatformInfo, form));
    let info = PlatformInfo {
        tdqe_isv_svn: 4,
        pce_isv_svn: 13,
        platform_id: [0xaa; 16],
        cpu_svn: [0xbb; 16],
    };
    assert_eq!(
        form.write(&Ok(Answer::PlatformInfo(info))),
        bytes(
            "00000040 0100 0100 05000000 40000000 00000000 0400 0d00 10000000 10000000 aa*16 bb*16 00000000"
        )
    );
}

#[test]
fn an_error_has_the_fixed_part_of_its_answer_and_nothing_in_it() {
    let failure = || Err(Failure::new(Hop::Pce, "pce.gone", "gone"));
    for (response, expected) in [
        (MessageType::QuoteResponse, "00000018 0100 0100 01000000 18000000 01200100 00*8"),
        (MessageType::CollateralResponse, "00000030 0100 0100 03000000 30000000 01200100 00*32"),
        (MessageType::PlatformInfoResponse, "0000001c 0100 0100 05000000 1c000000 01200100 00*12"),
    ] {
        let form = Form::Framed { response, minor_0: false };
        assert_eq!(form.write(&failure()), bytes(expected));
    }
    assert_eq!(Form::Raw.write(&failure()), Vec::<u8>::new());
}

#[test]
fn what_is_wrong_is_told_by_the_code_that_comes_nearest() {
    let error = |code: &str| bytes(&format!("{ERROR_1} {code} 00*8"));
    for (what, text, code, told) in [
        (
            "major 2",
            "00000010 0200 0100 00000000 10000000 00000000",
            "request.malformed",
            "04200100",
        ),
        (
            "type 7",
            "00000010 0100 0100 07000000 10000000 00000000",
            "request.malformed",
            "05200100",
        ),
        ("size", "00000010 0100 0100 00000000 11000000 00000000", "request.malformed", "06200100"),
        (
            "an error code",
            "00000018 0100 0100 00000000 18000000 01200100 00*8",
            "request.malformed",
            "07200100",
        ),
        (
            "no report",
            "00000018 0100 0100 00000000 18000000 00000000 00*8",
            "request.malformed",
            "03200100",
        ),
        (
            "a part that ends beyond the message",
            "00000018 0100 0100 00000000 18000000 00000000 01000000 00000000",
            "request.malformed",
            "06200100",
        ),
        (
            "a report of 1023 bytes",
            "00000417 0100 0100 00000000 17040000 00000000 ff030000 00000000 81 00*1022",
            "request.size",
            "06200100",
        ),
        (
            "a report of an SGX enclave",
            "00000418 0100 0100 00000000 18040000 00000000 00040000 00000000 00*1024",
            "report.type",
            "03200100",
        ),
        (
            "bytes behind the message",
            "00000418 0100 0100 00000000 18040000 00000000 00040000 00000000 81 00*1023 00",
            "request.trailing",
            "01200100",
        ),
    ] {
        assert_eq!(refusal(text), (code, error(told)), "{what}");
    }
}

#[test]
fn what_cannot_be_answered_is_only_closed() {
    for (what, text, code) in [
        ("less than a header", "0000000f", "request.length"),
        ("more than a megabyte", "00100001", "request.length"),
        (
            "an answer as a request",
            "00000018 0100 0100 01000000 18000000 00*12",
            "request.malformed",
        ),
        (
            "an answer as a request",
            "00000030 0100 0100 03000000 30000000 00*36",
            "request.malformed",
        ),
        (
            "an answer as a request",
            "0000001c 0100 0100 05000000 1c000000 00*16",
            "request.malformed",
        ),
        ("a bare report that is none", "81 02 00*1022", "report.subtype"),
        ("bytes behind a bare report", "81 00*1024", "request.trailing"),
    ] {
        assert_eq!(refusal(text), (code, vec![]), "{what}");
    }
}

#[test]
fn a_bare_report_is_answered_with_a_bare_quote() {
    let ask = Ask::Quote { report: report(), service_td: None };
    assert_eq!(at_once("81 00*1023"), Step::Whole(ask, Form::Raw));
    assert_eq!(Form::Raw.write(&Ok(Answer::Quote(b"quote".to_vec()))), b"quote");
}

#[test]
fn a_bare_report_may_announce_its_service_td() {
    let mut with = vec![0; REPORT_BYTES];
    (with[0], with[2], with[514]) = (TDX, 1, 2);
    let mut session = Session::default();
    assert_eq!(session.take(&with), Step::More);
    assert_eq!(session.take(&[7; SERVICE_TD_BYTES - 1]), Step::More);
    let Step::Whole(Ask::Quote { service_td: Some(service_td), .. }, Form::Raw) =
        session.take(&[7])
    else {
        panic!("no request")
    };
    assert_eq!(*service_td, [7; SERVICE_TD_BYTES]);
}

#[test]
fn a_request_may_come_byte_by_byte_and_be_cut_anywhere() {
    for text in [GET_QUOTE, "81 00*1023", "00000010 0100 0100 04000000 10000000 00000000"] {
        let whole = bytes(text);
        let mut session = Session::default();
        let (last, first) = whole.split_last().unwrap();
        assert!(first.iter().all(|byte| session.take(&[*byte]) == Step::More));
        assert_eq!(session.take(&[*last]), at_once(text));
        for cut in 0..whole.len() {
            let mut session = Session::default();
            assert_eq!(session.take(&whole[..cut]), Step::More, "{cut}");
            assert_eq!(session.take(&whole[cut..]), at_once(text), "{cut}");
        }
    }
}

#[test]
fn the_largest_message_is_taken() {
    let most = tdattest_wire::limits::QGS_MESSAGE_BYTES;
    let ids = most - 24 - REPORT_BYTES;
    let text = format!(
        "{most:08x} 0100 0100 00000000 {} 00000000 00040000 {} 81 00*1023 00*{ids}",
        little(&format!("{most:08x}")),
        little(&format!("{ids:08x}")),
    );
    assert!(matches!(at_once(&text), Step::Whole(Ask::Quote { .. }, _)));
}

#[test]
fn who_leaves_is_told_apart_by_what_came() {
    let mut session = Session::default();
    assert_eq!(session.unfinished("went away").code, "connection.silent");
    session.take(&[0]);
    let failure = session.unfinished("went away");
    assert_eq!(
        (failure.code, failure.cause.as_str()),
        ("connection.unfinished", "the peer went away after 1 bytes, in mid-request")
    );
}

proptest! {
    /// Nothing that arrives, in whatever pieces, panics, or grows beyond one message and a piece.
    #[test]
    fn anything_ends_in_a_step(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12)) {
        let mut session = Session::default();
        for piece in &pieces {
            if session.take(piece) != Step::More {
                return Ok(());
            }
        }
        prop_assert_eq!(session.received(), pieces.iter().map(Vec::len).sum::<usize>());
    }

    /// How a request is cut makes no difference.
    #[test]
    fn pieces_make_no_difference(cuts in prop::collection::vec(0_usize..1052, 0..8), flipped in 0_usize..1052, by in any::<u8>()) {
        let mut whole = bytes(GET_QUOTE);
        whole[flipped] ^= by;
        let at_once = Session::default().take(&whole);
        let mut cuts = cuts;
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let mut session = Session::default();
        let mut last = Step::More;
        for pair in cuts.windows(2) {
            last = session.take(&whole[pair[0]..pair[1]]);
            if last != Step::More {
                break;
            }
        }
        // A message that ends early has bytes behind it only if they have come by then.
        let ends_early = matches!(&at_once, Step::Refused(failure, _) if failure.code == "request.trailing");
        prop_assert!(last == at_once || ends_early);
    }
}
