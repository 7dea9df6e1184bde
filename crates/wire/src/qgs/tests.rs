use super::*;

/// The bytes of a normal request, as the specification page has them.
#[test]
fn a_request_for_a_quote_is_framed_as_intels_client_does() {
    let report = [0xab; 1024];
    let frame = Request::Quote { report: &report, id_list: &[] }.write();
    let head =
        [0, 0, 4, 0x18, 1, 0, 1, 0, 0, 0, 0, 0, 0x18, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
    assert_eq!(frame.len(), 1052);
    assert_eq!(frame[..28], head);
    assert_eq!(message_length(frame[..4].try_into().unwrap()), Ok(1048));
    assert_eq!(Request::parse(&frame[4..]), Ok(Request::Quote { report: &report, id_list: &[] }));
}

#[test]
fn every_request_and_answer_is_read_back() {
    let (report, id_list, service_td) = (&[1; 1024][..], &[2; 16][..], &[3; 272][..]);
    let requests = [
        Request::Quote { report, id_list },
        Request::Collateral { fmspc: &[4; 6], pck_ca: b"platform\0", minor_0: false },
        Request::Collateral { fmspc: &[4; 6], pck_ca: b"processor", minor_0: true },
        Request::PlatformInfo,
        Request::MigrationQuote { report, service_td, id_list },
    ];
    for request in requests {
        assert_eq!(Request::parse(&request.write()[4..]), Ok(request));
    }
    let answer = QuoteResponse { selected_id: &[], quote: &[5; 5000] };
    assert_eq!(QuoteResponse::parse(&answer.write()[4..]), Ok(answer));
}

#[test]
fn an_error_has_the_size_that_intels_client_expects_and_is_read_back() {
    for (kind, size) in [
        (MessageType::QuoteResponse, 24),
        (MessageType::CollateralResponse, 48),
        (MessageType::PlatformInfoResponse, 28),
    ] {
        assert_eq!(QgsError::UNEXPECTED.write(kind).len(), PREFIX_BYTES + size);
    }
    for number in [0x12001, 0x12007, 0x12008, 1, u32::MAX] {
        let error = QgsError::from_number(number).unwrap();
        let frame = error.write(MessageType::QuoteResponse);
        assert_eq!(frame[16..20], number.to_le_bytes());
        assert_eq!(QuoteResponse::parse(&frame[4..]), Err(NoAnswer::Refused(error)));
    }
    assert_eq!(QgsError::from_number(0), None);
}

#[test]
fn collateral_is_read_back_with_and_without_the_zeros_of_minor_version_0() {
    let answer = CollateralResponse {
        version: (3, 1),
        pck_crl_issuer_chain: b"chain",
        root_ca_crl: &[1; 9],
        pck_crl: &[2; 8],
        tcb_info_issuer_chain: b"other",
        tcb_info: b"{}",
        qe_identity_issuer_chain: b"third",
        qe_identity: b"[]",
    };
    let (frame, longer) = (answer.write(false), answer.write(true));
    assert_eq!((frame.len(), longer.len()), (4 + 48 + 36, 4 + 48 + 40));
    assert_eq!(frame[6], 1, "the minor version of an answer is 1, whatever was asked");
    assert_eq!(longer[6], 1);
    assert_eq!(frame[20..24], [3, 0, 1, 0]);
    assert_eq!(CollateralResponse::parse(&frame[4..]), Ok(answer.clone()));
    assert_eq!(CollateralResponse::parse(&longer[4..]), Ok(answer.clone()));
    let empty = CollateralResponse { pck_crl: &[], ..answer };
    let refused = CollateralResponse::parse(&empty.write(false)[4..]).map(drop);
    assert!(matches!(refused, Err(NoAnswer::Malformed(_))));
}

#[test]
fn platform_information_has_the_four_bytes_more_that_intels_client_expects() {
    let answer = PlatformInfoResponse {
        tdqe_isv_svn: 0x0102,
        pce_isv_svn: 0x0304,
        platform_id: &[5; 16],
        cpu_svn: &[6; 16],
    };
    let frame = answer.write();
    assert_eq!(frame.len(), 4 + 28 + 32 + 4);
    assert_eq!(frame[20..32], [2, 1, 4, 3, 16, 0, 0, 0, 16, 0, 0, 0]);
    assert_eq!(frame[64..], [0; 4]);
    assert_eq!(PlatformInfoResponse::parse(&frame[4..]), Ok(answer));
    // Other bytes there are none of these zeros.
    let mut other = frame;
    other[67] = 1;
    assert!(PlatformInfoResponse::parse(&other[4..]).is_err());
}

#[test]
fn a_request_without_a_part_that_it_must_have_is_refused() {
    let requests = [
        Request::Quote { report: &[], id_list: &[1] },
        Request::Collateral { fmspc: &[], pck_ca: b"platform", minor_0: false },
        Request::Collateral { fmspc: &[1; 6], pck_ca: &[], minor_0: false },
        Request::MigrationQuote { report: &[], service_td: &[1], id_list: &[] },
        Request::MigrationQuote { report: &[1], service_td: &[], id_list: &[] },
    ];
    for request in requests {
        assert!(Request::parse(&request.write()[4..]).is_err(), "{request:?}");
    }
}

#[test]
fn success_without_a_quote_is_refused() {
    let frame = QuoteResponse { selected_id: &[7; 16], quote: &[] }.write();
    assert!(matches!(QuoteResponse::parse(&frame[4..]), Err(NoAnswer::Malformed(_))));
}

#[test]
fn sizes_that_contradict_the_bytes_are_refused() {
    let whole = Request::Quote { report: &[1; 1024], id_list: &[2; 16] }.write();
    let message = &whole[4..];
    for length in 0..message.len() {
        assert!(Request::parse(&message[..length]).is_err(), "cut to {length}");
    }
    let mut longer = message.to_vec();
    longer.push(0);
    assert!(Request::parse(&longer).is_err());
    // Each of the size fields, one more and one less.
    for at in [8, 16, 20] {
        for change in [1_u8, 0xff] {
            let mut changed = message.to_vec();
            changed[at] = changed[at].wrapping_add(change);
            assert!(Request::parse(&changed).is_err(), "size at {at}");
        }
    }
}

#[test]
fn other_versions_types_and_lengths_are_refused() {
    let message = Request::PlatformInfo.write()[4..].to_vec();
    for (at, value) in [(0, 2), (1, 1), (4, 7), (4, 1), (12, 1)] {
        let mut changed = message.clone();
        changed[at] = value;
        assert!(Request::parse(&changed).is_err(), "byte {at} as {value}");
    }
    let mut minor_9 = message.clone();
    minor_9[2] = 9;
    assert_eq!(Request::parse(&minor_9), Ok(Request::PlatformInfo));
    let largest = u32::try_from(limits::QGS_MESSAGE_BYTES).unwrap();
    assert!(message_length(largest.to_be_bytes()).is_ok());
    assert!(message_length((largest + 1).to_be_bytes()).is_err());
    assert!(message_length(16_u32.to_be_bytes()).is_ok());
    assert!(message_length(15_u32.to_be_bytes()).is_err());
}
