//! Any bytes in any pieces from a peer of the QGS: no panic, bounded, answered as it can be; the pieces make no
//! difference to a request that ends where they end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tdattest_qgs::{Failure, Hop, Session, Step};

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, cuts) = input;
    let at_once = Session::default().take(&bytes);

    let mut session = Session::default();
    let mut rest = bytes.as_slice();
    let mut last = Step::More;
    let mut cuts = cuts.into_iter().chain(std::iter::repeat(u8::MAX));
    while !rest.is_empty() && last == Step::More {
        let length = usize::from(cuts.next().unwrap_or(1)).clamp(1, rest.len());
        let (piece, later) = rest.split_at(length);
        last = session.take(piece);
        rest = later;
    }
    if rest.is_empty() && !bytes.is_empty() {
        assert_eq!(last, at_once);
    }
    match at_once {
        Step::More => assert_eq!(session.received(), bytes.len()),
        Step::Whole(_, form) => {
            form.write(&Err(Failure::new(Hop::Queue, "fuzz", "an error has an answer, or closes")));
        }
        Step::Refused(failure, form) => {
            let answer = form.map(|form| form.write(&Err(failure)));
            assert!(answer.is_none_or(|answer| answer.len() <= 4 + 48));
        }
    }
});
