//! Production collateral with any bytes written over one part: no panic, and the signed parts are accepted unchanged
//! or not at all.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::signed::Signed;
use tdattest_verifier::{TrustAnchor, Verifier, crypto};

fn sample() -> &'static Collateral {
    static SAMPLE: OnceLock<Collateral> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let bundle = std::fs::read(concat!(env!("SAMPLES"), "/tdx_quote_collateral.json")).unwrap();
        Collateral::from_bundle(&bundle).unwrap()
    })
}

// The first byte says which part, two more where, and the rest is xor'ed in.
fuzz_target!(|input: &[u8]| {
    let [part, low, high, mask @ ..] = input else { return };
    let mut changed = sample().clone();
    let edit = |bytes: &mut Vec<u8>| {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        bytes.iter_mut().skip(at).zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    };
    match part % 7 {
        0 => edit(&mut changed.pck_crl_issuer_chain),
        1 => edit(&mut changed.root_ca_crl),
        2 => edit(&mut changed.pck_crl),
        3 => edit(&mut changed.tcb_info_issuer_chain),
        4 => edit(&mut changed.qe_identity_issuer_chain),
        5 => changed.tcb_info = edited(&changed.tcb_info, edit),
        _ => changed.qe_identity = edited(&changed.qe_identity, edit),
    }
    let verifier = Verifier::new(TrustAnchor::intel(), crypto::rust_crypto());
    if verifier.prepare(&changed).is_ok() {
        // Text around the certificates of a chain is under no signature; all else is.
        assert_eq!(changed.root_ca_crl, sample().root_ca_crl);
        assert_eq!(changed.pck_crl, sample().pck_crl);
        assert!(changed.tcb_info == sample().tcb_info);
        assert!(changed.qe_identity == sample().qe_identity);
    }
});

fn edited<T: tdattest_verifier::wire::signed::Document>(
    signed: &Signed<T>,
    edit: impl Fn(&mut Vec<u8>),
) -> Signed<T> {
    let mut body = signed.signed_bytes().to_vec();
    edit(&mut body);
    Signed::new(body, *signed.signature())
}
