//! A QGS that does what a test tells it, on a Unix socket: every way to misbehave has its own answer.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use tdattest_attester::wire::Fixed as _;
use tdattest_attester::wire::bytes::ReportData;
use tdattest_attester::wire::error::ParseErrorKind;
use tdattest_attester::wire::limits;
use tdattest_attester::wire::qgs::{
    MessageType, NoAnswer, PREFIX_BYTES, QgsError, QuoteResponse, Request,
};
use tdattest_attester::wire::quote::Quote;
use tdattest_attester::{
    Attester, Deadline, Endpoint, Hop, ObtainedQuote, Paths, Provider, ProviderError, ReportError,
    quote_from_report,
};
use tdattest_simulator::{Platform, QuoteDraft, Seed};

const PATIENT: Duration = Deadline::DEFAULT;
/// Enough for a request on a busy machine, and no wait worth speaking of.
const IMPATIENT: Duration = Duration::from_millis(150);

/// A TDREPORT with this report data, and its quote.
fn report_and_quote(report_data: u8) -> (Vec<u8>, Vec<u8>) {
    let platform = Platform::new(Seed::of("scripted QGS"));
    let report = platform.launch_td().report(ReportData([report_data; 64]));
    let at = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut draft = QuoteDraft::of_td(&platform, &report, at).unwrap();
    draft.padding = 0;
    let mut bytes = Vec::new();
    report.write(&mut bytes);
    (bytes, draft.mint().unwrap())
}

/// Asks a service that reads the request, checks it, and then does what the script says.
fn ask(
    allowed: Duration,
    script: impl FnOnce(UnixStream) + Send + 'static,
) -> Result<ObtainedQuote, ProviderError> {
    let (report, _) = report_and_quote(1);
    let expected = Request::Quote { report: &report, id_list: &[] }.write();
    ask_unread(allowed, move |mut stream| {
        let mut request = vec![0; expected.len()];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, expected);
        script(stream);
    })
}

/// Asks a service that does what the script says from the start.
fn ask_unread(
    allowed: Duration,
    script: impl FnOnce(UnixStream) + Send + 'static,
) -> Result<ObtainedQuote, ProviderError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("qgs.socket");
    let listener = UnixListener::bind(&path).unwrap();
    let service = thread::spawn(move || script(listener.accept().unwrap().0));
    let answer = quote_from_report(&Endpoint::Unix(path), &report_and_quote(1).0, allowed);
    service.join().unwrap();
    answer
}

/// Asks a service that answers with these bytes.
fn answered(bytes: Vec<u8>) -> Result<ObtainedQuote, ProviderError> {
    ask(PATIENT, move |mut stream| stream.write_all(&bytes).unwrap())
}

fn framed(quote: &[u8]) -> Vec<u8> {
    QuoteResponse { selected_id: &[], quote }.write()
}

/// Reads until the client gives up and closes.
fn wait_for_the_end(mut stream: UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// What is malformed about the answer.
fn malformed(answer: Result<ObtainedQuote, ProviderError>) -> ParseErrorKind {
    match answer {
        Err(ProviderError::Qgs(NoAnswer::Malformed(fault))) => fault.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_answer_is_a_quote_with_the_report_data_of_the_report() {
    let quote = report_and_quote(1).1;
    let obtained = answered(framed(&quote)).unwrap();
    assert_eq!((obtained.bytes.as_slice(), obtained.padding), (quote.as_slice(), 0));
    assert_eq!(Quote::parse(&obtained.bytes).unwrap().body().report_data().0, [1; 64]);
}

#[test]
fn a_report_that_is_given_is_the_one_that_is_sent_and_no_other_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("qgs.socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (report, quote) = report_and_quote(1);
    let (expected, frame) =
        (Request::Quote { report: &report, id_list: &[] }.write(), framed(&quote));
    let service = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut request = vec![0; expected.len()];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&frame).unwrap();
        assert_eq!(request, expected);
    });
    // No device is there to take another one from.
    let attester = Attester::new(Paths::below(home.path()))
        .with_providers(vec![Provider::Qgs(Endpoint::Unix(path))]);
    assert_eq!(attester.quote_from_report(&report).unwrap().bytes, quote);
    service.join().unwrap();
}

#[test]
fn an_answer_split_byte_by_byte_is_put_together() {
    let quote = report_and_quote(1).1;
    let frame = framed(&quote);
    let obtained = ask(PATIENT, move |mut stream| {
        frame.chunks(1).for_each(|byte| stream.write_all(byte).unwrap());
    });
    assert_eq!(obtained.unwrap().bytes, quote);
}

#[test]
fn an_answer_split_at_any_place_is_put_together() {
    let quote = report_and_quote(1).1;
    for at in [1, 3, 4, 5, 19, 20, 27, 28, 29, 4000] {
        let frame = framed(&quote);
        let obtained = ask(PATIENT, move |mut stream| {
            stream.write_all(&frame[..at]).unwrap();
            thread::yield_now();
            stream.write_all(&frame[at..]).unwrap();
        });
        assert_eq!(obtained.unwrap().bytes, quote, "split at {at}");
    }
}

#[test]
fn the_padding_of_a_quote_is_reported_and_can_be_cut_off() {
    for padding in [1, 70, 307, 8000] {
        let quote = report_and_quote(1).1;
        let padded = [quote.as_slice(), &vec![0; padding]].concat();
        let obtained = answered(framed(&padded)).unwrap();
        assert_eq!((&obtained.bytes, obtained.padding), (&padded, padding));
        assert_eq!(obtained.trimmed(), quote);
    }
}

#[test]
fn a_service_that_hangs_costs_no_more_than_the_deadline_wherever_it_stops() {
    let frame = framed(&report_and_quote(1).1);
    let silent = Err(ProviderError::Deadline { hop: Hop::Receive, allowed: IMPATIENT });
    for sent in [0, 1, 4, 20, frame.len() - 1] {
        let part = frame[..sent].to_vec();
        let answer = ask(IMPATIENT, move |mut stream| {
            stream.write_all(&part).unwrap();
            wait_for_the_end(stream);
        });
        assert_eq!(answer, silent, "after {sent} bytes");
    }
}

#[test]
fn a_service_that_dribbles_cannot_stretch_the_deadline() {
    let refusal = QgsError::UNEXPECTED;
    let frame = refusal.write(MessageType::QuoteResponse);
    let dribble = move |pause: Duration| {
        let frame = frame.clone();
        move |mut stream: UnixStream| {
            // Between two bytes it waits whether the client leaves, which a client that bounds each wait never would.
            stream.set_read_timeout(Some(pause)).unwrap();
            for byte in frame {
                let has_left = match stream.write_all(&[byte]) {
                    Ok(()) => matches!(stream.read(&mut [0]), Ok(0)),
                    Err(_) => true,
                };
                if has_left {
                    return;
                }
            }
        }
    };
    let answer = ask(IMPATIENT, dribble(IMPATIENT / 2));
    assert_eq!(answer, Err(ProviderError::Deadline { hop: Hop::Receive, allowed: IMPATIENT }));
    // With time enough, the same service is heard out.
    let answer = ask(PATIENT, dribble(Duration::from_millis(1)));
    assert_eq!(answer, Err(ProviderError::Qgs(NoAnswer::Refused(refusal))));
}

#[test]
fn a_service_that_nobody_serves_is_given_up_while_connecting_or_waiting() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("qgs.socket");
    let _unserved = UnixListener::bind(&path).unwrap();
    let answer = quote_from_report(&Endpoint::Unix(path), &report_and_quote(1).0, IMPATIENT);
    // The system accepts for it, and nobody ever reads.
    assert_eq!(answer, Err(ProviderError::Deadline { hop: Hop::Receive, allowed: IMPATIENT }));
}

#[test]
fn two_who_ask_at_once_each_get_their_own_answer() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("qgs.socket");
    let listener = UnixListener::bind(&path).unwrap();
    let asked = [1, 2].map(report_and_quote);
    thread::scope(|scope| {
        for (report, quote) in &asked {
            let endpoint = Endpoint::Unix(path.clone());
            scope.spawn(move || {
                let obtained = quote_from_report(&endpoint, report, PATIENT).unwrap();
                assert_eq!(obtained.bytes, *quote);
            });
        }
        // Both are there before either is answered, and the last comes first.
        let length = Request::Quote { report: &asked[0].0, id_list: &[] }.write().len();
        let requests = [(); 2].map(|()| {
            let mut stream = listener.accept().unwrap().0;
            let mut request = vec![0; length];
            stream.read_exact(&mut request).unwrap();
            (stream, request)
        });
        for (mut stream, request) in requests.into_iter().rev() {
            let of_it = |(report, _): &&(Vec<u8>, Vec<u8>)| {
                request == Request::Quote { report, id_list: &[] }.write()
            };
            let (_, quote) = asked.iter().find(of_it).unwrap();
            stream.write_all(&framed(quote)).unwrap();
        }
    });
}

#[test]
fn a_service_that_closes_early_is_told_with_what_came_before() {
    let frame = framed(&report_and_quote(1).1);
    let message = frame.len() - PREFIX_BYTES;
    for (sent, received, expected) in [
        (0, 0, PREFIX_BYTES),
        (1, 1, PREFIX_BYTES),
        (4, 0, message),
        (5, 1, message),
        (20, 16, message),
        (frame.len() - 1, message - 1, message),
    ] {
        let answer = answered(frame[..sent].to_vec());
        assert_eq!(answer, Err(ProviderError::ClosedEarly { received, expected }), "{sent}");
    }
}

#[test]
fn a_service_that_closes_before_it_has_read_anything_is_told_the_same_way() {
    let closed = Err(ProviderError::ClosedEarly { received: 0, expected: PREFIX_BYTES });
    assert_eq!(ask_unread(PATIENT, drop), closed);
    // Part of the request stays unread, for which the system has a signal of its own.
    let answer = ask_unread(PATIENT, |mut stream| stream.read_exact(&mut [0; 20]).unwrap());
    assert_eq!(answer, closed);
}

#[test]
fn a_length_beyond_the_limit_or_below_a_header_is_refused_before_anything_is_read() {
    let found = limits::QGS_MESSAGE_BYTES + 1;
    for length in [found, u32::MAX as usize] {
        let prefix = u32::try_from(length).unwrap().to_be_bytes();
        let limit = limits::QGS_MESSAGE_BYTES;
        let too_large = ParseErrorKind::TooLarge { limit, found: length, unit: "bytes" };
        assert_eq!(malformed(answered(prefix.to_vec())), too_large);
    }
    for length in [0_u32, 15] {
        let kind = malformed(answered(length.to_be_bytes().to_vec()));
        assert!(matches!(kind, ParseErrorKind::Invalid(_)), "{kind}");
    }
}

#[test]
fn garbage_is_refused() {
    let text = malformed(answered(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    assert!(matches!(text, ParseErrorKind::TooLarge { .. }), "{text}");
    let mut noise = 64_u32.to_be_bytes().to_vec();
    noise.extend_from_slice(&[0xa5; 64]);
    let major =
        ParseErrorKind::Unsupported { field: "major version", expected: "1", found: 0xa5a5 };
    assert_eq!(malformed(answered(noise)), major);
}

#[test]
fn an_answer_with_a_flipped_header_is_refused_field_by_field() {
    let frame = framed(&report_and_quote(1).1);
    let changed = |at: usize, value: u8| {
        let mut frame = frame.clone();
        frame[PREFIX_BYTES + at] = value;
        malformed(answered(frame))
    };
    let unsupported =
        |kind, name| matches!(kind, ParseErrorKind::Unsupported { field, .. } if field == name);
    assert!(unsupported(changed(0, 2), "major version"));
    assert!(unsupported(changed(4, 3), "message type"));
    assert!(unsupported(changed(4, 9), "message type"));
    assert!(matches!(changed(8, 0), ParseErrorKind::WrongSize { field: "message size", .. }));
    // A quote that is one byte shorter than the message, and one that is longer.
    let length = frame[PREFIX_BYTES + 20];
    assert_eq!(changed(20, length - 1), ParseErrorKind::TrailingBytes { count: 1 });
    assert!(matches!(changed(20, length + 1), ParseErrorKind::Truncated { .. }));
}

#[test]
fn another_minor_version_and_a_selected_id_are_let_pass() {
    let quote = report_and_quote(1).1;
    let mut frame = QuoteResponse { selected_id: &[7; 16], quote: &quote }.write();
    frame[PREFIX_BYTES + 2] = 9;
    assert_eq!(answered(frame).unwrap().bytes, quote);
}

#[test]
fn an_error_of_the_service_is_told_with_its_code() {
    for number in [0x12001, 0x12002, 0x12007, 0x1100f] {
        let error = QgsError::from_number(number).unwrap();
        let answer = answered(error.write(MessageType::QuoteResponse));
        assert_eq!(answer, Err(ProviderError::Qgs(NoAnswer::Refused(error))));
    }
}

#[test]
fn success_with_an_empty_quote_is_refused() {
    assert!(matches!(malformed(answered(framed(&[]))), ParseErrorKind::Invalid(_)));
}

#[test]
fn what_is_no_quote_is_refused() {
    for not_a_quote in [&b"Dear Sir or Madam!"[..], &[0; 5000]] {
        let answer = answered(framed(not_a_quote));
        assert!(matches!(answer, Err(ProviderError::NotAQuote(_))), "{answer:?}");
    }
    let quote = report_and_quote(1).1;
    let answer = answered(framed(&quote[..quote.len() - 1]));
    assert!(matches!(answer, Err(ProviderError::NotAQuote(_))), "{answer:?}");
}

#[test]
fn a_token_of_another_kind_of_attestation_is_named() {
    let mut token = vec![0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x59, 0x20, 0x00];
    token.resize(9000, 0);
    let named = Err(ProviderError::CborWebToken { length: 9000 });
    assert_eq!(answered(framed(&token)), named);
}

#[test]
fn a_quote_for_other_report_data_is_refused() {
    let answer = answered(framed(&report_and_quote(2).1));
    assert_eq!(answer, Err(ProviderError::OtherReportData));
}

#[test]
fn a_socket_that_is_not_there_and_one_that_nobody_listens_on_are_told() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("qgs.socket");
    let ask = || quote_from_report(&Endpoint::Unix(path.clone()), &report_and_quote(1).0, PATIENT);
    let missing = ask().unwrap_err();
    assert!(matches!(missing, ProviderError::Io { hop: Hop::Connect, .. }), "{missing}");
    drop(UnixListener::bind(&path).unwrap());
    let stale = ask().unwrap_err();
    assert!(matches!(stale, ProviderError::Io { hop: Hop::Connect, .. }), "{stale}");
    assert_ne!(missing, stale);
}

#[test]
fn what_is_no_tdreport_is_never_sent() {
    let endpoint = Endpoint::Unix("nowhere".into());
    for report in [&[][..], &[0; 1024], &[0x81; 1023]] {
        let refused = quote_from_report(&endpoint, report, PATIENT);
        let implausible = ProviderError::Report(ReportError::Implausible(String::new()));
        let kind = std::mem::discriminant(&implausible);
        assert_eq!(refused.as_ref().map_err(std::mem::discriminant), Err(kind), "{refused:?}");
    }
}
