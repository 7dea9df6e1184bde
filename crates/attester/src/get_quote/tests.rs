//! The buffer that goes to the host and comes back, which no ioctl can be asked for outside a TD.

use std::time::Duration;

use tdattest_wire::qgs::{MessageType, QgsError};

use super::*;

/// An answered buffer.
fn answered(status: u64, length: u32, data: &[u8]) -> Vec<u8> {
    let mut buffer = request(&[7; 1024]);
    buffer[8..16].copy_from_slice(&status.to_le_bytes());
    buffer[20..24].copy_from_slice(&length.to_le_bytes());
    buffer[HEADER_BYTES..][..data.len()].copy_from_slice(data);
    buffer
}

fn framed(quote: &[u8]) -> Vec<u8> {
    QuoteResponse { selected_id: &[], quote }.write()
}

fn answer_of(frame: &[u8]) -> Result<Vec<u8>, ProviderError> {
    answer(&answered(0, u32::try_from(frame.len()).unwrap(), frame))
}

#[test]
fn the_buffer_is_whole_pages_with_version_lengths_and_a_framed_request() {
    let buffer = request(&[7; 1024]);
    assert_eq!(buffer.len() % 4096, 0);
    assert_eq!(buffer[..8], 1_u64.to_le_bytes());
    assert_eq!(buffer[8..16], [0; 8]);
    assert_eq!(buffer[16..20], 1052_u32.to_le_bytes());
    assert_eq!(buffer[20..24], [0; 4]);
    let sent = Request::parse(&buffer[HEADER_BYTES + PREFIX_BYTES..][..1048]);
    assert_eq!(sent, Ok(Request::Quote { report: &[7; 1024], id_list: &[] }));
    assert!(buffer[HEADER_BYTES + 1052..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_answer_up_to_the_end_of_the_buffer_is_read() {
    let most = BUFFER_BYTES - HEADER_BYTES - framed(&[]).len();
    for length in [1, 5000, most] {
        let quote = vec![9; length];
        assert_eq!(answer_of(&framed(&quote)), Ok(quote));
    }
}

#[test]
fn every_status_but_success_is_told_apart() {
    let frame = framed(&[9; 100]);
    let status = |status| answer(&answered(status, 124, &frame)).unwrap_err();
    assert_eq!(status(u64::MAX), ProviderError::Busy { hop: Hop::Device });
    assert_eq!(status(1 << 63 | 1), ProviderError::NoService);
    for other in [1, 1 << 63, 1 << 63 | 2] {
        assert_eq!(status(other), ProviderError::GetQuote(other));
    }
}

#[test]
fn a_length_beyond_the_buffer_is_refused() {
    let room = BUFFER_BYTES - HEADER_BYTES;
    for found in [room + 1, 0xffff_ffff] {
        let refused = answer(&answered(0, u32::try_from(found).unwrap(), &framed(&[9; 100])));
        assert_eq!(refused, Err(ProviderError::AnswerLength { found, room }));
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_is_refused() {
    let frame = framed(&[9; 40]);
    for length in 0..frame.len() {
        let cut = answer(&answered(0, u32::try_from(length).unwrap(), &frame));
        let Err(ProviderError::Qgs(NoAnswer::Malformed(fault))) = cut else { panic!("{cut:?}") };
        assert!(matches!(fault.kind, ParseErrorKind::Truncated { .. }), "{length}: {fault}");
    }
}

#[test]
fn an_error_of_the_service_and_an_empty_quote_are_no_quote() {
    let refused = QgsError::UNEXPECTED;
    assert_eq!(
        answer_of(&refused.write(MessageType::QuoteResponse)),
        Err(ProviderError::Qgs(NoAnswer::Refused(refused)))
    );
    let empty = answer_of(&framed(&[]));
    assert!(matches!(empty, Err(ProviderError::Qgs(NoAnswer::Malformed(_)))), "{empty:?}");
}

#[test]
fn no_buffer_of_any_length_is_a_panic() {
    for length in 0..64 {
        assert!(answer(&vec![0; length]).is_err());
        assert!(answer(&vec![0xff; length]).is_err());
    }
}

#[test]
fn each_refusal_of_the_ioctl_is_told_apart() {
    let deadline = Deadline::after(Duration::from_secs(3));
    let told = |fault: io::Error| refusal(Path::new("tdx_guest"), &fault, &deadline);
    assert!(matches!(told(Errno::NOTTY.into()), ProviderError::Unavailable(_)));
    let late = ProviderError::Deadline { hop: Hop::Device, allowed: Duration::from_secs(3) };
    assert_eq!(told(io::ErrorKind::TimedOut.into()), late);
    assert_eq!(told(Errno::BUSY.into()), ProviderError::Busy { hop: Hop::Device });
    // The driver's own patience is no deadline of ours.
    for errno in [Errno::TIMEDOUT, Errno::IO] {
        let io = told(errno.into());
        assert!(matches!(io, ProviderError::Io { hop: Hop::Device, .. }), "{errno}");
    }
}
